"""From the tokens of a TDT model to words and chars. Pure.

A token is a SentencePiece piece with the encoder frame at which it was emitted and the number of
frames that the model skipped after it. A word begins at a piece with the mark U+2581.

Punctuation is not spoken. The model emits it when it is sure, often after the silence that follows
the word, so it never moves a word's start or end, and has no share in its confidence. A mark that
stands alone belongs to the word before it, an opening one to the word after it; symbols that are
read out (&, %, @ ...) are words.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from speech.types import Char, Word

WORD_START: Final = "\u2581"
UNKNOWN: Final = "<unk>"
UNKNOWN_TEXT: Final = "\u2047"
"""What SentencePiece writes for a piece that it does not know: a double question mark."""

_READ_OUT: Final = frozenset("&%@#*/\\§‰" + UNKNOWN_TEXT)
"""Punctuation by Unicode's classes, but spoken."""
_OPENING_MARKS: Final = frozenset("¿¡")
_OPENING_CLASSES: Final = frozenset({"Ps", "Pi"})


@dataclass(frozen=True, slots=True)
class Token:
    """One emission of the model."""

    piece: str
    frame: int
    """The encoder frame at which it was emitted; never before the frame of the token before it."""
    frames: int
    """How many frames the model skipped after it; 0 where the next token has the same frame."""
    confidence: float


@dataclass(frozen=True, slots=True)
class _Spelling:
    """The tokens of one word."""

    tokens: tuple[Token, ...]
    text: str


def words_and_chars(
    tokens: Sequence[Token], *, frame_s: float, duration_s: float
) -> tuple[tuple[Word, ...], tuple[Char, ...]]:
    """Words and chars in order, without overlaps, between 0 and ``duration_s``.

    A word lasts from its first spoken token to the end of its last one, and at least one frame;
    words that were emitted in the same frame share it in equal parts. Its confidence is the lowest
    of its spoken tokens': a word is right only if all of them are. The chars of a word lie within
    its times; those of punctuation have no length.

    Args:
        tokens: In the order of emission, without blanks.
        frame_s: Length of an encoder frame in seconds.
        duration_s: Length of the recording. What was emitted later lies in its last frame.
    """
    spells = _attach_marks(list(_split(tokens)))
    spans_s = _spans_s([_spoken(spell) for spell in spells], frame_s, duration_s)
    words: list[Word] = []
    chars: list[Char] = []
    for spell, (start_s, end_s) in zip(spells, spans_s, strict=True):
        spoken = _spoken(spell)
        words.append(Word(spell.text, start_s, end_s, _confidence(spoken)))
        chars.extend(_chars(spell.tokens, spoken, frame_s, start_s, end_s))
    return tuple(words), tuple(chars)


def join(words: Sequence[Word]) -> str:
    """The text: the words, one space apart."""
    return " ".join(word.text for word in words)


def piece_text(piece: str) -> str:
    """What one piece spells, without the mark of a word's start."""
    return UNKNOWN_TEXT if piece == UNKNOWN else piece.replace(WORD_START, " ").strip()


def is_punctuation(text: str) -> bool:
    """Whether a text has characters and none of them is spoken."""
    return bool(text) and all(
        unicodedata.category(char).startswith("P") and char not in _READ_OUT for char in text
    )


def _split(tokens: Sequence[Token]) -> Iterator[_Spelling]:
    """Cut before every mark of a word's start, and around unknown pieces, as SentencePiece does."""
    current: list[Token] = []
    for token in tokens:
        after_unknown = bool(current) and current[-1].piece == UNKNOWN
        if after_unknown or token.piece == UNKNOWN or token.piece.startswith(WORD_START):
            yield from _spell(current)
            current = []
        current.append(token)
    yield from _spell(current)


def _spell(tokens: list[Token]) -> Iterator[_Spelling]:
    """The word of these tokens; none if they spell nothing, like a mark on its own."""
    text = "".join(piece_text(token.piece) for token in tokens)
    if text:
        yield _Spelling(tuple(tokens), text)


def _attach_marks(spellings: list[_Spelling]) -> list[_Spelling]:
    """Give marks that stand alone to the words that they belong to."""
    attached: list[_Spelling] = []
    opening: _Spelling | None = None
    for spelling in spellings:
        spell = spelling if opening is None else _merge(opening, spelling)
        opening = None
        if is_punctuation(spell.text) and _opens(spell.text):
            opening = spell
        elif is_punctuation(spell.text) and attached:
            attached[-1] = _merge(attached[-1], spell)
        else:
            attached.append(spell)
    if opening is not None:
        attached.append(opening)
    return attached


def _opens(text: str) -> bool:
    return text[-1] in _OPENING_MARKS or unicodedata.category(text[-1]) in _OPENING_CLASSES


def _merge(first: _Spelling, second: _Spelling) -> _Spelling:
    return _Spelling(first.tokens + second.tokens, first.text + second.text)


def _spoken(spell: _Spelling) -> tuple[Token, ...]:
    """The tokens that give a word its times; all of them if it is punctuation and nothing else."""
    tokens = tuple(token for token in spell.tokens if not is_punctuation(piece_text(token.piece)))
    return tokens if any(piece_text(token.piece) for token in tokens) else spell.tokens


def _confidence(spoken: Sequence[Token]) -> float:
    lowest = min(0.0 if math.isnan(token.confidence) else token.confidence for token in spoken)
    return min(1.0, max(0.0, lowest))


def _spans_s(
    words: Sequence[Sequence[Token]], frame_s: float, duration_s: float
) -> list[tuple[float, float]]:
    """Start and end of every word."""
    limit = duration_s / frame_s
    last_start = max(0.0, limit - 1)
    starts: list[float] = []
    for tokens in words:
        earliest = starts[-1] if starts else 0.0
        starts.append(min(last_start, max(earliest, float(tokens[0].frame))))
    spans: list[tuple[float, float]] = []
    for first, count in _runs(starts):
        start = starts[first]
        following = starts[first + count] if first + count < len(starts) else limit
        share = min(1.0, following - start) / count
        cuts = [min(following, start + k * share) for k in range(count + 1)]
        spans += pairwise(cuts)
        final = words[first + count - 1][-1]
        end = max(spans[-1][1], min(following, float(final.frame + final.frames)))
        spans[-1] = (spans[-1][0], end)
    return [(min(a * frame_s, duration_s), min(b * frame_s, duration_s)) for a, b in spans]


def _runs(values: Sequence[float]) -> Iterator[tuple[int, int]]:
    """(index, length) of every run of equal values."""
    first = 0
    for index in range(1, len(values) + 1):
        if index == len(values) or values[index] != values[first]:
            yield first, index - first
            first = index


def _chars(
    tokens: Sequence[Token],
    spoken: Sequence[Token],
    frame_s: float,
    start_s: float,
    end_s: float,
) -> Iterator[Char]:
    """What each token of a word spells, within the word's times."""
    at_s = start_s
    for token in tokens:
        text = piece_text(token.piece)
        if not text:
            continue
        if token not in spoken:
            yield Char(text, at_s, at_s)
            continue
        token_start_s = min(end_s, max(at_s, token.frame * frame_s))
        at_s = min(end_s, max(token_start_s, (token.frame + token.frames) * frame_s))
        yield Char(text, token_start_s, at_s)
