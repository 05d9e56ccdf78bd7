"""What every shape is built from: segments with their words, turns, and what speakers are called.

Two things come off at the request's wish, and both leave empty lists: without ``timestamps`` no
shape has segments, and without its level "word" none has words. A result that was thinned has none
to begin with.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from speech.types import LabelledWord, Result, Segment

STRANGER = re.compile(r"(?:SPEAKER|CHANNEL)_\d+")
"""What this worker calls those whom it does not know."""
CHANNEL = re.compile(r"CHANNEL_(\d+)")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
NOBODY = "unknown"
"""The speaker of what nobody is known to have said, where the peer's type wants one."""


@dataclass(frozen=True, slots=True)
class Part:
    """A segment and its words."""

    segment: Segment
    words: tuple[LabelledWord, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """Consecutive segments of one speaker."""

    parts: tuple[Part, ...]

    @property
    def speaker(self) -> str | None:
        """Who speaks."""
        return self.parts[0].segment.speaker

    @property
    def start_s(self) -> float:
        """Where the first segment begins."""
        return self.parts[0].segment.start_s

    @property
    def end_s(self) -> float:
        """Where the last of them ends."""
        return max(part.segment.end_s for part in self.parts)

    @property
    def text(self) -> str:
        """All that is said."""
        return " ".join(part.segment.text for part in self.parts)

    @property
    def words(self) -> tuple[LabelledWord, ...]:
        """All of its words."""
        return tuple(word for part in self.parts for word in part.words)


def words(result: Result) -> tuple[LabelledWord, ...]:
    """The words that a shape shows."""
    return result.words if "word" in result.timestamps else ()


def parts(result: Result) -> tuple[Part, ...]:
    """The segments that a shape shows, with all of their words, also those not shown."""
    if not result.timestamps:
        return ()
    own: dict[str | None, tuple[list[Segment], list[LabelledWord]]] = {}
    for segment in result.segments:
        own.setdefault(segment.speaker, ([], []))[0].append(segment)
    for word in result.words:
        if word.speaker in own:
            own[word.speaker][1].append(word)
    shares = {speaker: _share(*theirs) for speaker, theirs in own.items()}
    return tuple(Part(segment, tuple(next(shares[segment.speaker]))) for segment in result.segments)


def _share(
    segments: Sequence[Segment], own: Sequence[LabelledWord]
) -> Iterator[Sequence[LabelledWord]]:
    """One speaker's words, for one segment of theirs after the other; none is left out.

    By number, which is exact for segments that were made of these words. Where the numbers differ,
    as in an earlier result that somebody has edited, by time.
    """
    lengths = [len(segment.text.split()) for segment in segments]
    spoken = [len(word.text.split()) or 1 for word in own]
    begin = 0
    if sum(lengths) == sum(spoken):
        for length in lengths:
            end, held = begin, 0
            while held < length and end < len(own):
                held += spoken[end]
                end += 1
            yield own[begin:end]
            begin = end
        return
    for following in (*segments[1:], None):
        end = begin
        while end < len(own) and (following is None or own[end].start_s < following.start_s):
            end += 1
        yield own[begin:end]
        begin = end


def turns(parts_: Iterable[Part], longest_gap_s: float = math.inf) -> Iterator[Turn]:
    """Consecutive segments of one speaker, together; a pause of the given length parts them."""
    held: list[Part] = []
    for part in parts_:
        last = held[-1].segment if held else None
        if last is not None and (
            part.segment.speaker != last.speaker
            or part.segment.start_s - last.end_s >= longest_gap_s
        ):
            yield Turn(tuple(held))
            held = []
        held.append(part)
    if held:
        yield Turn(tuple(held))


def speakers(result: Result) -> tuple[str, ...]:
    """All who are named anywhere, by first appearance."""
    if not result.diarized:
        return ()
    named = (
        *(word.speaker for word in result.words),
        *(segment.speaker for segment in result.segments),
        *(turn.speaker for turn in result.turns),
        *(speaker.id for speaker in result.speakers),
    )
    return tuple(dict.fromkeys(who for who in named if who is not None))


def letters(result: Result) -> dict[str, str]:
    """Speaker id -> its name where strangers are called A to Z, AA, AB and so on.

    Known speakers keep their names, and no stranger gets one of them.
    """
    present = speakers(result)
    taken = {who for who in present if not STRANGER.fullmatch(who)}
    free = (letter for letter in map(_letter, count()) if letter not in taken)
    return {who: who if who in taken else next(free) for who in present}


def _letter(number: int) -> str:
    """A to Z, AA to AZ, BA and so on, as spreadsheets name columns."""
    head, last = divmod(number, 26)
    return (_letter(head - 1) if head else "") + chr(ord("A") + last)


def channels(result: Result) -> dict[str, int]:
    """Speaker id -> channel, from 0, where channels were heard separately; else empty.

    Channels whose speakers have been given other names are no longer told from people.
    """
    found = [CHANNEL.fullmatch(who) for who in speakers(result)]
    if not all(found):
        return {}
    return {match[0]: int(match[1]) for match in found if match}


def confidence(spoken: Sequence[LabelledWord]) -> float | None:
    """The mean of the words' confidences, 0 to 1; None where there are no words."""
    if not spoken:
        return None
    return share(math.fsum(word.confidence for word in spoken) / len(spoken))


def share(value: float) -> float:
    """A confidence, rounded as in the default answer."""
    return round(value, 4)


def seconds(time_s: float) -> float:
    """A time, rounded as in the default answer."""
    return round(time_s, 3)


def milliseconds(time_s: float) -> int:
    """The same in whole milliseconds."""
    return round(1000 * time_s)


def with_warnings(shape: dict[str, object], result: Result) -> dict[str, object]:
    """The answer with the worker's warnings beside the peer's own keys, where there are any."""
    if result.warnings:
        shape["warnings"] = list(result.warnings)
    return shape


def as_uuid(request_id: str) -> uuid.UUID:
    """RunPod's ids hold one; any other id gives one that is always the same."""
    held = _UUID.search(request_id)
    return uuid.UUID(held[0]) if held else uuid.uuid5(uuid.NAMESPACE_OID, request_id)
