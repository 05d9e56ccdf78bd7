"""Cuts the labelled words into segments: consecutive words of one speaker, usually a sentence.

A segment ends where the speaker changes, where a sentence ends (``speech.sentences`` has the rule;
a pause of a second is one), and before it grows beyond ``MAX_SEGMENT_S`` or ``MAX_SEGMENT_WORDS``.
"""

from __future__ import annotations

from collections.abc import Sequence

from speech import sentences
from speech.types import LabelledWord, Segment

MAX_SEGMENT_S = 30.0
MAX_SEGMENT_WORDS = 60
CLAUSE_MARKS = (",", ";", ":", "\u2013", "\u2014")


def segment_words(words: Sequence[LabelledWord]) -> tuple[Segment, ...]:
    """The words as segments, in order. Every word is in exactly one; texts are joined by spaces.

    Only a segment of a single word can be longer than ``MAX_SEGMENT_S``.
    """
    segments: list[Segment] = []
    begin = 0
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else None
        changes = following is not None and following.speaker != word.speaker
        if changes or sentences.ends_sentence(word, following):
            segments += [_segment(part) for part in _short_enough(words[begin : index + 1])]
            begin = index + 1
    return tuple(segments)


def _segment(words: Sequence[LabelledWord]) -> Segment:
    return Segment(
        text=" ".join(word.text for word in words),
        start_s=words[0].start_s,
        end_s=max(word.end_s for word in words),
        speaker=words[0].speaker,
    )


def _short_enough(words: Sequence[LabelledWord]) -> list[Sequence[LabelledWord]]:
    """The words in parts of bounded length."""
    parts: list[Sequence[LabelledWord]] = []
    fitting = _fitting(words)
    while fitting < len(words):
        cut = _best_cut(words, fitting)
        parts.append(words[:cut])
        words = words[cut:]
        fitting = _fitting(words)
    return [*parts, words]


def _fitting(words: Sequence[LabelledWord]) -> int:
    """How many words, from the first, one segment may hold: at least one."""
    latest_s = words[0].start_s + MAX_SEGMENT_S
    for index, word in enumerate(words[:MAX_SEGMENT_WORDS]):
        if word.end_s > latest_s:
            return max(index, 1)
    return min(len(words), MAX_SEGMENT_WORDS)


def _best_cut(words: Sequence[LabelledWord], fitting: int) -> int:
    """How many words to keep: up to the last clause in the further half, else the longest pause.

    The further half only, so that no segment is needlessly short.
    """

    def merit(cut: int) -> tuple[bool, float, int]:
        is_clause = words[cut - 1].text.rstrip(sentences.CLOSING).endswith(CLAUSE_MARKS)
        return is_clause, 0.0 if is_clause else sentences.gap_s(words[cut - 1], words[cut]), cut

    return max(range((fitting + 1) // 2, fitting + 1), key=merit)
