"""The speech model: samples in, words with times out."""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.attention import LOCAL_CONTEXT_FRAMES, Reach
from engine.memory import reporting_out_of_memory
from engine.parakeet import Parakeet, Samples
from speech.errors import EngineError
from speech.types import Transcript
from tests.models import (
    RATE_HZ,
    SPEECH_MODEL,
    noise,
    read_conversation,
    restore_demo,
    silence,
)

FRAME_S = 0.08


@pytest.fixture(scope="module")
def parakeet() -> Parakeet:
    return Parakeet.load(SPEECH_MODEL, "cpu")


@pytest.fixture(scope="module")
def speech() -> Samples:
    return read_conversation()[: 12 * RATE_HZ]


@pytest.fixture(scope="module")
def heard(parakeet: Parakeet, speech: Samples) -> Transcript:
    return parakeet.transcribe(speech, "full")


def padded(samples: Samples, duration_s: float) -> Samples:
    """The same with silence after it."""
    longer = np.zeros(round(duration_s * RATE_HZ), dtype=np.float32)
    longer[: samples.size] = samples
    return longer


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_speech_has_words_and_the_text_is_the_words(heard: Transcript) -> None:
    assert heard.words
    assert heard.text == " ".join(word.text for word in heard.words)
    assert squeezed(heard.text) == "".join(char.text for char in heard.chars)


def test_the_text_is_what_nemo_decodes(speech: Samples, heard: Transcript) -> None:
    """Up to spaces: a demo model in training may say a mark where NeMo keeps a space before it."""
    (hypothesis,) = restore_demo().transcribe([speech], batch_size=1, verbose=False)
    assert squeezed(heard.text) == squeezed(hypothesis.text)


def test_times_are_in_order_and_within_the_recording(speech: Samples, heard: Transcript) -> None:
    duration_s = speech.size / RATE_HZ
    assert all(0 <= word.start_s < word.end_s <= duration_s for word in heard.words)
    assert all(a.end_s <= b.start_s for a, b in pairwise(heard.words))
    assert all(0 <= char.start_s <= char.end_s <= duration_s for char in heard.chars)


def test_confidences_are_from_0_to_1_and_differ(heard: Transcript) -> None:
    confidences = {word.confidence for word in heard.words}
    assert all(0 <= confidence <= 1 for confidence in confidences)
    assert len(confidences) > 1


def test_confidence_falls_with_noise(
    parakeet: Parakeet, speech: Samples, heard: Transcript
) -> None:
    """As a probability should: the same speech, hardly audible, is less certain or not heard."""
    drowned = parakeet.transcribe(0.01 * speech + noise(speech.size / RATE_HZ), "full")
    if drowned.words:
        assert mean_confidence(drowned) < mean_confidence(heard)


def mean_confidence(transcript: Transcript) -> float:
    return sum(word.confidence for word in transcript.words) / len(transcript.words)


@pytest.mark.parametrize("attention", ["full", "local"])
def test_two_calls_hear_the_same(parakeet: Parakeet, speech: Samples, attention: Reach) -> None:
    first = parakeet.transcribe(speech, attention)
    parakeet.transcribe(noise(2.0), "local" if attention == "full" else "full")
    assert parakeet.transcribe(speech, attention) == first
    assert first.attention == attention


def test_local_hears_what_full_does_in_a_clip_within_its_window(
    parakeet: Parakeet, speech: Samples, heard: Transcript
) -> None:
    assert speech.size / RATE_HZ < LOCAL_CONTEXT_FRAMES * FRAME_S
    local = parakeet.transcribe(speech, "local")
    assert local.text == heard.text
    assert [w.start_s for w in local.words] == [w.start_s for w in heard.words]


def test_a_long_recording_can_be_heard_with_local_attention(parakeet: Parakeet) -> None:
    """Beyond the 50 s that NeMo's table of positions holds, then back to full attention."""
    long = np.tile(read_conversation(), 2)[: 65 * RATE_HZ]
    local = parakeet.transcribe(long, "local")
    assert local.words[-1].start_s > 50
    full = parakeet.transcribe(long, "full")
    assert full.words[-1].start_s > 50


