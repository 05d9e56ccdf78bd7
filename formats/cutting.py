"""The best way to cut what one person says in one go into subtitles.

Of all ways the one is taken that costs the least: no single short word as a subtitle if it can be
avoided, little missing time to read, breaks where sentences and clauses end, few subtitles, evenly
filled. What each of these costs was chosen by eye.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from formats.cue_words import Run
from formats.line_breaks import LONELY, SHORT_CHARS, Line, Measured
from speech.subtitle_rules import HUNDREDTHS, Limits

_MISSING_COST: Final = 5.0 / HUNDREDTHS
"""Of time that there is not, to read or to be shown as long as the rules want."""
_CUE_COST: Final = 1.0
_FULL_COST: Final = 1.0
"""Of a full one; it grows with the square, so that a few even ones cost less than a full one."""
_SENTENCE_COST: Final = 1.0
"""Of a sentence's end within a subtitle."""
_PAUSE_COST: Final = 2.0 / HUNDREDTHS
_LINE_COST: Final = 0.5
"""Of a break between lines, beside one between subtitles."""
_ENDLESS_CS: Final = 10**12


def best(measured: Measured, allowed: Limits) -> list[Line]:
    """The pieces of each subtitle: of all ways to come to each piece, the cheapest is kept.

    Args:
        measured: A run.
        allowed: The rules. They are kept but where a piece alone lasts too long.
    """
    run, count = measured.run, len(measured.ends)
    starts, ends = run.starts_cs, measured.ends
    inside = [0.0, *accumulate(_inside(run, place) for place in range(count - 1))]
    after = [so_far + here for so_far, here in zip(inside, measured.costs, strict=True)]
    free = [start - allowed.gap_cs for start in starts[1:]]
    free.append(_ENDLESS_CS if run.next_cs is None else run.next_cs - allowed.gap_cs)
    per_char_cs, least_cs = HUNDREDTHS / allowed.chars_per_s, allowed.min_cs
    least_chars, full = least_cs / per_char_cs, _FULL_COST / allowed.cue_chars**2
    lines = _Lines(measured, allowed)
    lowest, back = [0.0, *[math.inf] * count], [0] * (count + 1)
    for first in range(count):
        room = run.room if run.always_named or first == 0 else 0
        offset, start = measured.begins[first] - room, starts[first]
        in_time = bisect_right(run.ends_cs, start + allowed.max_cs)
        one_line, held = lines.stops(first, room)
        stop = max(first + 1, min(held, in_time))
        base = lowest[first] + _CUE_COST - inside[first]
        line_costs = lines.costs((first, stop), one_line, room)
        # Each of 30,000 words comes here 15 times: no call, and nothing that is looked up.
        places = range(first + 1, stop + 1)
        for place, end, here, until, line_cost in zip(
            places, ends[first:stop], after[first:stop], free[first:stop], line_costs, strict=True
        ):
            cost = base + here + line_cost
            if cost >= lowest[place]:  # as most are, and what follows only adds to it
                continue
            chars = end - offset
            cost += full * chars * chars
            missing = start - until + (least_cs if chars < least_chars else chars * per_char_cs)
            if missing > 0:
                cost += _MISSING_COST * missing
            if cost < lowest[place]:
                lowest[place], back[place] = cost, first
    found: list[Line] = []
    while count:
        found.append((back[count], count))
        count = back[count]
    return found[::-1]


def _inside(run: Run, place: int) -> float:
    """What it costs to go on after a piece rather than to end there."""
    pause = _PAUSE_COST * (run.starts_cs[place + 1] - run.ends_cs[place])
    return pause + _SENTENCE_COST if run.sentence_ends[place] else pause


class _Lines:
    """How far lines of a run's pieces reach, and what they cost a subtitle."""

    def __init__(self, measured: Measured, allowed: Limits) -> None:
        self._measured, self._allowed = measured, allowed
        self._one = measured.stops(allowed.line_chars)
        self._all = measured.stops(allowed.cue_chars)
        self._begins = measured.line_begins(allowed.line_chars)
        self._costs = [_LINE_COST * cost for cost in measured.costs]
        self._short = [
            width <= SHORT_CHARS and len(measured.ends) > 1 for width in measured.run.widths
        ]

    def stops(self, first: int, room: int) -> tuple[int, int]:
        """One past what one line holds from the first piece, and one past what a subtitle does.

        Args:
            first: The piece.
            room: What a name takes of it.
        """
        if room:
            one = self._measured.fitting(first, self._allowed.line_chars - room)
            most = self._measured.fitting(first, self._allowed.cue_chars - room)
        else:
            one, most = self._one[first], self._all[first]
        stop = one
        for _ in range(self._allowed.lines - 1):
            stop = self._one[stop]
        return one, min(stop, most)

    def costs(self, pieces: Line, one_line: int, room: int) -> list[float]:
        """By each piece that a subtitle may end with: a short word alone, or the best line break.

        Args:
            pieces: From its first to one past the last that it may end with.
            one_line: One past what its first line holds.
            room: What a name takes of it.
        """
        first, stop = pieces
        found = [0.0] * (stop - first)
        if self._short[first]:
            found[0] = LONELY
        if self._allowed.lines == 2 and first < one_line < stop:
            # The cheapest place of the last, of the last two and so on.
            cheapest = list(accumulate(self._costs[first:one_line][::-1], min))
            begins: Sequence[int] = self._begins[one_line:stop]
            if room:  # without the name, they could begin before the first piece
                begins = [max(begin, first + 1) for begin in begins]
            found[one_line - first :] = [cheapest[one_line - begin] for begin in begins]
        return found
