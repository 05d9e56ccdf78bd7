"""The scores of ``make verify-real``, and what it says where it cannot run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import scoring, verify_real

ROOT = Path(__file__).resolve().parent.parent
DURATION_S = 30.0


@pytest.fixture(scope="module")
def utterances() -> tuple[scoring.Utterance, ...]:
    return scoring.read_stm(verify_real.sample_folder() / "sample.stm")


def envelope_of(
    utterances: tuple[scoring.Utterance, ...], names: dict[str, str]
) -> dict[str, object]:
    """What a worker without a fault would answer: each word in an even share of its utterance."""
    words = []
    for utterance in utterances:
        texts = utterance.text.split()
        share_s = (utterance.end_s - utterance.start_s) / len(texts)
        for index, text in enumerate(texts):
            start_s = utterance.start_s + index * share_s
            speaker = names[utterance.speaker]
            words.append(
                {"word": text, "start": start_s, "end": start_s + share_s, "speaker": speaker}
            )
    words.sort(key=lambda word: float(str(word["start"])))
    text = " ".join(utterance.text for utterance in utterances)
    return {"text": text, "timestamps": {"word": words}}


def score(envelope: dict[str, object], utterances: tuple[scoring.Utterance, ...]) -> scoring.Scores:
    turns = scoring.read_rttm(verify_real.sample_folder() / "sample.rttm")
    return scoring.score(envelope, utterances, turns, DURATION_S)


def test_a_faultless_answer_scores_nothing_whatever_its_speakers_are_called(
    utterances: tuple[scoring.Utterance, ...],
) -> None:
    names = {"Diane": "SPEAKER_01", "Sheila": "SPEAKER_00"}
    scores = score(envelope_of(utterances, names), utterances)
    assert (scores.wer, scores.cpwer) == (0, 0)
    assert scores.der < verify_real.THRESHOLDS["der"]


def test_one_speaker_for_all_is_a_fault_of_speakers_and_not_of_words(
    utterances: tuple[scoring.Utterance, ...],
) -> None:
    names = {"Diane": "SPEAKER_00", "Sheila": "SPEAKER_00"}
    scores = score(envelope_of(utterances, names), utterances)
    assert scores.wer == 0
    assert scores.der > verify_real.THRESHOLDS["der"]
    assert scores.cpwer > verify_real.THRESHOLDS["cpwer"]


def test_a_wrong_word_counts_once_in_wer_and_in_cpwer(
    utterances: tuple[scoring.Utterance, ...],
) -> None:
    envelope = envelope_of(utterances, {"Diane": "SPEAKER_00", "Sheila": "SPEAKER_01"})
    envelope["text"] = str(envelope["text"]).replace("Hello?", "Yellow?", 1)
    words = envelope["timestamps"]["word"]  # type: ignore[index]  # a dict of this test's making
    words[0]["word"] = "Yellow?"
    scores = score(envelope, utterances)
    count = sum(len(utterance.text.split()) for utterance in utterances)
    assert scores.wer == pytest.approx(1 / count)
    assert scores.cpwer == pytest.approx(1 / count)


def test_case_and_punctuation_do_not_count() -> None:
    assert scoring.normalise("Oh, hello. I didn't -- KNOW!") == "oh hello i didn't know"


def test_without_the_hub_it_says_so_in_one_line() -> None:
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9"}
    environment.pop("PARAKEET_ASR_MODEL", None)
    done = subprocess.run(
        [sys.executable, "-m", "tools.verify_real", "--engine-python", sys.executable],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("make verify-real cannot run here: ")
    assert "cannot be reached" in line
