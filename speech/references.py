"""What was really said, read from the formats in which people keep it.

``text`` is plain text. ``stm`` and ``ctm`` are NIST's (sclite, infmts.htm), ``rttm`` NIST's of the
Rich Transcription evaluations, ``seglst`` meeteval's and CHiME's list of segments in JSON. One
reference is one recording.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from speech.errors import RequestError
from speech.request import Reference, ReferenceFormat
from speech.spoken import Spoken, Utterance, turns_of
from speech.types import SpeakerTurn

# fmt: off
RTTM_TYPES: Final = frozenset({
    "SEGMENT", "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX", "NON-SPEECH", "FILLER", "EDIT",
    "IP", "SU", "CB", "A/P", "SPEAKER", "SPKR-INFO",
})
# fmt: on
NOT_SCORED: Final = "ignore_time_segment_in_scoring"
"""What an STM file has in place of words that are to be left out."""


def parse(reference: Reference, name: str | None = None) -> Spoken:
    """Read a reference.

    Args:
        reference: Its format and content.
        name: What messages call it; None takes ``reference.<format>``.

    Raises:
        RequestError: It is not what its format says. The message names the line.
    """
    name = name or f"reference.{reference.format}"
    content = reference.content.removeprefix("\ufeff")
    if reference.format == "text":
        return Spoken((Utterance(content),), None)
    if reference.format == "rttm":
        turns = tuple(_rttm(content, name))
        return Spoken(None, turns)
    if reference.format == "seglst":
        return _spoken(_seglst(content, name))
    read = _stm if reference.format == "stm" else _ctm
    return _spoken(list(read(content, name)))


SUFFIXES: Final[Mapping[str, ReferenceFormat]] = {
    ".stm": "stm",
    ".ctm": "ctm",
    ".rttm": "rttm",
    ".json": "seglst",
    ".seglst": "seglst",
}


def format_of(suffix: str) -> ReferenceFormat:
    """The format that a file's suffix stands for; text where it stands for none."""
    return SUFFIXES.get(suffix.lower(), "text")


def _spoken(utterances: list[Utterance]) -> Spoken:
    """Sorted by time. What only some have, speakers or times, none is known to have."""
    if any(one.speaker is None for one in utterances):
        utterances = [replace(one, speaker=None) for one in utterances]
    if any(one.start_s is None for one in utterances):
        utterances = [replace(one, start_s=None, end_s=None) for one in utterances]
    utterances.sort(key=lambda one: one.start_s or 0.0)
    known = all(one.speaker is not None and one.start_s is not None for one in utterances)
    return Spoken(tuple(utterances), turns_of(utterances) if known else None)


def _stm(content: str, name: str) -> Iterator[Utterance]:
    """``recording channel speaker start end [<label>] words ...``."""
    recordings: set[str] = set()
    for where, line in _lines(content, name):
        fields = line.split(maxsplit=5)
        if len(fields) < 5:
            raise _wrong(where, "recording, channel, speaker, start, end and words", len(fields))
        recording, _channel, speaker, start, end, *rest = fields
        _one_recording(recordings, recording, name)
        start_s, end_s = _span(start, end, where)
        text = rest[0] if rest else ""
        if text.startswith("<"):  # the label: <o,f0,male>
            text = text.partition(">")[2].strip()
        if text.lower() != NOT_SCORED:
            yield Utterance(text, speaker, start_s, end_s)


def _ctm(content: str, name: str) -> Iterator[Utterance]:
    """``recording channel start duration word [confidence]``.

    Two channels or more are the speakers, as on a telephone line; of one, none are known.
    """
    recordings: set[str] = set()
    words: list[tuple[str, Utterance]] = []
    for where, line in _lines(content, name):
        fields = line.split()
        if not 5 <= len(fields) <= 8:
            raise _wrong(where, "recording, channel, start, duration and word", len(fields))
        recording, channel, start, duration, word = fields[:5]
        _one_recording(recordings, recording, name)
        start_s, end_s = _stretch(start, duration, where)
        words.append((channel, Utterance(word, None, start_s, end_s)))
    several = len({channel for channel, _ in words}) > 1
    for channel, word_ in words:
        yield replace(word_, speaker=channel if several else None)


