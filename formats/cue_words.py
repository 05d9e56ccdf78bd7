"""What subtitles are cut from: each speaker's words in runs, each run as the pieces to be shown.

A run is what one person says without an end that a subtitle must not span: a pause of a second,
or another's words in the middle. Another's words part a run where they lie between two of its
words, or at the end of one of its sentences. Words that are only spoken at the same time do not:
else people who talk at once were cut into single words.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from formats import clean
from speech import sentences
from speech.subtitle_rules import HUNDREDTHS, Limits
from speech.types import LabelledWord, Result

_PREFIX_CHARS: Final = 2
"""Of the colon and the space after a name."""


@dataclass(slots=True)
class Run:
    """What one person says; each list has an item for each piece of it, in order.

    A piece is a word, or a part of one that is too wide for a line. Filled here, then only read.
    """

    speaker: str | None
    room: int = 0
    """What a speaker's name needs at the begin of a line; 0 where none is ever shown."""
    always_named: bool = False
    """Whether somebody else speaks during it, so that each of its subtitles may need the name."""
    language: str | None = None
    next_cs: int | None = None
    """When the next word after it is spoken, by whomever."""
    texts: list[str] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    starts_cs: list[int] = field(default_factory=list)
    ends_cs: list[int] = field(default_factory=list)
    spaces: list[int] = field(default_factory=list)
    """1 where a space comes after the piece; 0 after a part of a word but its last."""
    sentence_ends: list[bool] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    """The place of the piece's word among all words."""


def runs_of(result: Result, limits: Limits) -> list[Run]:
    """The words of a result as runs, in the order of their first words.

    Args:
        result: Its words, without those of which nothing can be seen. Their times are taken to be
            in order, and made so where they are not.
        limits: What a line and a subtitle hold.
    """
    words = [word for word in result.words if clean.width(clean.text(word.text))]
    starts_cs, ends_cs = _times(words)
    several = len({word.speaker for word in words if word.speaker is not None}) > 1
    languages = _Languages(result)
    runs = []
    for indices in _parts(words, starts_cs, ends_cs):
        first, last = indices[0], indices[-1]
        speaker = words[first].speaker
        run = Run(speaker, always_named=last - first + 1 > len(indices))
        if several and speaker is not None:
            run.room = clean.width(shown_name(speaker, limits)) + _PREFIX_CHARS
        run.language = languages.at(speaker, words[first].start_s)
        run.next_cs = starts_cs[last + 1] if last + 1 < len(words) else None
        for place, index in enumerate(indices):
            end_cs, following = ends_cs[index], None
            if place + 1 < len(indices):
                following = words[indices[place + 1]]
                # A word that is said to last longer than until the next one ends there.
                end_cs = min(end_cs, starts_cs[indices[place + 1]])
            _add(run, words[index].text, (starts_cs[index], end_cs), index, limits)
            run.sentence_ends[-1] = _ends_sentence(words[index], following)
        runs.append(run)
    return runs


def shown_name(speaker: str, limits: Limits) -> str:
    """A speaker's name as it stands before a line: with colon and space, half of it at most."""
    half = min(limits.line_chars, limits.cue_chars) // 2
    return clean.shortened(clean.name(speaker), half - _PREFIX_CHARS)


def _times(words: Sequence[LabelledWord]) -> tuple[list[int], list[int]]:
    """In hundredths of a second. None begins before the one before it, or ends before it begins."""
    starts: list[int] = []
    ends: list[int] = []
    latest = 0
    for word in words:
        latest = max(latest, round(word.start_s * HUNDREDTHS))
        starts.append(latest)
        ends.append(max(latest, round(word.end_s * HUNDREDTHS)))
    return starts, ends


def _parts(
    words: Sequence[LabelledWord], starts_cs: Sequence[int], ends_cs: Sequence[int]
) -> list[list[int]]:
    """The indices of each run's words."""
    parts: list[list[int]] = []
    open_parts: dict[str | None, list[int]] = {}
    for index, word in enumerate(words):
        part = open_parts.get(word.speaker)
        if part is None or _parted(words, starts_cs, ends_cs, part[-1], index):
            part = open_parts[word.speaker] = []
            parts.append(part)
        part.append(index)
    return parts


def _parted(
    words: Sequence[LabelledWord],
    starts_cs: Sequence[int],
    ends_cs: Sequence[int],
    before: int,
    after: int,
) -> bool:
    """Whether a run ends between two words that one speaker says one after the other."""
    end_cs, start_cs = ends_cs[before], starts_cs[after]
    if start_cs - end_cs >= sentences.LONG_PAUSE_S * HUNDREDTHS:
        return True
    if after == before + 1:
        return False
    between = range(before + 1, after)
    return _ends_sentence(words[before], words[after]) or any(
        starts_cs[other] >= end_cs and ends_cs[other] <= start_cs for other in between
    )


def _ends_sentence(word: LabelledWord, following: LabelledWord | None) -> bool:
    # Most words end in a letter: the whole rule need not be asked.
    return not word.text[-1:].isalnum() and sentences.ends_sentence(word, following)


def _add(run: Run, raw: str, times_cs: tuple[int, int], index: int, limits: Limits) -> None:
    """Add a word; one that is too wide in parts, each with its share of the time."""
    shown = clean.text(raw)
    wide = clean.width(shown)
    start_cs, end_cs = times_cs
    widest = first = min(limits.line_chars, limits.cue_chars)
    if run.room and (run.always_named or not run.texts):
        # Of one line the name takes a part; of more, only what the subtitle holds is less.
        first = min(first, (first if limits.lines == 1 else limits.cue_chars) - run.room)
    if wide > first:
        parts = clean.pieces(shown, first if run.always_named else widest, first)
        done = 0
        for part in parts[:-1]:
            part_end = start_cs + (end_cs - start_cs) * (done + clean.width(part)) // wide
            _append(run, part, (start_cs + (end_cs - start_cs) * done // wide, part_end), index)
            run.spaces[-1] = 0
            done += clean.width(part)
        shown, start_cs = parts[-1], run.ends_cs[-1]
    _append(run, shown, (start_cs, end_cs), index)


def _append(run: Run, shown: str, times_cs: tuple[int, int], index: int) -> None:
    run.texts.append(shown)
    run.widths.append(clean.width(shown))
    run.starts_cs.append(times_cs[0])
    run.ends_cs.append(times_cs[1])
    run.spaces.append(1)
    run.sentence_ends.append(False)
    run.order.append(index)


class _Languages:
    """Which language is spoken when: that of the segment, else of the whole."""

    def __init__(self, result: Result) -> None:
        self._whole = result.language.code if result.language else None
        self._starts: dict[str | None, list[float]] = {}
        self._codes: dict[str | None, list[str | None]] = {}
        for segment in result.segments:
            code = segment.language.code if segment.language else None
            self._starts.setdefault(segment.speaker, []).append(segment.start_s)
            self._codes.setdefault(segment.speaker, []).append(code)

    def at(self, speaker: str | None, start_s: float) -> str | None:
        """The code of the language, or None."""
        place = bisect_right(self._starts.get(speaker, []), start_s) - 1
        return (self._codes[speaker][place] if place >= 0 else None) or self._whole
