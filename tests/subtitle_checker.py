"""Which rules subtitles break: read from what is shown, without the code that cut them.

Times are hundredths of a second, as the rules are kept in.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from formats.cues import Cue
from speech.request import SubtitleRules
from speech.types import Result

LATE_CS = 150
SHORT = 7


@dataclass(frozen=True)
class Said:
    """A word, as one that counts in hundredths sees it."""

    place: int
    letters: str
    start: int
    end: int


@dataclass(frozen=True)
class Shown:
    """A subtitle: its lines with the name, and what of the words it shows."""

    start: int
    end: int
    lines: tuple[str, ...]
    words: tuple[Said, ...]
    whole: bool
    """Whether it begins with the begin of a word."""
    spaces: int
    """What its line breaks stand for: none within a word."""


def seen(text: str) -> int:
    return sum(unicodedata.category(char) not in ("Mn", "Me", "Cf") for char in text)


def letters(text: str) -> str:
    kept = (c for c in text if not c.isspace() and unicodedata.category(c) not in ("Cc", "Cs"))
    return "".join(kept).replace("\ue000", "").replace("\ue001", "")


def blocks(srt: str) -> list[list[str]]:
    """The lines of each subtitle of a SubRip file, without number and times."""
    return [block.split("\n")[2:] for block in srt.split("\n\n") if block.strip()]


def spoken(result: Result) -> dict[str | None, list[Said]]:
    """Each speaker's words. Times are made to be in order, as ``formats.cue_words`` says."""
    found: dict[str | None, list[Said]] = {}
    latest = 0
    for place, word in enumerate(result.words):
        if seen(text := letters(word.text)):
            latest = max(latest, round(word.start_s * 100))
            end = max(latest, round(word.end_s * 100))
            found.setdefault(word.speaker, []).append(Said(place, text, latest, end))
    return found


def shown(result: Result, cues: Sequence[Cue], srt: str) -> list[Shown]:
    """What each subtitle shows; fails where a word is lost, repeated or moved."""
    left = {
        speaker: [(word, at) for word in words for at in range(len(word.letters))]
        for speaker, words in spoken(result).items()
    }
    at = dict.fromkeys(left, 0)
    found = []
    for cue, lines in zip(cues, blocks(srt), strict=True):
        parts = [letters("".join(part for part, _ in line)) for line in cue.lines]
        text = "".join(parts)
        own = left[cue.speaker][at[cue.speaker] : at[cue.speaker] + len(text)]
        assert text == "".join(word.letters[place] for word, place in own), "words as spoken"
        at[cue.speaker] += len(text)
        words = tuple(dict.fromkeys(word for word, _ in own))
        begins = list(accumulate(map(len, parts)))[:-1]
        spaces = sum(begin == 0 or own[begin][1] == 0 for begin in begins)
        found.append(Shown(cue.start_cs, cue.end_cs, tuple(lines), words, own[0][1] == 0, spaces))
    assert all(at[speaker] == len(rest) for speaker, rest in left.items()), "every word"
    return found


def broken(result: Result, rules: SubtitleRules, cues: Sequence[Cue], srt: str) -> Iterator[str]:
    """Each rule that a subtitle breaks, in words."""
    subtitles = shown(result, cues, srt)
    gap = math.ceil(rules.min_gap_s * 100 - 1e-6)
    for before, here, after in zip(
        [None, *subtitles], subtitles, [*subtitles[1:], None], strict=False
    ):
        for fault in (
            *_form(here, rules),
            *_late(before, here, rules, gap),
            *_left(here, after, rules, gap),
        ):
            yield f"at {here.start}: {fault}"


def _form(here: Shown, rules: SubtitleRules) -> Iterator[str]:
    """What can be said of it alone."""
    if len(here.lines) > rules.max_lines:
        yield "too many lines"
    if any(seen(line) > rules.max_line_chars for line in here.lines):
        yield "a line is too long"
    if not all(line.strip() and line == line.strip() for line in here.lines):
        yield "a line is empty, or begins or ends with a space"
    lasts = here.end - here.start
    if not rules.min_duration_s * 100 - 1e-6 <= lasts <= rules.max_duration_s * 100 + 1e-6:
        yield f"lasts {lasts}"
    if lasts <= 0:
        yield "is never shown"


def _late(before: Shown | None, after: Shown, rules: SubtitleRules, gap: int) -> Iterator[str]:
    """Whether it begins with its first word, or for one of the reasons why it may not."""
    first = after.words[0]
    if before is not None and after.start - before.end < gap:
        yield "too near to the one before"
    if before is not None and first.place < before.words[0].place:
        yield "out of order"
    if after.start < first.start:
        yield "is shown before it is spoken"
    if not after.whole or after.start == first.start:
        return  # where a part of a word is spoken, nobody knows
    if before is None or after.start != before.end + gap:
        yield "begins late without a reason"
        return
    least = math.ceil(rules.min_duration_s * 100 - 1e-6)
    as_short_as_can_be = before.end - before.start == max(1, least)
    at_once = before.words[-1].end > first.start
    if not (as_short_as_can_be or (at_once and after.start - first.start <= LATE_CS)):
        yield "begins too late"


def _left(here: Shown, following: Shown | None, rules: SubtitleRules, gap: int) -> Iterator[str]:
    """Whether it stays for as long as it must and can, and no longer."""
    chars = sum(map(seen, here.lines)) + here.spaces
    read = math.ceil(max(chars / rules.max_chars_per_s, rules.min_duration_s) * 100 - 1e-6)
    lasts = here.end - here.start
    at_once = following is not None and following.start - here.end == gap
    if chars / lasts * 100 > rules.max_chars_per_s + 1e-9 and not at_once:
        yield "cannot be read, and need not go"
    longest = lasts + 1 > rules.max_duration_s * 100 + 1e-6
    # A word's end that lies after the begin of its speaker's next one is none.
    last_start = here.words[-1].start
    if here.end < last_start and not (at_once or longest):
        yield "goes before its last word"
    if here.end > max(here.start + max(read, 1), *(word.end for word in here.words)):
        yield "stays too long"
