"""Who speaks when, in a form that is quick to ask.

A file of some hours has 30,000 words and 10,000 turns: comparing each with each would take minutes.
Here the turns become a row of slices in which the set of active speakers does not change. A word
finds its first slice by bisection and touches a few slices only.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from speech.types import SpeakerTurn

TIE_S = 1e-6
"""Times closer than this are equal: sums of floats differ in their last digits."""
NEXT_S = 3.0
"""Nobody who is further from a word than this, and than the nearest speaker, matters to it."""


@dataclass(frozen=True, slots=True)
class Activity:
    """The speakers who are active from ``times_s[i]`` to ``times_s[i + 1]`` are ``active[i]``."""

    times_s: tuple[float, ...]
    active: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """Who is active during a span."""

    seconds: dict[str, float]
    """How long each speaker is. Silent speakers are left out."""
    covered_s: float
    """How long anybody is."""
    together_s: float
    """How long two or more are."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Where turns begin or where they end: ascending times, and the speakers of each time."""

    times_s: tuple[float, ...]
    speakers: tuple[frozenset[str], ...]


def activity(turns: Iterable[SpeakerTurn]) -> Activity:
    """The slices of the turns. Turns of one speaker that overlap each other count once."""
    steps: list[tuple[float, int, str]] = []
    for turn in turns:
        if turn.start_s < turn.end_s:
            steps += [(turn.start_s, 1, turn.speaker), (turn.end_s, -1, turn.speaker)]
    # By time only: speakers' names must not decide an order.
    steps.sort(key=lambda step: step[0])
    times_s: list[float] = []
    active: list[tuple[str, ...]] = []
    open_turns: dict[str, int] = {}
    for index, (time_s, step, speaker) in enumerate(steps):
        open_turns[speaker] = open_turns.get(speaker, 0) + step
        if index + 1 == len(steps) or steps[index + 1][0] > time_s:
            open_turns = {name: count for name, count in open_turns.items() if count}
            times_s.append(time_s)
            active.append(tuple(open_turns))
    return Activity(tuple(times_s), tuple(active))


def heard(timeline: Activity, start_s: float, end_s: float) -> Heard:
    """Who is active between start and end."""
    times_s = timeline.times_s
    seconds: dict[str, float] = {}
    covered_s = together_s = 0.0
    index = max(bisect_right(times_s, start_s) - 1, 0)
    while index + 1 < len(times_s) and times_s[index] < end_s:
        shared_s = min(end_s, times_s[index + 1]) - max(start_s, times_s[index])
        speakers = timeline.active[index]
        if shared_s > 0 and speakers:
            covered_s += shared_s
            together_s += shared_s if len(speakers) > 1 else 0.0
            for speaker in speakers:
                seconds[speaker] = seconds.get(speaker, 0.0) + shared_s
        index += 1
    return Heard(seconds, covered_s, together_s)


def alone(timeline: Activity, start_s: float, end_s: float) -> str | None:
    """Who is active from start to end without a break, and nobody else; None where it is not so."""
    times_s = timeline.times_s
    index = bisect_right(times_s, start_s) - 1
    if index < 0 or len(timeline.active[index]) != 1 or times_s[index + 1] < end_s:
        return None
    return timeline.active[index][0]


def edges(timed_speakers: Iterable[tuple[float, str]]) -> Edges:
    """The edges at the given times."""
    at: dict[float, set[str]] = {}
    for time_s, speaker in timed_speakers:
        at.setdefault(time_s, set()).add(speaker)
    times_s = sorted(at)
    return Edges(tuple(times_s), tuple(frozenset(at[time_s]) for time_s in times_s))


def gaps_s(starts: Edges, ends: Edges, start_s: float, end_s: float) -> dict[str, float]:
    """How far from start..end, where nobody speaks, speakers' nearest turns are, in seconds.

    Of the nearest speaker, and of those at most ``NEXT_S`` further away. The gap is to a turn's
    edge. A distance to its middle would put a word beside a long turn into a short turn further
    away.
    """
    left = bisect_right(ends.times_s, start_s) - 1
    right = bisect_left(starts.times_s, end_s)
    found: dict[str, float] = {}
    farthest_s = math.inf
    while True:
        left_s = start_s - ends.times_s[left] if left >= 0 else math.inf
        right_s = starts.times_s[right] - end_s if right < len(starts.times_s) else math.inf
        gap_s = min(left_s, right_s)
        if gap_s > farthest_s or gap_s == math.inf:
            return found
        if not found:
            farthest_s = gap_s + NEXT_S
        if left_s <= right_s:
            speakers = ends.speakers[left]
            left -= 1
        else:
            speakers = starts.speakers[right]
            right += 1
        for speaker in speakers:
            found.setdefault(speaker, gap_s)


def by_first_appearance(turns: Sequence[SpeakerTurn]) -> tuple[str, ...]:
    """The speakers in the order in which they first speak; at one time, the longer talker first."""
    first_s: dict[str, float] = {}
    for turn in turns:
        first_s[turn.speaker] = min(first_s.get(turn.speaker, turn.start_s), turn.start_s)
    talk_s = talk_times_s(turns)
    return tuple(sorted(first_s, key=lambda name: (first_s[name], -talk_s.get(name, 0.0))))


def talk_times_s(turns: Sequence[SpeakerTurn]) -> dict[str, float]:
    """How long each speaker is active in all."""
    timeline = activity(turns)
    if not timeline.times_s:
        return {}
    return heard(timeline, timeline.times_s[0], timeline.times_s[-1]).seconds
