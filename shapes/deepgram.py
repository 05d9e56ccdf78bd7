"""Deepgram's ``/v1/listen`` for a recording, as with punctuate, paragraphs, utterances and diarize.

Keys as in Deepgram's published OpenAPI; times are seconds, speakers whole numbers by first
appearance. Channels that were heard separately are channels here, whose number is also their
speaker's; otherwise there is one channel. What the specification requires and is not known here:

- ``created`` is the beginning of 1970 and ``sha256`` empty: an answer is made of the result alone;
- ``request_id`` is the UUID in the job's id, or one made of that id;
- a result whose words were left out has no ``confidence``, and one whose language could not be
  told no ``detected_language``.

Utterances are parted where a speaker pauses for 0.8 s, Deepgram's own default, between segments.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shapes import parts
from speech.types import LabelledWord, Result

UTTERANCE_PAUSE_S = 0.8
"""Deepgram's ``utt_split``."""
UNKNOWN_TIME = "1970-01-01T00:00:00.000Z"
_MARKS = ".,;:!?…\"'()[]{}«»‹›„“”‚‘’¿¡–—-"
"""What stands around a word and is not said."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What each piece of an answer needs to know of the whole."""

    numbers: Mapping[str, int]
    """Speaker id -> number."""
    channels: Mapping[str, int]
    """Speaker id -> channel; empty where there is one channel."""
    words_shown: bool


def answer(result: Result, request_id: str) -> dict[str, object]:
    """The whole answer. The worker's ``warnings`` stand beside Deepgram's keys, if there are any.

    Args:
        result: What was heard.
        request_id: The job's id.
    """
    channels = parts.channels(result)
    numbers = channels or {who: number for number, who in enumerate(parts.speakers(result))}
    told = _Told(numbers, channels, bool(parts.words(result)))
    pieces = parts.parts(result)
    number = parts.as_uuid(request_id)
    spoken = [_channel(result, pieces, told, channel) for channel in range(_count(channels))]
    shape: dict[str, object] = {
        "metadata": _metadata(result, str(number), len(spoken)),
        "results": {
            "channels": spoken,
            "utterances": [
                _utterance(turn, told, str(uuid.uuid5(number, str(index))))
                for index, turn in enumerate(parts.turns(pieces, UTTERANCE_PAUSE_S))
            ],
        },
    }
    return parts.with_warnings(shape, result)


def _count(channels: Mapping[str, int]) -> int:
    return max(channels.values(), default=0) + 1


def _metadata(result: Result, request_id: str, channels: int) -> dict[str, object]:
    model = result.models.get("asr", "")
    name, _, version = model.partition("@")
    return {
        "transaction_key": "deprecated",
        "request_id": request_id,
        "sha256": "",
        "created": UNKNOWN_TIME,
        "duration": parts.seconds(result.duration_s),
        "channels": channels,
        "models": [model],
        "model_info": {model: {"name": name, "version": version, "arch": "parakeet"}},
    }


def _channel(
    result: Result, pieces: Iterable[parts.Part], told: _Told, channel: int
) -> dict[str, object]:
    def on_it(speaker: str | None) -> bool:
        return not told.channels or told.channels.get(speaker or "") == channel

    own = [part for part in pieces if on_it(part.segment.speaker)]
    words = [word for word in result.words if on_it(word.speaker)]
    turns = tuple(parts.turns(own))
    alternative: dict[str, object] = {
        "transcript": _transcript(result, told, channel),
        "words": [_word(word, told) for word in words] if told.words_shown else [],
        "paragraphs": {
            "transcript": "\n".join(_headed(turn, told) for turn in turns),
            "paragraphs": [_paragraph(turn, told) for turn in turns],
        },
    }
    confidence = parts.confidence(words)
    if confidence is not None:
        alternative["confidence"] = confidence
    shape: dict[str, object] = {"alternatives": [alternative]}
    if result.language is not None:
        shape["detected_language"] = result.language.code
    return shape


def _transcript(result: Result, told: _Told, channel: int) -> str:
    """The text, or what of it was said on this channel; on the first one if nobody knows."""
    spoken = result.segments or result.words
    if not told.channels or not spoken:
        return "" if channel else result.text
    return " ".join(
        piece.text for piece in spoken if told.channels.get(piece.speaker or "") == channel
    )


def _headed(turn: parts.Turn, told: _Told) -> str:
    """A turn as Deepgram prints it: beneath its speaker where there are several on a channel."""
    number = None if told.channels else told.numbers.get(turn.speaker or "")
    return f"\n{turn.text}" if number is None else f"\nSpeaker {number}: {turn.text}"


def _paragraph(turn: parts.Turn, told: _Told) -> dict[str, object]:
    shape: dict[str, object] = {
        "sentences": [
            {
                "text": part.segment.text,
                "start": parts.seconds(part.segment.start_s),
                "end": parts.seconds(part.segment.end_s),
            }
            for part in turn.parts
        ],
        "num_words": sum(len(part.segment.text.split()) for part in turn.parts),
        "start": parts.seconds(turn.start_s),
        "end": parts.seconds(turn.end_s),
    }
    return _with_speaker(shape, turn.speaker, told)


def _utterance(turn: parts.Turn, told: _Told, id_: str) -> dict[str, object]:
    shape: dict[str, object] = {
        "start": parts.seconds(turn.start_s),
        "end": parts.seconds(turn.end_s),
        "channel": told.channels.get(turn.speaker or "", 0),
        "transcript": turn.text,
        "words": [_word(word, told) for word in turn.words] if told.words_shown else [],
        "id": id_,
    }
    confidence = parts.confidence(turn.words)
    if confidence is not None:
        shape["confidence"] = confidence
    return _with_speaker(shape, turn.speaker, told)


def _word(word: LabelledWord, told: _Told) -> dict[str, object]:
    shape: dict[str, object] = {
        "word": word.text.strip(_MARKS).lower() or word.text,
        "start": parts.seconds(word.start_s),
        "end": parts.seconds(word.end_s),
        "confidence": parts.share(word.confidence),
        "punctuated_word": word.text,
    }
    if word.speaker is not None and word.speaker_confidence is not None:
        shape["speaker_confidence"] = parts.share(word.speaker_confidence)
    return _with_speaker(shape, word.speaker, told)


def _with_speaker(shape: dict[str, object], speaker: str | None, told: _Told) -> dict[str, object]:
    number = told.numbers.get(speaker or "")
    if number is not None:
        shape["speaker"] = number
    return shape
