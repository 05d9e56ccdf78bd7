"""Which of a recording's speakers is which known one: an open set, of which nobody need be there.

A speaker gets the name of the voice that it is most like, if it is like it enough (``threshold``)
and clearly more than like any other voice that is still to be given (``margin``). One name goes to
one speaker, the one that is most like it. Whoever else is like it is that person once more, taken
for two by the diarizer, and is never given the second-best name instead, as an optimal assignment
of all names would have it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from engine.chunks import Array

RULE_FILE: Final = "known_speakers.json"
"""Of a pipeline's directory whose embedding network needs numbers of its own."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When two voices are one person's, by the cosine of their voiceprints.

    The defaults are for the network of community-1 (docs/decisions/0009-known-speakers.md).
    """

    threshold: float = 0.5
    margin: float = 0.1

    @classmethod
    def of(cls, directory: Path) -> Rule:
        """The rule for a pipeline: that of its directory, if it has one.

        Raises:
            ValueError: Its file is none.
            OSError: It cannot be read.
        """
        path = directory / RULE_FILE
        if not path.is_file():
            return cls()
        numbers = json.loads(path.read_text("utf-8"))
        return cls(threshold=float(numbers["threshold"]), margin=float(numbers["margin"]))


@dataclass(frozen=True, slots=True)
class Matches:
    """Who is who.

    Attributes:
        names: Of the speakers that have been recognised: speaker and name, by number.
        again: Speakers that are like a name which another speaker has been given: that name.
        unclear: Speakers that are like two names or more, and which these are.
    """

    names: dict[int, int]
    again: dict[int, int]
    unclear: dict[int, tuple[int, ...]]


def match(scores: Array, rule: Rule) -> Matches:
    """Give names to speakers.

    Args:
        scores: How much each speaker is like each known voice, (speakers, names). NaN for a
            speaker without a voiceprint.
        rule: When it is enough.
    """
    scores = np.nan_to_num(scores, nan=-np.inf)
    names: dict[int, int] = {}
    if not scores.size:
        return Matches({}, {}, {})
    best = scores.argmax(axis=1)
    like = [i for i in range(len(scores)) if scores[i, best[i]] >= rule.threshold]
    # The clearest first: a name that is given is no rival of others any more.
    while True:
        clear = [
            speaker
            for speaker in like
            if speaker not in names
            and best[speaker] not in names.values()
            and not _rivals(scores[speaker], best[speaker], names.values(), rule)
        ]
        if not clear:
            break
        first = max(clear, key=lambda speaker: float(scores[speaker, best[speaker]]))
        names[first] = int(best[first])
    again, unclear = {}, {}
    for speaker in like:
        rivals = _rivals(scores[speaker], best[speaker], (), rule)
        if best[speaker] not in names.values():
            left = _rivals(scores[speaker], best[speaker], names.values(), rule)
            unclear[speaker] = (int(best[speaker]), *left)
        elif speaker not in names and not rivals:
            again[speaker] = int(best[speaker])
    return Matches(names, again, unclear)


def _rivals(scores: Array, best: int, given: Collection[int], rule: Rule) -> tuple[int, ...]:
    """The names that a speaker is nearly as much like as the best one, and that are not given."""
    near = np.flatnonzero(scores > scores[best] - rule.margin)
    return tuple(int(name) for name in near if name != best and name not in given)
