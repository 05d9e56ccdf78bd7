"""Segments as they are heard, and answers in chunks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from speech import chunks, envelope
from speech.errors import WorkerError
from speech.live import LiveSegments
from speech.types import Progress, Segment, Word
from tests import strategies


def live(steps: list[Progress]) -> tuple[list[Segment], list[Progress]]:
    """What comes out of these steps."""
    heard: list[Segment] = []
    told: list[Progress] = []

    async def scenario() -> None:
        segments = LiveSegments(told.append, heard.append, asyncio.get_running_loop())
        for step in steps:
            await asyncio.to_thread(segments.report, step)
        await asyncio.sleep(0)

    asyncio.run(scenario())
    return heard, told


def words(*texts: str, start_s: float = 0.0) -> tuple[Word, ...]:
    return tuple(Word(t, start_s + n / 2, start_s + n / 2 + 0.4, 1.0) for n, t in enumerate(texts))


def test_a_sentence_that_may_go_on_is_held_back() -> None:
    first = Progress("transcribe", 0.5, words=words("One", "two.", "Three", "four"))
    second = Progress("transcribe", 1.0, words=words("five.", "Six", start_s=2.0))
    assert [segment.text for segment in live([first])[0]] == ["One two."]
    heard = [segment.text for segment in live([first, second])[0]]
    assert heard == ["One two.", "Three four five."]
    heard = [segment.text for segment in live([first, second, Progress("diarize", 0.5)])[0]]
    assert heard == ["One two.", "Three four five.", "Six"]


def test_progress_goes_on_without_the_words() -> None:
    step = Progress("transcribe", 0.5, words=words("One."))
    assert live([step])[1] == [Progress("transcribe", 0.5)]


@given(strategies.words(), st.integers(1, 5))
def test_every_word_comes_once_and_in_order(said: tuple[Word, ...], size: int) -> None:
    steps = [Progress("transcribe", words=said[at : at + size]) for at in range(0, len(said), size)]
    heard, _ = live([*steps, Progress("label")])
    spoken = " ".join(segment.text for segment in heard)
    assert spoken == " ".join(word.text for word in said)


def test_a_small_answer_is_one_chunk() -> None:
    answer: dict[str, object] = {"success": True, "text": "Yes."}
    assert list(chunks.of_answer(answer)) == [{"type": "result", "result": answer}]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4))
def test_a_large_answer_comes_in_pieces_that_make_it_again(letters: str) -> None:
    answer: dict[str, Any] = {"success": True, "text": letters * (2_000_000 // len(letters))}
    pieces = list(chunks.of_answer(answer))
    assert all(len(envelope.encode(piece)) <= chunks.MAX_CHUNK_BYTES for piece in pieces)
    assert [piece["part"] for piece in pieces] == list(range(1, len(pieces) + 1))
    assert {piece["parts"] for piece in pieces} == {len(pieces)}
    assert json.loads("".join(str(piece["text"]) for piece in pieces)) == answer
    assert chunks.size_bytes(answer) >= sum(len(envelope.encode(piece)) for piece in pieces)


def test_a_failure_says_its_code_before_it_fails_the_job() -> None:
    failure = envelope.failure(WorkerError("source_forbidden", "It has expired."))
    told, failed = chunks.of_answer(failure)
    assert told == {
        "type": "failure",
        "error_code": "source_forbidden",
        "message": "It has expired.",
        "retryable": False,
    }
    assert failed == {"error": "source_forbidden: It has expired."}
