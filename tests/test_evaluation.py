"""What ``make eval`` is made of: its conversations, its sums and its table."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

os.environ["PYANNOTE_METRICS_ENABLED"] = "false"  # before the import: no telemetry

import numpy as np
import pytest

from benchmarks import evaluation, evaluation_set, evaluation_table
from benchmarks.engine_run import Answer
from benchmarks.evaluation_set import CONDITIONS, Condition
from benchmarks.machine import Machine
from speech import protocol
from speech.types import Diarization, Hearing, SpeakerTurn, Transcript, Word
from training.espeak import Espeak
from training.speakers_effects import telephone
from training.speakers_mixing import Conversation, clearly_different
from training.voices import HELD_OUT

SHORT = Condition("short", 3, 0.4, recordings=1, overlap=0.0)


@pytest.fixture(scope="module")
def spoken() -> Conversation:
    return evaluation_set.generate(SHORT, 0, Espeak())


def heard(spoken: Conversation) -> Answer:
    """As an engine without a fault would answer."""
    words = tuple(Word(w.text, w.start_s, w.end_s, 1.0) for w in spoken.words)
    turns = tuple(SpeakerTurn(f"x{s.speaker}", s.start_s, s.end_s) for s in spoken.segments)
    text = " ".join(word.text for word in words)
    hearing = Hearing(
        Transcript(text, words, (), "full"),
        Diarization(turns, turns),
        {"asr": "x", "diarization": "y"},
        timings_s={"engine": 1.0},
    )
    return Answer(protocol.hearing_to_dict(hearing), 0.0, 0.0, 2.0, None)


def test_the_conditions_are_those_that_were_asked_for() -> None:
    assert {condition.voices for condition in CONDITIONS} == {2, 3, 4, 6}
    assert {1, 10, 30, 60} <= {condition.minutes for condition in CONDITIONS}
    for name in ("noise", "reverberation", "telephone", "overlap"):
        assert any(name in condition.name for condition in CONDITIONS)
    assert len({condition.name for condition in CONDITIONS}) == len(CONDITIONS)


@pytest.mark.parametrize("seed", range(20))
def test_six_voices_can_be_told_apart_and_are_held_out(seed: int) -> None:
    voices = evaluation_set.different_voices(random.Random(seed), 6)
    assert {voice.name.partition("+")[2] for voice in voices} <= set(HELD_OUT)
    assert all(clearly_different(a, b) for a in voices for b in voices if a != b)


def test_a_conversation_is_as_long_as_its_condition_says(spoken: Conversation) -> None:
    assert evaluation_set.duration_s(spoken) == pytest.approx(60 * SHORT.minutes, rel=0.4)
    assert spoken.speakers == ("A", "B", "C")
    again = evaluation_set.generate(SHORT, 0, Espeak())
    said = [(turn.speaker, turn.text) for turn in spoken.turns]
    assert [(turn.speaker, turn.text) for turn in again.turns] == said


@pytest.mark.parametrize(
    "condition", [c for c in CONDITIONS if c.minutes == 2], ids=lambda c: c.name
)
def test_a_channel_keeps_the_length_and_changes_the_sound(
    condition: Condition, spoken: Conversation
) -> None:
    after = condition.channel(random.Random(1), spoken.audio)
    assert after.shape == spoken.audio.shape
    plain = condition.name in ("clean", "much overlap", "2 voices")
    assert np.array_equal(after, spoken.audio) == plain


def test_the_telephone_band_has_neither_lows_nor_highs() -> None:
    noise = np.random.default_rng(0).standard_normal(160_000).astype(np.float32)
    band = telephone(noise)
    power = np.abs(np.fft.rfft(band)) ** 2
    hertz = np.fft.rfftfreq(len(band), 1 / 16_000)
    middle = power[(hertz > 500) & (hertz < 3000)].mean()
    for outside in (hertz < 100, hertz > 6000):
        assert power[outside].mean() < 0.001 * middle


def test_what_a_faultless_engine_hears_has_no_errors(spoken: Conversation, tmp_path: Path) -> None:
    scored = evaluation.score_one(SHORT, spoken, heard(spoken), tmp_path / "x.wav")
    summary = evaluation.summary("short", [scored])
    rates = ("wer", "cer", "cp_wer", "cp_wer_with_true_turns", "tcp_wer", "wder", "der", "jer")
    assert {name: summary[name] for name in rates} == dict.fromkeys(rates, 0.0)
    assert summary["word_start_mean_s"] == pytest.approx(0, abs=0.001)  # envelopes have ms
    assert summary["speakers_right"] == 1
    assert summary["words"] == len(spoken.words)


def test_a_summary_weighs_recordings_by_their_words(spoken: Conversation, tmp_path: Path) -> None:
    right = evaluation.score_one(SHORT, spoken, heard(spoken), tmp_path / "x.wav")
    words = right.scores["reference_words"]
    half = {**right.scores, "reference_words": words // 2, "deletions": 3, "cp_errors": 6}
    summary = evaluation.summary("all", [right, replace(right, scores=half)])
    assert summary["wer"] == pytest.approx(3 / (words + words // 2), abs=1e-6)
    assert summary["cp_wer"] == pytest.approx(2 * summary["wer"], abs=2e-6)
    row, floor = evaluation.asked(summary)
    assert floor.values[0] == pytest.approx(-100 * summary["wer"])  # nobody's turns are wrong here
    assert row.values[0] == pytest.approx(100 * (summary["cp_wer"] - summary["wer"]))
    machine = Machine("abc", 2, 25.3, "3.11", 0.0)
    page = evaluation_table.markdown([summary], [row], machine)
    (told,) = (line for line in page.splitlines() if line.startswith("| all "))
    assert told.count("|") == len(evaluation_table.COLUMNS) + 1
    assert f" {100 * summary['wer']:.2f} " in told
