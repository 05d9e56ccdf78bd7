"""A reference of a whole recording, for a result of a part of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from speech.spoken import Spoken, Utterance
from speech.types import SpeakerTurn


@dataclass(frozen=True, slots=True)
class Part:
    """From where to where a recording was transcribed."""

    start_s: float = 0.0
    end_s: float = math.inf


def crop(spoken: Spoken, part: Part) -> Spoken:
    """What was said within the part. Without times, all of it."""
    words, turns = spoken.utterances, spoken.turns
    if words is not None:
        words = tuple(piece for one in words for piece in _within(one, part))
    if turns is not None:
        turns = tuple(
            SpeakerTurn(turn.speaker, max(turn.start_s, part.start_s), min(turn.end_s, part.end_s))
            for turn in turns
            if turn.end_s > part.start_s and turn.start_s < part.end_s
        )
    return Spoken(words, turns)


def _within(one: Utterance, part: Part) -> Iterator[Utterance]:
    """An utterance across an edge keeps the words whose middle is inside, by its characters."""
    if one.start_s is None or one.end_s is None:
        yield one
        return
    if part.start_s <= one.start_s and one.end_s <= part.end_s:
        yield one
        return
    words = one.text.split()
    length = sum(map(len, words)) or 1
    kept, done = [], 0
    for word in words:
        middle_s = one.start_s + (one.end_s - one.start_s) * (done + len(word) / 2) / length
        done += len(word)
        if part.start_s <= middle_s < part.end_s:
            kept.append(word)
    if kept:
        start_s, end_s = max(one.start_s, part.start_s), min(one.end_s, part.end_s)
        yield replace(one, text=" ".join(kept), start_s=start_s, end_s=end_s)
