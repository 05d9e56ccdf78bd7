"""The formats of scientific tools: who spoke when, and what was said when.

Their fields are set apart by spaces, so a speaker's name has none: see ``clean.tokens``, which
keeps names different that only differ in them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from formats import clean
from speech.recording import Recording
from speech.types import LabelledWord, Result, Segment, SpeakerTurn

NOBODY: Final = "unknown"
"""Who speaks in formats that must say so, where no speakers are known."""
_JOINER: Final = "\u2060"


def rttm(result: Result, segments: Sequence[Segment], recording: Recording) -> str:
    """NIST's Rich Transcription Time Marked: one line a turn. Nothing without speakers.

    Args:
        result: Of which the turns are.
        segments: Taken in place of turns where a result has none, as an earlier one may.
        recording: Of which the name is.
    """
    turns: Sequence[SpeakerTurn] = result.turns or [
        SpeakerTurn(one.speaker, one.start_s, one.end_s)
        for one in segments
        if one.speaker is not None
    ]
    names = clean.tokens(turn.speaker for turn in turns)
    file = clean.token(recording.name)
    lines = []
    for turn in turns:
        start_ms, end_ms = _ms(turn.start_s, turn.end_s)
        lines.append(
            f"SPEAKER {file} 1 {_seconds(start_ms)} {_seconds(end_ms - start_ms)} "
            f"<NA> <NA> {names[turn.speaker]} <NA> <NA>\n"
        )
    return "".join(lines)


def ctm(words: Sequence[LabelledWord], recording: Recording) -> str:
    """NIST's time marked conversation: one line a word, with its confidence; no speakers."""
    file = clean.token(recording.name)
    lines = []
    for word in sorted(words, key=lambda word: word.start_s):
        text = "_".join(clean.text(word.text).split())
        if text:
            start_ms, end_ms = _ms(word.start_s, word.end_s)
            lines.append(
                f"{file} 1 {_seconds(start_ms)} {_seconds(end_ms - start_ms)} {text} "
                f"{word.confidence:.4f}\n"
            )
    return "".join(lines)


def stm(segments: Sequence[Segment], recording: Recording) -> str:
    """NIST's segment time marks: one line a segment.

    Without the optional label, which meeteval takes for a word. A text that begins with ``<`` would
    be one, too, and has a word joiner (U+2060) before it.
    """
    file = clean.token(recording.name)
    names = clean.tokens(one.speaker or NOBODY for one in segments)
    lines = []
    for one in segments:
        text = clean.text(one.text)
        if text:
            start_ms, end_ms = _ms(one.start_s, one.end_s)
            label = _JOINER if text.startswith("<") else ""
            lines.append(
                f"{file} 1 {names[one.speaker or NOBODY]} {_seconds(start_ms)} {_seconds(end_ms)} "
                f"{label}{text}\n"
            )
    return "".join(lines)


def seglst(segments: Sequence[Segment], recording: Recording) -> str:
    """MeetEval's and CHiME's list of segments, one a line; no speaker's key where none is known."""
    rows = []
    for one in segments:
        row: dict[str, object] = {"session_id": recording.name}
        if one.speaker is not None:
            row["speaker"] = clean.name(one.speaker)
        start_ms, end_ms = _ms(one.start_s, one.end_s)
        row |= {"start_time": start_ms / 1000, "end_time": end_ms / 1000}
        rows.append(json.dumps({**row, "words": clean.text(one.text)}, ensure_ascii=False))
    return "[\n" + ",\n".join(rows) + "\n]\n" if rows else "[]\n"


def _ms(start_s: float, end_s: float) -> tuple[int, int]:
    """Whole milliseconds, never negative."""
    start = max(0, round(start_s * 1000))
    return start, max(start, round(end_s * 1000))


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}"
