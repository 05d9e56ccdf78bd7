"""How much of the speech has words: the diarizer says where speech is, the words what was heard.

Parakeet is known to skip stretches of clear speech without a word. Such a hole is found here. Three
lengths decide what counts:
- within a breath between two words nothing is missing: people pause, and turns go on over pauses;
- a turn begins a little before its first word and ends a little after its last: that is covered;
- a hole is two seconds of speech or more: five or six words. What is shorter may be a laugh, a
  cough or a drawn-out "hm", which a diarizer takes for speech, and which has no words.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby

from speech.activity import TIE_S
from speech.sentences import LONG_PAUSE_S
from speech.types import Coverage, SpeakerTurn, Word

BREATH_S = LONG_PAUSE_S
"""Words that are at most this far apart cover what lies between; speech that is interrupted for at
most this long is one stretch. As a longer pause ends a sentence, so it ends a stretch."""
EDGE_S = 0.25
"""How far beyond a word its speech may go on: the collar that diarization's scoring grants edges of
turns since the NIST evaluations, for people do not set them any better."""
LEAST_HOLE_S = 2.0
WORD_S, LETTER_S, DIGIT_S = 1.0, 0.1, 0.6
"""A drawn-out word; each of its letters; each of its digits, which is a word when it is spoken."""

Span = tuple[float, float]
"""Start and end in seconds."""


def coverage(words: Sequence[Word], turns: Sequence[SpeakerTurn]) -> Coverage:
    """How much of the turns' speech has words.

    Two speakers at once are counted once. Every second of speech is covered, or part of a gap, or
    part of a stretch without words that is too short for one. Neither order of words nor that of
    turns matters.
    """
    gaps = holes(words, turns)
    speech = _union((turn.start_s, turn.end_s) for turn in turns)
    widened = _union((a - EDGE_S, b + EDGE_S) for a, b in _spoken(words))
    bare = _without(speech, _without(widened, gaps))
    speech_s = _length_s(speech)
    return Coverage(speech_s, max(0.0, speech_s - _length_s(bare)), tuple(gaps))


def holes(
    words: Sequence[Word], turns: Sequence[SpeakerTurn], least_s: float = LEAST_HOLE_S
) -> list[Span]:
    """The stretches that are worth hearing again: speech of at least ``least_s`` without a word.

    They are in order, hold no part of a word unless it ``is_stretched``, and begin and end with
    speech; pauses of at most ``BREATH_S`` may lie within, which do not count for the length.
    """
    spoken = _spoken(words)
    starts = [start_s for start_s, _ in spoken]
    speech = _union((turn.start_s, turn.end_s) for turn in turns)
    pieces = _without(speech, spoken)
    by_pause = groupby(pieces, key=lambda piece: bisect_right(starts, piece[0]))
    return [
        (stretch[0][0], stretch[-1][1])
        for _, between in by_pause
        for stretch in _stretches(between)
        if _length_s(stretch) >= least_s - TIE_S
    ]


def is_stretched(word: Word) -> bool:
    """Whether a word lasts longer than anybody takes to say it: the model has skipped speech in it.

    The pieces of one word then lie before and behind the hole.
    """
    digits = sum(char.isdigit() for char in word.text)
    return word.end_s - word.start_s > WORD_S + LETTER_S * len(word.text) + DIGIT_S * digits


def _spoken(words: Sequence[Word]) -> list[Span]:
    """Where words are, and the breaths between them. Stretched words prove nothing."""
    sound = ((word.start_s, word.end_s) for word in words if not is_stretched(word))
    return _union(sound, BREATH_S, instants=True)


def _stretches(pieces: Iterable[Span]) -> list[list[Span]]:
    """Speech with no word between, cut where it pauses for more than a breath."""
    stretches: list[list[Span]] = []
    for piece in pieces:
        if stretches and piece[0] - stretches[-1][-1][1] <= BREATH_S:
            stretches[-1].append(piece)
        else:
            stretches.append([piece])
    return stretches


def _union(spans: Iterable[Span], apart_s: float = 0.0, *, instants: bool = False) -> list[Span]:
    """The spans in order; those at most ``apart_s`` from each other are one.

    Those of no length are left out, unless ``instants`` keeps them: a word of no length is a word.
    """
    joined: list[Span] = []
    for start_s, end_s in sorted(span for span in spans if instants or span[0] < span[1]):
        if joined and start_s - joined[-1][1] <= apart_s:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        else:
            joined.append((start_s, end_s))
    return joined


def _without(whole: Sequence[Span], taken: Sequence[Span]) -> list[Span]:
    """What is left of ``whole``; both are unions. One walk over either."""
    left: list[Span] = []
    first = 0
    for start_s, end_s in whole:
        while first < len(taken) and taken[first][1] <= start_s:
            first += 1
        at_s, index = start_s, first
        while index < len(taken) and taken[index][0] < end_s:
            if at_s < taken[index][0]:
                left.append((at_s, taken[index][0]))
            at_s = max(at_s, taken[index][1])
            index += 1
        if at_s < end_s:
            left.append((at_s, end_s))
    return left


def _length_s(spans: Iterable[Span]) -> float:
    return sum(end_s - start_s for start_s, end_s in spans)
