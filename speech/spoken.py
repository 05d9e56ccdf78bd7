"""Who said what and when: what references and results have in common when they are compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from speech.types import SpeakerTurn

JOINED_PAUSE_S: Final = 0.5
"""A pause between two words of one speaker that is no longer does not end a turn."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one speaker says in one go; in a file with word times, one word."""

    text: str
    speaker: str | None = None
    start_s: float | None = None
    """Known together with the end, or neither is."""
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class Spoken:
    """A reference, or a result: who said what, and who spoke when."""

    utterances: tuple[Utterance, ...] | None
    """In the order of their starts where times are known. None where nothing tells the words."""
    turns: tuple[SpeakerTurn, ...] | None
    """None where nothing tells who spoke when."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of comparing a result with a reference."""

    scores: Mapping[str, object] | None
    """None where it failed; ``warnings`` says so."""
    warnings: tuple[str, ...] = ()


def are_words(utterances: Iterable[Utterance]) -> bool:
    """Whether each is one word, so that the times are those of words."""
    return all(len(one.text.split(maxsplit=1)) <= 1 for one in utterances)


def turns_of(utterances: Sequence[Utterance]) -> tuple[SpeakerTurn, ...]:
    """Who speaks when: the utterances with speakers and times. Words are joined over pauses."""
    longest_s = JOINED_PAUSE_S if are_words(utterances) else -math.inf
    turns: list[SpeakerTurn] = []
    newest: dict[str, int] = {}
    for one in sorted(utterances, key=lambda one: one.start_s or 0.0):
        if one.speaker is None or one.start_s is None or one.end_s is None:
            continue
        place = newest.get(one.speaker)
        if place is not None and one.start_s - turns[place].end_s <= longest_s:
            before = turns[place]
            turns[place] = replace(before, end_s=max(before.end_s, one.end_s))
        else:
            newest[one.speaker] = len(turns)
            turns.append(SpeakerTurn(one.speaker, one.start_s, one.end_s))
    return tuple(turns)
