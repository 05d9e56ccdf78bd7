"""The demo model is made to skip speech, and gets it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jiwer
import numpy as np
import pytest

from benchmarks.trust import second_look
from engine.cores import Cores
from engine.parakeet import Parakeet
from engine.passes import cut, stitch
from engine.recorded import Samples
from engine.transcribing import Transcriber
from speech.coverage import Span
from speech.types import Plan, Transcript
from tests.deaf_models import make_deaf
from tests.models import read_conversation, restore_demo
from tests.test_fast_parakeet import fast_of


@pytest.fixture(scope="module")
def network() -> Any:
    from engine.nemo_model import NemoModel

    return fast_of(NemoModel(restore_demo()))


@pytest.fixture(scope="module")
def parakeet(network: Any) -> Parakeet:
    return Parakeet(network)


@pytest.fixture(scope="module")
def speech() -> Samples:
    return read_conversation()


@pytest.fixture(scope="module")
def whole(parakeet: Parakeet, speech: Samples) -> Transcript:
    return parakeet.transcribe(speech, "full")


def looked_at(
    parakeet: Parakeet, speech: Samples, whole: Transcript, spans: Sequence[Span]
) -> tuple[Transcript, Transcript]:
    make_deaf(parakeet.network, spans)  # type: ignore[arg-type]
    try:
        return second_look(Transcriber(parakeet, Cores(1), "cpu"), speech, whole)
    finally:
        make_deaf(parakeet.network, [])  # type: ignore[arg-type]


@pytest.mark.parametrize("spans", [[(10.0, 14.0)], [(5.0, 8.0), (20.0, 35.0)]])
def test_what_was_skipped_comes_back(
    parakeet: Parakeet, speech: Samples, whole: Transcript, spans: Sequence[Span]
) -> None:
    first, mended = looked_at(parakeet, speech, whole, spans)
    missing = jiwer.process_words(whole.text, first.text)
    left = jiwer.process_words(whole.text, mended.text)
    assert missing.deletions > 4
    assert left.deletions <= 0.2 * missing.deletions
    assert left.insertions <= len(spans)  # what the model had made of the edges
    repaired = [word for word in mended.words if word.repaired]
    assert repaired
    assert all(
        any(start_s - 1 <= word.start_s <= end_s + 1 for start_s, end_s in spans)
        for word in repaired
    )


def test_where_nothing_was_skipped_nothing_changes(
    parakeet: Parakeet, speech: Samples, whole: Transcript
) -> None:
    first, mended = looked_at(parakeet, speech, whole, [])
    assert mended.text == first.text == whole.text
    assert not any(word.repaired for word in mended.words)


def test_passes_say_what_one_pass_says(
    parakeet: Parakeet, speech: Samples, whole: Transcript
) -> None:
    """Three times the conversation, cut in its pauses."""
    rng = np.random.default_rng(0)
    long = np.concatenate([speech] * 3)
    long = (long + rng.normal(0, 1e-3, long.size)).astype(np.float32)
    parts = cut(long, 60.0)
    assert len(parts) >= 3
    heard = [parakeet.transcribe(long[part.begin : part.end], "full") for part in parts]
    stitched = stitch(parts, heard, "full", Plan(len(parts), 60.0, "a test"))
    one = parakeet.transcribe(long, "full")
    # The features of a pass are those of its own loudness: single words come out otherwise.
    assert jiwer.wer(one.text, stitched.text) <= 0.03
    assert abs(len(stitched.words) - len(one.words)) <= 2
