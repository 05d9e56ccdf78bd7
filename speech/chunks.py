"""An answer in the pieces that a streaming endpoint sends: each below RunPod's limit of 1 MB.

{"type": "segment", "text": ..., "start": ..., "end": ...}     as it is heard, without a speaker
{"type": "result", "result": {...}}                           the whole answer, last
{"type": "result_part", "part": 1, "parts": 3, "text": "..."}  where it is larger: the texts,
                                                              joined, are its JSON
{"type": "failure", "error_code": ..., "message": ..., "retryable": ...}
{"error": "code: message"}                                    marks the job FAILED
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from speech.envelope import encode
from speech.types import Segment

Chunk = dict[str, object]

MAX_CHUNK_BYTES: Final = 900_000


def of_segment(segment: Segment) -> Chunk:
    """A segment as it is heard; the answer may know better, and knows who spoke."""
    return {
        "type": "segment",
        "text": segment.text,
        "start": round(segment.start_s, 3),
        "end": round(segment.end_s, 3),
    }


def of_answer(answer: Chunk) -> Iterator[Chunk]:
    """The chunks of an answer, or of a failure."""
    if answer.get("success") is False:
        yield {
            "type": "failure",
            **{key: answer[key] for key in ("error_code", "message", "retryable")},
        }
        yield {"error": f"{answer['error_code']}: {answer['message']}"}
        return
    whole: Chunk = {"type": "result", "result": answer}
    if len(encode(whole)) <= MAX_CHUNK_BYTES:
        yield whole
        return
    texts = list(_pieces(encode(answer).decode()))
    for number, text in enumerate(texts, 1):
        yield {"type": "result_part", "part": number, "parts": len(texts), "text": text}


def size_bytes(answer: Chunk) -> int:
    """What the chunks of an answer count for."""
    return sum(len(encode(chunk)) + 1 for chunk in of_answer(answer))


def _pieces(text: str) -> Iterator[str]:
    """Halves, and halves of them, until each is small enough as JSON's text."""
    if len(encode(text)) <= MAX_CHUNK_BYTES - 200:
        yield text
    else:
        middle = len(text) // 2
        yield from _pieces(text[:middle])
        yield from _pieces(text[middle:])
