"""What a caller gets: the worker's answer, with its commonest parts as types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word. Times are seconds of the recording."""

    text: str
    start_s: float
    end_s: float
    confidence: float
    speaker: str | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence, or the part of one that one speaker says."""

    text: str
    start_s: float
    end_s: float
    speaker: str | None


@dataclass(frozen=True, slots=True)
class Speaker:
    """One speaker of the whole recording."""

    id: str
    talk_time_s: float
    turns: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """The worker's answer. What it does not hold, as ``timestamps`` asked for, is empty here."""

    text: str
    words: tuple[Word, ...]
    segments: tuple[Segment, ...]
    speakers: tuple[Speaker, ...]
    formats: Mapping[str, str]
    """The files that were asked for by ``formats``, as text."""
    raw: Mapping[str, Any]
    """The whole answer, as it came."""


def of_answer(raw: Mapping[str, Any]) -> Transcript:
    """The types of an answer in the worker's own shape; of another shape, ``raw`` counts."""
    levels = raw.get("timestamps")
    levels = levels if isinstance(levels, Mapping) else {}
    return Transcript(
        text=str(raw.get("text") or ""),
        words=tuple(_word(entry) for entry in _entries(levels.get("word"))),
        segments=tuple(segment(entry) for entry in _entries(levels.get("segment"))),
        speakers=tuple(_speaker(entry) for entry in _entries(raw.get("speakers"))),
        formats=cast(Mapping[str, str], raw.get("formats") or {}),
        raw=raw,
    )


def segment(entry: Mapping[str, Any]) -> Segment:
    """One of ``timestamps.segment``."""
    return Segment(entry["text"], entry["start"], entry["end"], entry.get("speaker"))


def _word(entry: Mapping[str, Any]) -> Word:
    speaker = entry.get("speaker")
    return Word(entry["word"], entry["start"], entry["end"], entry["confidence"], speaker)


def _speaker(entry: Mapping[str, Any]) -> Speaker:
    return Speaker(entry["id"], entry["talk_time"], entry["turns"])


def _entries(value: object) -> Sequence[Mapping[str, Any]]:
    return value if isinstance(value, list) else []
