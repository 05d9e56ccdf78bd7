"""Moves times between a part of a recording and the whole of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from speech.types import Char, Hearing, Progress, Report, SpeakerTurn, Word

Timed = TypeVar("Timed", Word, Char, SpeakerTurn)


def shift(hearing: Hearing, offset_s: float) -> Hearing:
    """The same hearing with all times later by ``offset_s``."""
    if offset_s == 0:
        return hearing
    transcript, diarization = hearing.transcript, hearing.diarization
    if diarization is not None:
        diarization = replace(
            diarization,
            turns=later(diarization.turns, offset_s),
            exclusive_turns=later(diarization.exclusive_turns, offset_s),
        )
    return replace(
        hearing,
        transcript=replace(
            transcript,
            words=later(transcript.words, offset_s),
            chars=later(transcript.chars, offset_s),
        ),
        diarization=diarization,
    )


def telling_later(report: Report, offset_s: float) -> Report:
    """A report whose words are later by ``offset_s`` than those it is told."""

    def tell(progress: Progress) -> None:
        if progress.words:
            progress = replace(progress, words=later(progress.words, offset_s))
        report(progress)

    return tell


def later(items: tuple[Timed, ...], offset_s: float) -> tuple[Timed, ...]:
    """The same words, chars or turns, later by ``offset_s``."""
    return tuple(
        replace(item, start_s=item.start_s + offset_s, end_s=item.end_s + offset_s)
        for item in items
    )
