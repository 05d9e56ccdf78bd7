"""A transcript for a terminal: who said what, and when."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """A line a segment; the text alone where there are none, and JSON where there is neither."""
    levels = answer.get("timestamps")
    segments = levels.get("segment") if isinstance(levels, Mapping) else None
    if segments:
        speakers = [segment.get("speaker") or "-" for segment in segments]
        width = max(len(speaker) for speaker in speakers)
        for segment, speaker in zip(segments, speakers, strict=True):
            yield printable(f"{clock(segment['start'])}  {speaker:<{width}}  {segment['text']}")
    elif isinstance(answer.get("text"), str):
        yield printable(answer["text"])
    else:
        yield json.dumps(answer, indent=2, ensure_ascii=False)


def summary(answer: Mapping[str, Any], seconds: float) -> str:
    """One line: how much, by whom, how fast."""
    count = len(answer.get("speakers", ()))
    models = ", ".join(answer.get("models", {}).values())
    return (
        f"{answer.get('duration', 0):.1f} s of audio, {count} speaker{'s' * (count != 1)}, "
        f"heard in {seconds:.1f} s ({models}; the engine's start included)"
    )


def clock(seconds: float) -> str:
    """``07:03.2``; with hours from the first one on."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:" * bool(hours) + f"{minutes:02d}:{rest:04.1f}"


def printable(text: str) -> str:
    """Without what would steer a terminal: names and texts come from elsewhere."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