def _rttm(content: str, name: str) -> Iterator[SpeakerTurn]:
    """``SPEAKER recording channel start duration <NA> <NA> speaker <NA> [<NA>]``.

    Lines of other types are left out.
    """
    recordings: set[str] = set()
    for where, line in _lines(content, name):
        fields = line.split()
        if fields[0] not in RTTM_TYPES:
            raise RequestError(f"{where} must begin with a type of RTTM, such as SPEAKER.")
        if fields[0] != "SPEAKER":
            continue
        if len(fields) < 8:
            raise _wrong(where, "SPEAKER with 9 fields after it", len(fields))
        _one_recording(recordings, fields[1], name)
        start_s, end_s = _stretch(fields[3], fields[4], where)
        yield SpeakerTurn(fields[7], start_s, end_s)


def _seglst(content: str, name: str) -> list[Utterance]:
    """A list of ``{"words": ..., "speaker": ..., "start_time": ..., "end_time": ...}``.

    Only the words are needed. ``session_id`` is the recording.
    """
    try:
        segments = json.loads(content)
    except (ValueError, RecursionError):
        raise RequestError(f"{name} must be a list of segments in JSON; no JSON came.") from None
    if not isinstance(segments, list):
        raise RequestError(f"{name} must be a list of segments in JSON; something else came.")
    recordings: set[str] = set()
    utterances = []
    for number, segment in enumerate(segments):
        where = f"{name}[{number}]"
        if not isinstance(segment, Mapping) or not isinstance(segment.get("words"), str):
            raise RequestError(f"{where} must be an object whose words are a string.")
        _one_recording(recordings, str(segment.get("session_id")), name)
        start, end = segment.get("start_time"), segment.get("end_time")
        if (start is None) != (end is None):
            raise RequestError(f"{where} needs both start_time and end_time, or neither.")
        times = (None, None) if start is None else _span(start, end, where)
        speaker = segment.get("speaker")
        who = None if speaker is None else str(speaker)
        utterances.append(Utterance(segment["words"], who, *times))
    return utterances


def _lines(content: str, name: str) -> Iterator[tuple[str, str]]:
    """What messages call each line, and the line; without comments and empty lines."""
    for number, line in enumerate(content.split("\n"), 1):
        text = line.strip()
        if text and not text.startswith(";;"):
            yield f"{name}, line {number},", text


def _one_recording(seen: set[str], recording: str, name: str) -> None:
    seen.add(recording)
    if len(seen) > 1:
        raise RequestError(
            f"{name} must be of one recording, and is of more; keep only the lines of this one."
        )


def _span(start: object, end: object, where: str) -> tuple[float, float]:
    start_s, end_s = _seconds(start, "start", where), _seconds(end, "end", where)
    if end_s < start_s:
        raise RequestError(f"{where} ends before it starts: {start_s:g} s and {end_s:g} s came.")
    return start_s, end_s


def _stretch(start: str, duration: str, where: str) -> tuple[float, float]:
    start_s = _seconds(start, "start", where)
    return start_s, start_s + _seconds(duration, "duration", where)


def _seconds(value: object, what: str, where: str) -> float:
    seconds = math.nan
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except (ValueError, OverflowError):
            seconds = math.nan
    if not math.isfinite(seconds) or seconds < 0:
        raise RequestError(
            f"{where} must have its {what} in seconds, 0 or more; something else came."
        )
    return seconds


def _wrong(where: str, wanted: str, count: int) -> RequestError:
    return RequestError(f"{where} must hold {wanted}; {count} fields came.")
