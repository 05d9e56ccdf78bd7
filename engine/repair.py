"""Stretches of clear speech that the model has skipped, heard once more by themselves. Pure.

Parakeet v3 sometimes says nothing for seconds: after the end of a sentence its decoder keeps
choosing the blank, and only a fresh state or another window frees it (shared by several reports;
docs/decisions/0008-length-and-trust.md). So the stretch is heard again alone, in two windows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from engine.passes import Part
from engine.recorded import SAMPLE_RATE_HZ
from speech.coverage import Span, is_stretched
from speech.types import Char, Transcript, Word

Timed = TypeVar("Timed", Word, Char)

MARGINS_S: Final = (2.0, 0.2)
"""What is heard before and after a hole: enough for the words around it to lead into it; and hardly
any, so that nothing but the hole decides about the features, and no sentence ends before it."""
CLEARLY_MORE: Final = 1.1
"""The narrow window is taken where it brings so much more: at its edges words are cut."""
EARLY_S: Final = 0.16
"""Two encoder frames. What begins earlier is the end of the word before the hole, heard again."""
LONGEST_S: Final = 30.0
"""Of what is heard at once."""
MIN_CONFIDENCE: Final = 0.5
"""A word that is as likely as not is not put into a gap: better a gap that is told of."""


def pieces(hole: Span) -> list[Span]:
    """A hole in stretches that can be heard at once, of one length."""
    start_s, end_s = hole
    count = max(1, math.ceil((end_s - start_s) / LONGEST_S))
    step_s = (end_s - start_s) / count
    return [(start_s + n * step_s, start_s + (n + 1) * step_s) for n in range(count)]


def windows(hole: Span, samples: int) -> list[Part]:
    """What to hear of a hole, one window for each attempt.

    Args:
        hole: Start and end in seconds.
        samples: Of the recording.
    """
    start_s, end_s = hole
    return [
        Part(
            max(0, int((start_s - margin_s) * SAMPLE_RATE_HZ)),
            min(samples, int((end_s + margin_s) * SAMPLE_RATE_HZ)),
        )
        for margin_s in MARGINS_S
    ]


def best(attempts: Sequence[Sequence[Word]]) -> Sequence[Word]:
    """The attempt that covers most of the hole; an earlier one unless a later is clearly better."""
    chosen = attempts[0]
    for words in attempts[1:]:
        if _covered_s(words) > CLEARLY_MORE * _covered_s(chosen):
            chosen = words
    return chosen


def _covered_s(words: Sequence[Word]) -> float:
    return sum(word.end_s - word.start_s for word in words if not is_stretched(word))


def found(hole: Span, part: Part, heard: Transcript) -> list[Word]:
    """The words of one attempt that lie in the hole, by the recording's clock, marked as repaired.

    Args:
        hole: Start and end in seconds.
        part: The window.
        heard: What was said in it, by its own clock.
    """
    words = (
        replace(
            word,
            start_s=word.start_s + part.begin_s,
            end_s=word.end_s + part.begin_s,
            repaired=True,
        )
        for word in heard.words
    )
    return [
        word
        for word in words
        if word.start_s >= hole[0] - EARLY_S
        and (word.start_s + word.end_s) / 2 <= hole[1]
        and word.confidence >= MIN_CONFIDENCE
    ]


def mend(transcript: Transcript, repaired: Sequence[Word]) -> Transcript:
    """The transcript with words put in where it had none.

    Args:
        transcript: What was heard first.
        repaired: Words in order. They take the place of a word that was stretched over them.
    """
    if not repaired:
        return transcript
    kept = [word for word in transcript.words if not _is_replaced(word, repaired)]
    words = sorted((*kept, *repaired), key=lambda word: (word.start_s, word.end_s))
    apart: list[Word] = []
    for word in words:
        start_s = max(word.start_s, apart[-1].end_s if apart else 0.0)
        apart.append(replace(word, start_s=start_s, end_s=max(start_s, word.end_s)))
    gone = [word for word in transcript.words if _is_replaced(word, repaired)]
    chars = [
        char
        for char in transcript.chars
        if not any(word.start_s <= char.start_s and char.end_s <= word.end_s for word in gone)
    ]
    chars += [Char(w.text, w.start_s, w.end_s) for w in apart if w.repaired]
    return replace(
        transcript,
        text=" ".join(word.text for word in apart),
        words=tuple(apart),
        chars=tuple(sorted(chars, key=lambda char: char.start_s)),
    )


def _is_replaced(word: Word, repaired: Sequence[Word]) -> bool:
    """Whether a word was stretched over speech that has words of its own now."""
    if not is_stretched(word):
        return False
    return sum(word.start_s <= other.start_s < word.end_s for other in repaired) > 1
