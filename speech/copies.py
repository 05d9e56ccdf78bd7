"""What is heard on several channels of a recording at once, and on which one it belongs.

What one person says is often heard on the other's channel too (cross-talk: through the air, the
line or the mixer), and the speech model writes it down there as well. Such a copy has three signs:

1. The same sound is on both channels at that time (``Comparison.likeness``). Then the word stays
   where it is louder, or, of two that are equally loud, on the first channel.
2. The sound is not alike (an echo in a room, codecs that differ), but the other channel has the
   same word at about the same time, and is clearly louder.
3. The word itself is another one (a leak is misheard easily), but it stands among copies, and the
   other channel is clearly louder here, too.

So two people who say the same at one time, each on a channel of their own, both stay.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from speech import sentences
from speech.types import Hearing, Word

SAME_TIME_S = 0.25
"""Words of two channels that are no further apart may be one: the model's times differ a little
from channel to channel, and echoes come later."""
SAME_SOUND = 0.9
"""Likeness from which on two channels have the same sound. Leaks through wires have 0.98 and more;
two voices at one time 0.6 and less, but up to 0.96 where one hardly drowns the other's leak."""
EQUALLY_LOUD_DB = 1.0
CLEARLY_LOUDER_DB = 6.0
SAME_TEXT = 0.6
"""Share of the letters that two words have in common, from which on one may be the other misheard.
As of ``difflib.SequenceMatcher.ratio``."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A word that may be another channel's: that one has words at the same time."""

    channel: int
    word: int
    other: int
    """The other channel."""
    start_s: float
    """Of the word, in the channel's file."""
    end_s: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two channels during one word."""

    likeness: float
    """The greatest correlation of their samples at any small delay, 0 to 1."""
    louder_db: float
    """By how much the other channel is louder."""


def doubts(hearings: Sequence[Hearing]) -> list[Doubt]:
    """Every word of every channel that may be another channel's, with each of these."""
    spoken = [hearing.transcript.words for hearing in hearings]
    found = []
    for channel, words in enumerate(spoken):
        for other, theirs in enumerate(spoken):
            if other == channel or not theirs:
                continue
            starts_s = [word.start_s for word in theirs]
            found += [
                Doubt(channel, index, other, word.start_s, word.end_s)
                for index, word in enumerate(words)
                if any(_near(word, theirs, starts_s))
            ]
    return found


def margins(
    hearings: Sequence[Hearing], comparisons: Mapping[Doubt, Comparison]
) -> dict[tuple[int, int], float | None]:
    """For words that are on several channels, by (channel, index): how clear it is whose they are.

    It is the part of their power that is on their own channel, less the part that is on the other:
    0.98 where that has them 20 dB softer, 0.0 where both have them alike. None for a copy. Words
    that are on one channel only are left out.

    Args:
        hearings: Of the channels, in their order.
        comparisons: Of all ``doubts(hearings)``, in their order.
    """
    alike = _alike(hearings, comparisons)
    alike |= _in_company(comparisons, alike)
    found: dict[tuple[int, int], float | None] = {}
    for doubt in alike:
        louder_db = comparisons[doubt].louder_db
        place = (doubt.channel, doubt.word)
        before = found.get(place, 1.0)
        if before is None or _is_copy(doubt, louder_db):
            found[place] = None
        else:
            ratio = 10 ** (louder_db / 10)
            found[place] = max(0.0, min(before, (1 - ratio) / (1 + ratio)))
    return found


def _alike(
    hearings: Sequence[Hearing], comparisons: Mapping[Doubt, Comparison]
) -> dict[Doubt, None]:
    """The doubts in which both channels have the same, by its sound or by its text."""
    spoken = [hearing.transcript.words for hearing in hearings]
    starts_s = [[word.start_s for word in words] for words in spoken]
    alike: dict[Doubt, None] = {}
    for doubt, comparison in comparisons.items():
        word = spoken[doubt.channel][doubt.word]
        others = _near(word, spoken[doubt.other], starts_s[doubt.other])
        if comparison.likeness >= SAME_SOUND or (
            abs(comparison.louder_db) >= CLEARLY_LOUDER_DB
            and any(_same_text(word.text, other.text) for other in others)
        ):
            alike[doubt] = None
    return alike


def _in_company(
    comparisons: Mapping[Doubt, Comparison], alike: Container[Doubt]
) -> dict[Doubt, None]:
    """The doubts of stretches in which the other channel is louder and mostly alike."""
    more: dict[Doubt, None] = {}
    stretch: list[Doubt] = []
    for doubt, comparison in comparisons.items():
        if comparison.louder_db < CLEARLY_LOUDER_DB:
            continue
        if stretch and not _follows(stretch[-1], doubt):
            more |= _mostly(stretch, alike)
            stretch = []
        stretch.append(doubt)
    return more | _mostly(stretch, alike)


def _follows(before: Doubt, doubt: Doubt) -> bool:
    same_channels = (before.channel, before.other) == (doubt.channel, doubt.other)
    return same_channels and 0 <= doubt.start_s - before.end_s < sentences.LONG_PAUSE_S


def _mostly(stretch: Sequence[Doubt], alike: Container[Doubt]) -> dict[Doubt, None]:
    count = sum(doubt in alike for doubt in stretch)
    return dict.fromkeys(stretch if 2 * count > len(stretch) else ())


def _near(word: Word, theirs: Sequence[Word], starts_s: Sequence[float]) -> Iterator[Word]:
    """The words of another channel at about the time of the middle of this one."""
    middle_s = (word.start_s + word.end_s) / 2
    # Words of one channel are in order and do not overlap: at most one begins earlier and lasts.
    first = max(0, bisect_left(starts_s, middle_s - SAME_TIME_S) - 1)
    for index in range(first, bisect_right(starts_s, middle_s + SAME_TIME_S)):
        if theirs[index].end_s >= middle_s - SAME_TIME_S:
            yield theirs[index]


def _is_copy(doubt: Doubt, louder_db: float) -> bool:
    if abs(louder_db) < EQUALLY_LOUD_DB:
        return doubt.other < doubt.channel
    return louder_db > 0


def _same_text(one: str, other: str) -> bool:
    first, second = ("".join(filter(str.isalnum, text)).casefold() for text in (one, other))
    return SequenceMatcher(a=first, b=second, autojunk=False).ratio() >= SAME_TEXT
