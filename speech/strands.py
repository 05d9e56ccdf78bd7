"""Sentences where people speak at once.

In the order of their starts the words of two who interrupt each other are mixed: "at Yes, noon.
Wednesday is perfect." Here they are taken apart into sentences again: each word goes on from the
word that it fits best, by time and by how it is written. Where nobody is interrupted these are the
sentences of ``speech.sentences``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from speech import sentences
from speech.sentences import TimedText

SAME_TIME_S = 0.02
"""Words that share more than this are two people's: nobody says two words at once. Less may come
from rounding."""
LOOK_BACK = 8
"""How many words before a word may be the one that it goes on from, or be said at its time."""
CAPITAL_S = 0.3
"""A word with a capital goes on from a word as if it came so much later: it may begin a sentence,
and a small letter cannot."""
FULL_STOP_S = 0.5
"""The same of a word after a full stop that ends no sentence."""

Rivals = Mapping[int, Sequence[int]]
"""For each word that shares time with others: which."""


def find_rivals(words: Sequence[TimedText]) -> Rivals:
    """Who speaks at once: words that are certainly not one speaker's, by index."""
    rivals: dict[int, list[int]] = {}
    latest_s = -math.inf
    for index, word in enumerate(words):
        start_s, end_s = word.start_s, word.end_s
        if latest_s - start_s > SAME_TIME_S:
            for other in range(max(0, index - LOOK_BACK), index):
                from_s = max(start_s, words[other].start_s)
                if min(end_s, words[other].end_s) - from_s > SAME_TIME_S:
                    rivals.setdefault(other, []).append(index)
                    rivals.setdefault(index, []).append(other)
        latest_s = max(latest_s, end_s)
    return rivals


def sentences_by_voice(words: Sequence[TimedText], rivals: Rivals) -> list[Sequence[int]]:
    """The sentences as ascending indices, by their first word. They hold every word once."""
    if not rivals:
        return [range(*bounds) for bounds in sentences.sentence_bounds(words)]
    following: dict[int, int] = {}
    preceding: dict[int, int] = {}
    for _, _, earlier, later in sorted(_links(words, rivals)):
        if earlier not in following and later not in preceding:
            following[earlier], preceding[later] = later, earlier
    found: list[Sequence[int]] = []
    for first in range(len(words)):
        if first not in preceding:
            sentence = [first]
            while sentence[-1] in following:
                sentence.append(following[sentence[-1]])
            found.append(sentence)
    return found


def _links(words: Sequence[TimedText], rivals: Rivals) -> list[tuple[float, int, int, int]]:
    """(misfit, distance, index, index) of every two words that may follow each other.

    No word goes on from one before a word that shares its time with nobody.
    """
    links: list[tuple[float, int, int, int]] = []
    for later in range(1, len(words)):
        for earlier in range(later - 1, max(-1, later - LOOK_BACK - 1), -1):
            one, other = words[earlier], words[later]
            at_once = later in rivals.get(earlier, ())
            if not at_once and not sentences.ends_sentence(one, other):
                links.append((_misfit_s(one, other), later - earlier, earlier, later))
            if earlier not in rivals:
                break
    return links


def _misfit_s(one: TimedText, other: TimedText) -> float:
    """How badly the other follows the one: the pause, and more for how they are written."""
    misfit_s = abs(other.start_s - one.end_s)
    if not sentences.begins_small(other):
        return misfit_s + CAPITAL_S
    return misfit_s + (FULL_STOP_S if sentences.has_sentence_mark(one) else 0.0)
