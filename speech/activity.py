"""Who speaks when, in a form that is quick to ask.

A file of some hours has 30,000 words and 10,000 turns: comparing each with each would take minutes.
Here the turns become a row of slices in which the set of active speakers does not change. A word
finds its first slice by bisection and touches a few slices only.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from speech.types import SpeakerTurn

TIE_S = 1e-6
"""Times closer than this are equal: sums of floats differ in their last digits."""


@dataclass(frozen=True, slots=True)
class Activity:
    """The speakers who are active from ``times_s[i]`` to ``times_s[i + 1]`` are ``active[i]``."""

    times_s: tuple[float, ...]
    active: tuple[tuple[str, ...], ...]


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


def overlaps_s(timeline: Activity, start_s: float, end_s: float) -> tuple[dict[str, float], float]:
    """How long each speaker is active between start and end, and how long anybody is.

    Silent speakers are left out.
    """
    times_s = timeline.times_s
    seconds: dict[str, float] = {}
    covered_s = 0.0
    index = max(bisect_right(times_s, start_s) - 1, 0)
    while index + 1 < len(times_s) and times_s[index] < end_s:
        shared_s = min(end_s, times_s[index + 1]) - max(start_s, times_s[index])
        speakers = timeline.active[index]
        if shared_s > 0 and speakers:
            covered_s += shared_s
            for speaker in speakers:
                seconds[speaker] = seconds.get(speaker, 0.0) + shared_s
        index += 1
    return seconds, covered_s


def edges(timed_speakers: Iterable[tuple[float, str]]) -> Edges:
    """The edges at the given times."""
    at: dict[float, set[str]] = {}
    for time_s, speaker in timed_speakers:
        at.setdefault(time_s, set()).add(speaker)
    times_s = sorted(at)
    return Edges(tuple(times_s), tuple(frozenset(at[time_s]) for time_s in times_s))


def nearest(starts: Edges, ends: Edges, start_s: float, end_s: float) -> tuple[float, set[str]]:
    """The gap in seconds from start..end, where nobody speaks, to the nearest turn; whose it is.

    The gap is to a turn's edge. A distance to its middle would put a word beside a long turn into
    a short turn further away. More than one speaker comes back where the gaps are equal.
    """
    left = bisect_right(ends.times_s, start_s) - 1
    right = bisect_left(starts.times_s, end_s)
    gaps_s = [start_s - ends.times_s[left]] if left >= 0 else []
    gaps_s += [time_s - end_s for time_s in starts.times_s[right : right + 1]]
    gap_s = min(gaps_s)
    speakers: set[str] = set()
    while left >= 0 and start_s - ends.times_s[left] <= gap_s + TIE_S:
        speakers |= ends.speakers[left]
        left -= 1
    while right < len(starts.times_s) and starts.times_s[right] - end_s <= gap_s + TIE_S:
        speakers |= starts.speakers[right]
        right += 1
    return gap_s, speakers


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
    seconds, _ = overlaps_s(timeline, timeline.times_s[0], timeline.times_s[-1])
    return seconds
