"""A recording in several passes: where it is cut, and how what was heard is put together again.

Cuts are made in pauses, where no word can be lost or heard twice. Where nobody pauses, the parts
overlap, and the words that both have heard tell where to go from one to the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from engine.recorded import SAMPLE_RATE_HZ, Waveform
from engine.silences import find_cut
from speech import timeline
from speech.types import AttentionUsed, Char, Plan, Transcript, Word

OVERLAP_S: Final = 6.0
"""Of parts that are not cut in a pause: some 15 words, of which the 5 in the middle are far enough
from both edges to be heard as well as any."""
SLACK: Final = 0.25
"""A cut may lie so much of a part's length before where it is wanted, to lie in a pause."""
SAME_WORD_S: Final = 0.4
"""What both parts have heard starts within this of each other."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch that is heard in one pass."""

    begin: int
    """In samples; before the end of the part before where they overlap."""
    end: int

    @property
    def begin_s(self) -> float:
        """Where it begins."""
        return self.begin / SAMPLE_RATE_HZ

    @property
    def end_s(self) -> float:
        """Where it ends."""
        return self.end / SAMPLE_RATE_HZ

    @property
    def duration_s(self) -> float:
        """How long it is."""
        return (self.end - self.begin) / SAMPLE_RATE_HZ


def cut(samples: Waveform, longest_s: float) -> list[Part]:
    """Divide a recording into parts of about equal length.

    Args:
        samples: The recording. Only what lies around the cuts is read.
        longest_s: Of a part.
    """
    longest = int(longest_s * SAMPLE_RATE_HZ)
    overlap = min(int(OVERLAP_S * SAMPLE_RATE_HZ), longest // 4)
    parts: list[Part] = []
    begin = 0
    while (left := samples.size - begin) > longest:
        wanted = left // -(-left // longest)  # as many parts as are needed, of one length
        first = begin + int((1 - SLACK) * wanted)
        last = min(begin + longest, begin + int((1 + SLACK) * wanted), samples.size)
        place = find_cut(samples[first:last], begin + wanted - first)
        if place.is_pause:
            parts.append(Part(begin, first + place.at))
            begin = first + place.at
        else:
            end = min(begin + longest, begin + wanted + overlap // 2)
            parts.append(Part(begin, end))
            begin = end - overlap
    parts.append(Part(begin, samples.size))
    return parts


def stitch(
    parts: Sequence[Part], heard: Sequence[Transcript], attention: AttentionUsed, plan: Plan
) -> Transcript:
    """One transcript of all parts; each word once.

    Args:
        parts: In order.
        heard: What was said in each, by its own clock.
        attention: What to call it.
        plan: What to say of it.
    """
    words: list[Word] = []
    chars: list[Char] = []
    end_s = 0.0
    for part, transcript in zip(parts, heard, strict=True):
        new_words = list(timeline.later(transcript.words, part.begin_s))
        new_chars = list(timeline.later(transcript.chars, part.begin_s))
        if part.begin_s < end_s:
            kept, dropped = seam(words, new_words, (part.begin_s + end_s) / 2)
            until_s = words[kept - 1].end_s if kept else 0.0
            since_s = new_words[dropped].start_s if dropped < len(new_words) else float("inf")
            words, new_words = words[:kept], new_words[dropped:]
            chars = [char for char in chars if char.end_s <= until_s]
            new_chars = [char for char in new_chars if char.start_s >= since_s]
        words += _after(words[-1].end_s if words else 0.0, new_words)
        chars += new_chars
        end_s = part.end_s
    text = " ".join(word.text for word in words)
    return Transcript(text, tuple(words), tuple(chars), attention, plan)


def seam(before: Sequence[Word], after: Sequence[Word], middle_s: float) -> tuple[int, int]:
    """Where to go from one part's words to those of the next, which overlaps it.

    Args:
        before: Words up to the end of the overlap.
        after: Words from its beginning on.
        middle_s: Of the overlap.

    Returns:
        How many words of ``before`` to keep, and how many of ``after`` to drop: at the word nearest
        to the middle that both have heard; if they share none, at the middle.
    """
    shared = [
        (abs((word.start_s + twin.start_s) / 2 - middle_s), index + 1, other + 1)
        for index, word in _since(before, after[0].start_s - SAME_WORD_S if after else middle_s)
        for other, twin in _until(after, before[-1].end_s + SAME_WORD_S)
        if _spelling(word) == _spelling(twin) and abs(word.start_s - twin.start_s) <= SAME_WORD_S
    ]
    if shared:
        _, kept, dropped = min(shared)
        return kept, dropped
    kept = sum(_middle_s(word) < middle_s for word in before)
    return kept, sum(_middle_s(word) < middle_s for word in after)


def _since(words: Sequence[Word], start_s: float) -> Iterator[tuple[int, Word]]:
    """Words that end after a time, with their numbers, from the last one back."""
    for index in range(len(words) - 1, -1, -1):
        if words[index].end_s < start_s:
            return
        yield index, words[index]


def _until(words: Sequence[Word], end_s: float) -> Iterator[tuple[int, Word]]:
    """Words that start before a time, with their numbers."""
    for index, word in enumerate(words):
        if word.start_s > end_s:
            return
        yield index, word


def _spelling(word: Word) -> str:
    return "".join(char for char in word.text.casefold() if char.isalnum()) or word.text


def _middle_s(word: Word) -> float:
    return (word.start_s + word.end_s) / 2


def _after(end_s: float, words: Sequence[Word]) -> Iterator[Word]:
    """The words, none of which begins before a time: parts time a word by some frames otherwise."""
    for word in words:
        if word.start_s >= end_s:
            yield word
        else:
            yield replace(word, start_s=end_s, end_s=max(end_s, word.end_s))
