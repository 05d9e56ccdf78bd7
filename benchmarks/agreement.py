"""How far two answers to the same recording agree."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from itertools import permutations

STEP_S = 0.01
MOST_MATCHED = 6
"""Speakers that are matched in every order; of more, only the longest-speaking are."""

Turn = Sequence[str | float]
"""Speaker, begin and end in seconds."""


def words(found: str, expected: str) -> float:
    """The share of words that are the same in the same order, 0 to 1, spaces in marks aside."""
    a, b = found.split(), expected.split()
    if not a and not b:
        return 1.0
    return difflib.SequenceMatcher(None, a, b, autojunk=False).ratio()


def speaking(found: Sequence[Turn], expected: Sequence[Turn], duration_s: float) -> float:
    """The share of time in which the same people speak, whatever they are called, 0 to 1."""
    steps = round(duration_s / STEP_S)
    ours, theirs = activity(found, steps), activity(expected, steps)
    names, others = ranked(ours), ranked(theirs)
    if len(names) > len(others):
        ours, theirs, names, others = theirs, ours, others, names
    best = max(
        matched(ours, theirs, dict(zip(names, order, strict=True)), steps)
        for order in permutations(others, len(names))
    )
    return best / steps if steps else 1.0


def activity(turns: Sequence[Turn], steps: int) -> dict[str, int]:
    """When each speaks: an integer with a bit for each step."""
    found: dict[str, int] = {}
    for speaker, begin_s, end_s in turns:
        begin = min(steps, round(float(begin_s) / STEP_S))
        end = min(steps, round(float(end_s) / STEP_S))
        bits = ((1 << max(0, end - begin)) - 1) << begin
        found[str(speaker)] = found.get(str(speaker), 0) | bits
    return found


def ranked(active: dict[str, int]) -> list[str]:
    """Who speaks most first."""
    return sorted(active, key=lambda name: -active[name].bit_count())[:MOST_MATCHED]


def matched(ours: dict[str, int], theirs: dict[str, int], names: dict[str, str], steps: int) -> int:
    """Steps in which exactly the same people speak under these names."""
    differing = 0
    for name, other in names.items():
        differing |= ours[name] ^ theirs[other]
    for name in set(ours) - set(names):
        differing |= ours[name]
    for name in set(theirs) - set(names.values()):
        differing |= theirs[name]
    return steps - differing.bit_count()
