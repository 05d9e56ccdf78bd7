"""What counts as a word when words are compared.

Case is folded and punctuation dropped. Apostrophes inside words stay, and so do points, commas and
colons inside numbers; numbers are not spelled out: "Twenty" and "20" differ. A hyphen parts words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from speech.spoken import Utterance, are_words

_APOSTROPHES: Final = str.maketrans("\u2019\u2018\u02bc\u00b4`", "'''''")
_INSIDE: Final = r"(?<=\d)[.,:](?=\d)|(?<=[^\W_])'(?=[^\W_])"
_OTHERS: Final = re.compile(rf"({_INSIDE})|[^\w\s]|_")
"""All that is no letter and no digit; the first group is what stays."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word to compare."""

    text: str
    speaker: str | None
    start_s: float | None
    """None where the word's own times are not known."""
    end_s: float | None


def normalise(text: str) -> str:
    """The words to compare, with one space between them."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES)
    return " ".join(_OTHERS.sub(_kept, plain).split())


def _kept(match: re.Match[str]) -> str:
    is_mark = unicodedata.category(match[0]).startswith("M")  # an accent that no letter includes
    return match[0] if match[1] or is_mark else " "


def tokens(utterances: Sequence[Utterance]) -> list[Token]:
    """All words, in the order of their times where the utterances have them.

    Within an utterance words share its time by their length, so that those of two who speak at
    once come as they were heard and not one utterance after the other. A word has times of its own
    where each utterance is a word, and does not fall apart ("e-mail").
    """
    word_level = are_words(utterances)
    found: list[tuple[float, Token]] = []
    for one in utterances:
        words = normalise(one.text).split()
        timed = word_level and len(words) == 1
        start_s, end_s = (one.start_s, one.end_s) if timed else (None, None)
        tokens_ = (Token(word, one.speaker, start_s, end_s) for word in words)
        found += zip(_shares(one, words), tokens_, strict=True)
    if all(one.start_s is not None for one in utterances):
        found.sort(key=lambda item: item[0])
    return [token for _, token in found]


def _shares(one: Utterance, words: Sequence[str]) -> Iterator[float]:
    """When each word begins, as far as can be told."""
    start_s, end_s = one.start_s or 0.0, one.end_s or 0.0
    length, done = sum(map(len, words)), 0
    for word in words:
        yield start_s + (end_s - start_s) * done / length
        done += len(word)
