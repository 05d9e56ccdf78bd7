"""Subtitles by the rules that broadcasters ask for.

What holds always, whatever was said:

- Every word is shown once. Each speaker's words keep their order, and subtitles are in the order
  in which their first words are spoken.
- A subtitle has one speaker, and at most ``max_lines`` lines of at most ``max_line_chars``
  characters, the speaker's name before the first one included. A word that is wider than a line,
  or than what a name leaves of the only one, is broken at its end. A name takes half a line at
  most.
- It is shown for ``min_duration_s`` at least and ``max_duration_s`` at most, and ``min_gap_s``
  after the one before it.

What speech can make impossible:

- A subtitle begins with its first word, or later, as soon as the one before it makes room. That one
  does so when the next is due; only if it has not been shown for ``min_duration_s``, or if both are
  spoken at the same time, the next waits: in the latter case until the first has been read, but not
  more than ``MAX_LATE_CS`` after its first word.
- A subtitle is read faster than ``max_chars_per_s`` only where the next one follows at once, with
  nothing between but the gap: it stays for as long as it can.
- It goes before its last word was spoken only in the same case, or after ``max_duration_s``.

What one person says in one go (``formats.cue_words``) is cut in the best of all ways
(``formats.cutting``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from formats import cue_words, cutting, line_breaks
from formats.cue_words import Run
from formats.line_breaks import Line, Measured
from speech.request import SubtitleRules
from speech.subtitle_rules import HUNDREDTHS, Limits, limits
from speech.types import Result

MAX_LATE_CS: Final = 150
"""How late a subtitle may come for the sake of another that is spoken at the same time. By as much
the BBC's guidelines (5.2) let subtitles and speech be apart, though at their other ends."""
_FUZZ: Final = 1e-6

Piece = tuple[str, int]
"""What is shown of a word, with the space after it unless the line ends, and when it is spoken in
hundredths of a second."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle. Times are hundredths of a second."""

    start_cs: int
    end_cs: int
    speaker: str | None
    named: bool
    """Whether somebody else spoke before, of several: the first line has room for the name."""
    lines: tuple[tuple[Piece, ...], ...]
    """The first is empty where there is no room beside the name."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """A subtitle before it has its time."""

    run: Run
    measured: Measured
    pieces: Line


def cut(result: Result, rules: SubtitleRules) -> list[Cue]:
    """The words of a result as subtitles, in order.

    Args:
        result: With its words; without any, nothing comes of it.
        rules: Without a contradiction (``speech.subtitle_rules``).
    """
    allowed = limits(rules)
    cuts: list[_Cut] = []
    for run in cue_words.runs_of(result, allowed):
        measured = Measured(run)
        cuts += [_Cut(run, measured, pieces) for pieces in cutting.best(measured, allowed)]
    cuts.sort(key=lambda one: one.run.order[one.pieces[0]])
    return _timed(cuts, allowed)


def _timed(cuts: list[_Cut], allowed: Limits) -> list[Cue]:
    cues: list[Cue] = []
    per_char_cs = HUNDREDTHS / allowed.chars_per_s
    free_from = 0
    for index, one in enumerate(cuts):
        run, (first, stop) = one.run, one.pieces
        named = run.room > 0 and (not cues or cues[-1].speaker != run.speaker)
        room = run.room if named else 0
        chars = one.measured.width(first, stop) + room
        read_cs = max(allowed.min_cs, math.ceil(chars * per_char_cs - _FUZZ))
        start = max(run.starts_cs[first], free_from)
        end = min(max(run.ends_cs[stop - 1], start + read_cs), start + allowed.max_cs)
        if index + 1 < len(cuts):
            following = cuts[index + 1]
            due = following.run.starts_cs[following.pieces[0]]
            if due < run.ends_cs[stop - 1]:  # both at once
                due += MAX_LATE_CS
            end = min(end, max(due - allowed.gap_cs, start + allowed.min_cs))
        lines = line_breaks.in_lines(one.measured, one.pieces, allowed, room)
        shown = tuple(tuple(_pieces(run, line)) for line in lines)
        cues.append(Cue(start, end, run.speaker, named, shown))
        free_from = end + allowed.gap_cs
    return cues


def _pieces(run: Run, line: Line) -> list[Piece]:
    first, stop = line
    return [
        (run.texts[place] + " " * (place < stop - 1 and run.spaces[place]), run.starts_cs[place])
        for place in range(first, stop)
    ]
