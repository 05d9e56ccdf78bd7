"""Stretches of clear speech that the model has skipped, heard once more by themselves. Pure.

Parakeet v3 sometimes says nothing for seconds: after the end of a sentence its decoder keeps
choosing the blank, and only a fresh state or another window frees it (shared by several reports;
docs/decisions/0008-length-and-trust.md). So the stretch is heard again alone, in two windows.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from engine.passes import SAME_WORD_S, Part, seam
from engine.recorded import SAMPLE_RATE_HZ
from speech import timeline
from speech.coverage import Span, is_stretched
from speech.types import Char, Transcript, Word

MARGINS_S: Final = (2.0, 0.2)
"""What is heard before and after a hole: enough for the words around it to lead into it; and hardly
any, so that nothing but the hole decides about the features, and no sentence ends before it."""
CLEARLY_MORE: Final = 1.1
"""The narrow window is taken where it brings so much more: at its edges words are cut."""
EDGE_S: Final = 1.0
"""How far from a hole the second hearing takes over, if both say the same there."""
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


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was heard in one window."""

    part: Part
    words: tuple[Word, ...]
    """All of them, by the recording's clock."""
    inside: tuple[Word, ...]
    """Those that lie in the hole, and are sure enough."""

    @property
    def covered_s(self) -> float:
        """Of the hole."""
        return sum(w.end_s - w.start_s for w in self.inside if not is_stretched(w))


def attempt(hole: Span, part: Part, heard: Transcript) -> Attempt:
    """Look at what was heard in a window.

    Args:
        hole: Start and end in seconds.
        part: The window.
        heard: What was said in it, by its own clock.
    """
    words = tuple(
        replace(word, repaired=True) for word in timeline.later(heard.words, part.begin_s)
    )
    inside = tuple(
        word
        for word in words
        if word.start_s >= hole[0] - EARLY_S
        and (word.start_s + word.end_s) / 2 <= hole[1]
        and word.confidence >= MIN_CONFIDENCE
    )
    return Attempt(part, words, inside)


def best(attempts: Sequence[Attempt]) -> Attempt:
    """The one with the widest window, unless another covers clearly more of the hole."""
    chosen, *others = sorted(attempts, key=lambda attempt: -attempt.part.duration_s)
    for other in others:
        if other.covered_s > CLEARLY_MORE * chosen.covered_s:
            chosen = other
    return chosen


def mend(transcript: Transcript, hole: Span, found: Attempt) -> Transcript:
    """The transcript with a hole filled; as it is if there is nothing to fill it with.

    What the model said at the edges of what it skipped is often wrong, too. So the second hearing
    takes over where both say the same word, a second or so before the hole, and gives back behind.
    """
    if not found.inside:
        return transcript
    middle_s = (hole[0] + hole[1]) / 2
    first = bisect_left(transcript.words, middle_s, key=lambda word: word.start_s)
    before, after = transcript.words[:first], transcript.words[first:]
    if hole[0] - found.part.begin_s >= EDGE_S or found.part.end_s - hole[1] >= EDGE_S:
        kept, dropped = seam(before, found.words, hole[0] - EDGE_S)
        before, new = before[:kept], found.words[dropped:]
        kept, dropped = seam(new, after, hole[1] + EDGE_S)
        new, after = new[:kept], after[dropped:]
    else:
        new = found.inside
        before = tuple(word for word in before if not _is_replaced(word, new))
        after = tuple(word for word in after if not _is_replaced(word, new))
    words = _apart([*before, *(_known(word, transcript.words) for word in new), *after])
    kept_chars = _chars_of(transcript.chars, words)
    chars = [*kept_chars, *(Char(w.text, w.start_s, w.end_s) for w in words if w.repaired)]
    return replace(
        transcript,
        text=" ".join(word.text for word in words),
        words=tuple(words),
        chars=tuple(sorted(chars, key=lambda char: char.start_s)),
    )


def _known(word: Word, words: Sequence[Word]) -> Word:
    """The word as it was heard first, if it was."""
    low = bisect_left(words, word.start_s - SAME_WORD_S, key=lambda other: other.start_s)
    for other in words[low:]:
        if other.start_s > word.start_s + SAME_WORD_S:
            break
        if other.text == word.text and not is_stretched(other):
            return other
    return word


def _apart(words: Sequence[Word]) -> list[Word]:
    """Words none of which begins before the end of the one before it."""
    apart: list[Word] = []
    for word in words:
        start_s = max(word.start_s, apart[-1].end_s if apart else 0.0)
        apart.append(replace(word, start_s=start_s, end_s=max(start_s, word.end_s)))
    return apart


def _chars_of(chars: Sequence[Char], words: Sequence[Word]) -> list[Char]:
    """Chars of the words that were heard first and have stayed."""
    stayed = [word for word in words if not word.repaired]
    starts = [word.start_s for word in stayed]
    kept = []
    for char in chars:
        index = bisect_right(starts, char.start_s) - 1
        if index >= 0 and char.end_s <= stayed[index].end_s + 1e-9:
            kept.append(char)
    return kept


def _is_replaced(word: Word, repaired: Sequence[Word]) -> bool:
    """Whether a word was stretched over speech that has words of its own now."""
    if not is_stretched(word):
        return False
    return sum(word.start_s <= other.start_s < word.end_s for other in repaired) > 1