@pytest.mark.parametrize("duration_s", [0.3, 0.9])
def test_a_short_clip_is_padded_on_the_right_only(
    parakeet: Parakeet, speech: Samples, heard: Transcript, duration_s: float
) -> None:
    first = max(0, round((heard.words[0].start_s - 0.1) * RATE_HZ))
    clip = speech[first : first + round(duration_s * RATE_HZ)]
    short = parakeet.transcribe(clip, "full")
    longer = parakeet.transcribe(padded(clip, 1.0), "full")
    assert short.text == longer.text
    pairs = zip(short.words, longer.words, strict=True)
    inside = [(a, b) for a, b in pairs if b.start_s <= duration_s - FRAME_S]
    assert inside or not short.words
    assert all(a.start_s == pytest.approx(b.start_s) for a, b in inside)
    assert all(word.end_s <= duration_s for word in short.words)


def test_no_samples_are_an_empty_transcript(parakeet: Parakeet) -> None:
    assert parakeet.transcribe(silence(0), "local") == Transcript("", (), (), "local")


@pytest.mark.parametrize(
    "samples",
    [
        silence(1 / RATE_HZ),
        silence(0.05),
        silence(3.0),
        noise(0.01),
        noise(2.0),
        np.full(RATE_HZ, np.nan, dtype=np.float32),
        np.full(RATE_HZ, np.inf, dtype=np.float32),
        np.full(RATE_HZ, -1.0, dtype=np.float32),
    ],
    ids=["one sample", "50 ms", "silence", "10 ms", "noise", "nan", "infinity", "constant"],
)
@pytest.mark.parametrize("attention", ["full", "local"])
def test_odd_recordings_do_no_harm(parakeet: Parakeet, samples: Samples, attention: Reach) -> None:
    transcript = parakeet.transcribe(samples, attention)
    times = [t for word in transcript.words for t in (word.start_s, word.end_s, word.confidence)]
    assert np.isfinite(times).all()


def test_what_is_not_finite_is_silence(parakeet: Parakeet, speech: Samples) -> None:
    broken, quiet = speech.copy(), speech.copy()
    broken[100:200], quiet[100:200] = np.nan, 0.0
    assert parakeet.transcribe(broken, "full") == parakeet.transcribe(quiet, "full")


def test_the_callers_samples_are_not_changed(parakeet: Parakeet, speech: Samples) -> None:
    before = speech.copy()
    parakeet.transcribe(speech, "full")
    assert np.array_equal(before, speech)


def test_nothing_reaches_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    Parakeet.load(SPEECH_MODEL, "cpu").transcribe(noise(1.0), "local")
    assert capfd.readouterr().out == ""


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    logging.disable(logging.CRITICAL)  # NeMo's own words on this file
    other = tmp_path / "other.nemo"
    other.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    try:
        with pytest.raises(EngineError, match=r"other\.nemo cannot be restored") as caught:
            Parakeet.load(other, "cpu")
    finally:
        logging.disable(logging.NOTSET)
    assert caught.value.code == "model_unavailable"
    assert str(tmp_path) not in caught.value.message


def test_more_memory_than_there_is_becomes_an_error_of_ours() -> None:
    with (
        pytest.raises(EngineError, match="choose local attention") as caught,
        reporting_out_of_memory("choose local attention"),
    ):
        torch.empty(1 << 50)
    assert caught.value.code == "engine_out_of_memory"
    assert not caught.value.retryable


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory.")])
def test_every_kind_of_missing_memory_is_known(error: Exception) -> None:
    with pytest.raises(EngineError), reporting_out_of_memory("send less"):
        raise error


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="shapes differ"), reporting_out_of_memory("send less"):
        raise RuntimeError("shapes differ")
