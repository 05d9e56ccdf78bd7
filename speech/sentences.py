"""Where sentences end, told from punctuation and pauses.

Parakeet writes punctuation and capitals. A word ends a sentence if, closing quotes and brackets
aside, it ends in one of . ? ! … unless the next word follows within ``PAUSE_S`` and
- begins with a lower-case letter ("e.g. this", "I was… going", "'Stop!' he said"), or
- the word ends in a full stop, and the next word begins with a digit ("No. 5"), or the word is one
  initial ("J. Smith") or a title ("Dr. Smith").
A pause of ``LONG_PAUSE_S`` ends a sentence as well, with or without punctuation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

PAUSE_S = 0.3
"""A pause within speech. Fluent words follow each other within one or two frames of 80 ms."""
LONG_PAUSE_S = 1.0
"""A pause after which something new begins."""

SENTENCE_MARKS = (".", "?", "!", "…")
CLOSING = "\"'\u201d\u2019\u00bb\u203a)]}"
OPENING = "\"'\u201c\u2018\u00ab\u2039\u201e\u201a([{\u00bf\u00a1"
TITLES = frozenset({"mr", "mrs", "ms", "dr", "prof", "st"})


class TimedText(Protocol):
    """A word, with or without a speaker."""

    @property
    def text(self) -> str:
        """With its punctuation."""

    @property
    def start_s(self) -> float:
        """Where it begins."""

    @property
    def end_s(self) -> float:
        """Where it ends."""


def gap_s(word: TimedText, following: TimedText | None) -> float:
    """The silence between two words; endless after the last one. Words that overlap have none."""
    return float("inf") if following is None else max(0.0, following.start_s - word.end_s)


def ends_sentence(word: TimedText, following: TimedText | None) -> bool:
    """Whether a sentence ends after the word."""
    if following is None:
        return True
    pause_s = following.start_s - word.end_s
    if pause_s >= LONG_PAUSE_S:
        return True
    if not has_sentence_mark(word):
        return False
    if pause_s >= PAUSE_S:
        return True
    if begins_small(following):
        return False
    text = word.text.rstrip(CLOSING)
    first = following.text.lstrip(OPENING)[:1]
    return not (text.endswith(".") and (first.isdigit() or _is_shortened(text)))


def has_sentence_mark(word: TimedText) -> bool:
    """Whether the word has a mark that may end a sentence."""
    return word.text.rstrip(CLOSING)[-1:] in SENTENCE_MARKS


def begins_small(word: TimedText) -> bool:
    """Whether the word begins with a lower-case letter."""
    return word.text.lstrip(OPENING)[:1].islower()


def sentence_bounds(words: Sequence[TimedText]) -> list[tuple[int, int]]:
    """The sentences as index ranges, first to last exclusive. They hold every word once."""
    bounds: list[tuple[int, int]] = []
    begin = 0
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else None
        if ends_sentence(word, following):
            bounds.append((begin, index + 1))
            begin = index + 1
    return bounds


def _is_shortened(text: str) -> bool:
    """Whether the full stop belongs to an initial or a title."""
    stem = text[:-1].lstrip(OPENING)
    return (len(stem) == 1 and stem.isupper() and stem != "I") or stem.lower() in TITLES
