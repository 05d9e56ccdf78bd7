"""A result to score: read from an envelope, and cut to the part that a request asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from speech.spoken import Spoken, Utterance, turns_of
from speech.types import SpeakerTurn

TurnsFrom = Literal["diarizer", "words", "segments"]
NOBODY: Final = ""
"""Who has said a word that the diarizer gave to nobody."""


class ResultError(Exception):
    """The result is none that can be scored; the text says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an envelope says was spoken."""

    spoken: Spoken
    turns_from: TurnsFrom | None
    """An envelope shows no turns, but they may come beside it; else they are made of words."""
    coverage: float | None


def read(envelope: Mapping[str, Any], turns: Sequence[SpeakerTurn] | None = None) -> Found:
    """Read an envelope.

    Args:
        envelope: The worker's, or a RunPod job with one as its output.
        turns: The diarizer's, where they are known.

    Raises:
        ResultError: It is no success.
    """
    try:
        return _read(envelope.get("output", envelope), turns)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ResultError("a result must be the JSON of a job that succeeded") from error


def _read(envelope: Mapping[str, Any], turns: Sequence[SpeakerTurn] | None) -> Found:
    level, utterances = _utterances(envelope)
    coverage = (envelope.get("coverage") or {}).get("ratio")
    if not _is_diarized(envelope):
        utterances = [replace(one, speaker=None) for one in utterances]
        return Found(Spoken(tuple(utterances), None), None, coverage)
    if turns is not None:
        return Found(Spoken(tuple(utterances), tuple(turns)), "diarizer", coverage)
    made = turns_of([one for one in utterances if one.speaker != NOBODY]) if level else None
    return Found(Spoken(tuple(utterances), made), level, coverage)


def _utterances(envelope: Mapping[str, Any]) -> tuple[TurnsFrom | None, list[Utterance]]:
    """The finest that is there and has speakers: words, else segments, else the text."""
    levels = envelope.get("timestamps") or {}
    kinds: tuple[tuple[TurnsFrom, str, str], ...] = (
        ("words", "word", "word"),
        ("segments", "segment", "text"),
    )
    for kind, level, key in kinds:
        if level in levels:
            return kind, [_utterance(item, key) for item in levels[level]]
    return None, [Utterance(str(envelope["text"]))]


def _utterance(item: Mapping[str, Any], key: str) -> Utterance:
    speaker, start_s, end_s = item.get("speaker"), float(item["start"]), float(item["end"])
    if not 0 <= start_s <= end_s < math.inf:
        raise ValueError(f"times of {start_s} and {end_s} s")
    return Utterance(str(item[key]), NOBODY if speaker is None else str(speaker), start_s, end_s)


def _is_diarized(envelope: Mapping[str, Any]) -> bool:
    """Whether somebody was to say who speaks; also where nobody speaks."""
    levels = envelope.get("timestamps") or {}
    items = [*levels.get("word", ()), *levels.get("segment", ())]
    return "diarization" in envelope.get("models", {}) or any("speaker" in one for one in items)
