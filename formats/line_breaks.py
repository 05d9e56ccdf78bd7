"""Where a subtitle and its lines may end, how well, and how a subtitle is set in lines.

Costs are small numbers that were chosen by eye: a sentence's end costs nothing, then come a comma
and the like, the place before a little word, any other, and last the place after a little word.
A pause makes a place better.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from operator import add
from typing import Final

from formats.cue_words import Run
from formats.small_words import NONE, SMALL_WORDS
from speech import sentences
from speech.subtitle_rules import HUNDREDTHS, Limits

CLAUSE_MARKS: Final = (",", ";", ":", "\u2013", "\u2014", "\u00b7")
SHORT_CHARS: Final = 7
"""A single word that is no wider should not stand alone."""
LONELY: Final = 1000.0
"""What it costs nevertheless: more than all else together, so that it is only where it must be."""
_CLAUSE: Final = 1.0
_BEFORE_SMALL: Final = 2.0
_ANYWHERE: Final = 3.5
_BETWEEN_SMALL: Final = 5.0
_AFTER_SMALL: Final = 6.0
_WITHIN_WORD: Final = 50.0
_PAUSE_GAIN: Final = 2.0
"""Of a second."""
_UNEVEN: Final = 5.0
_AROUND: Final = '.,;:!?…"“”„«»()[]-–—¿¡'

Line = tuple[int, int]
"""The pieces of a line: first, and one past the last."""
_Ways = dict[int, tuple[float, list[Line]]]


def in_lines(measured: Measured, cue: Line, limits: Limits, room: int) -> list[Line]:
    """The pieces of one subtitle as the fewest lines that hold it, broken where it is best.

    The first line is empty where a name takes so much of it that the first piece does not fit.

    Args:
        measured: The run whose pieces they are.
        cue: The pieces of the subtitle.
        limits: What a line holds.
        room: What a name takes of the first line.
    """
    first, stop = cue
    chars = limits.line_chars - room
    if measured.width(first, stop) <= chars:
        return [cue]
    if room and measured.run.widths[first] > chars:
        return [(first, first), *in_lines(measured, cue, limits, 0)]
    count, end = 1, measured.fitting(first, chars)
    while end < stop:
        count, end = count + 1, measured.fitting(end, limits.line_chars)
    # To where lines come, what it costs, and the lines: first with one, then with one more.
    ways = {
        end: (
            _line_cost(measured, (first, end), stop, room / limits.line_chars, limits),
            [(first, end)],
        )
        for end in range(first + 1, measured.fitting(first, chars) + 1)
    }
    for left in range(count - 2, -1, -1):
        ways = _one_more(measured, ways, stop, limits, last=not left)
    return ways[stop][1]


def _one_more(measured: Measured, ways: _Ways, stop: int, limits: Limits, *, last: bool) -> _Ways:
    """Each way with one more line: the cheapest to each place, and to the end with the last."""
    better: _Ways = {}
    for begin, (cost, lines) in ways.items():
        furthest = min(stop, measured.fitting(begin, limits.line_chars))
        if last and furthest < stop:
            continue
        for end in (stop,) if last else range(begin + 1, furthest + 1):
            total = cost + _line_cost(measured, (begin, end), stop, 0.0, limits)
            if end not in better or total < better[end][0]:
                better[end] = (total, [*lines, (begin, end)])
    return better


def _line_cost(measured: Measured, line: Line, stop: int, filled: float, limits: Limits) -> float:
    """Of one line of several: uneven ones cost, a short word alone, and where it ends."""
    first, end = line
    wide = measured.width(first, end)
    cost = _UNEVEN * (filled + wide / limits.line_chars) ** 2
    if end == first + 1 and wide <= SHORT_CHARS:
        cost += LONELY
    return cost + measured.costs[end - 1] if end < stop else cost


def _break_costs(run: Run) -> list[float]:
    """How bad it is to end after each piece of a run but its last."""
    small = SMALL_WORDS.get(run.language or "", NONE)
    leans = [text.strip(_AROUND).replace("’", "'").lower() in small for text in run.texts]
    costs = []
    for place in range(len(run.texts) - 1):
        if not run.spaces[place]:
            costs.append(_WITHIN_WORD)
            continue
        if run.sentence_ends[place]:
            costs.append(0.0)
            continue
        if run.texts[place].rstrip(sentences.CLOSING).endswith(CLAUSE_MARKS):
            cost = _CLAUSE
        elif leans[place]:
            cost = _BETWEEN_SMALL if leans[place + 1] else _AFTER_SMALL
        else:
            cost = _BEFORE_SMALL if leans[place + 1] else _ANYWHERE
        pause_cs = run.starts_cs[place + 1] - run.ends_cs[place]
        costs.append(max(0.0, cost - _PAUSE_GAIN * pause_cs / HUNDREDTHS))
    return costs


class Measured:
    """A run's pieces, how wide any stretch of them is, and what it costs to end after each."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.costs = [*_break_costs(run), 0.0]
        #: Where each piece begins, were the run one line.
        self.begins: list[int] = [0, *accumulate(map(add, run.widths, run.spaces))]
        #: Where each ends.
        self.ends: list[int] = list(map(add, self.begins, run.widths))

    def width(self, first: int, stop: int) -> int:
        """Of the pieces from the first to one before ``stop``, as one line."""
        return self.ends[stop - 1] - self.begins[first]

    def fitting(self, first: int, chars: int) -> int:
        """One past the last piece that fits beside the first; the first itself where none does."""
        return max(first, bisect_right(self.ends, self.begins[first] + chars))

    def line_begins(self, chars: int) -> list[int]:
        """For each piece, the first one with which a line can begin and end with this one."""
        found, first = [], 0
        for end in self.ends:
            while end - self.begins[first] > chars:
                first += 1
            found.append(first)
        return found

    def stops(self, chars: int) -> list[int]:
        """For each piece, and the end, one past the last that fits into a line beginning with it.

        The piece itself where none does.
        """
        found, stop, count = [], 0, len(self.ends)
        for first, begin in enumerate(self.begins[:count]):
            stop = max(stop, first)
            while stop < count and self.ends[stop] - begin <= chars:
                stop += 1
            found.append(stop)
        return [*found, count]
