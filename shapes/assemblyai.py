"""AssemblyAI's ``/v2/transcript``, completed.

Keys as in AssemblyAI's published OpenAPI; times are milliseconds (``audio_duration`` is whole
seconds). Strangers are A to Z, AA and so on; known speakers keep their names, as after AssemblyAI's
speaker identification. Channels that were heard separately are "1", "2" and so on, as channel and
as speaker. What the specification requires and is not known here:

- ``audio_url`` is empty: an answer must not hold a signed URL;
- ``webhook_auth``, ``auto_highlights``, ``redact_pii`` and ``summarization`` are false, and
  ``speech_model`` and ``language_confidence_threshold`` null: there is nothing of the kind;
- ``acoustic_model`` is the speech model, ``language_model`` empty: there is no other;
- ``language_code`` is left out where the language could not be told;
- ``confidence`` is null where the result has no words, and an utterance's is 0.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shapes import parts
from speech.types import LabelledWord, Result


@dataclass(frozen=True, slots=True)
class _Told:
    """What each piece of an answer needs to know of the whole."""

    names: Mapping[str, str]
    """Speaker id -> its name."""
    channels: Mapping[str, str]
    """Speaker id -> channel; empty where there is one channel."""
    words_shown: bool


def answer(result: Result, request_id: str) -> dict[str, object]:
    """The whole answer. The worker's ``warnings`` stand beside AssemblyAI's keys, if there are any.

    ``utterances`` is null where nobody was asked to tell speakers apart.

    Args:
        result: What was heard.
        request_id: The job's id; its UUID is the transcript's.
    """
    channels = {who: str(number + 1) for who, number in parts.channels(result).items()}
    told = _Told(channels or parts.letters(result), channels, bool(parts.words(result)))
    language = result.language
    shape: dict[str, object] = {
        "id": str(parts.as_uuid(request_id)),
        "status": "completed",
        "audio_url": "",
        "audio_duration": round(result.duration_s),
        "text": result.text,
        "words": [_word(word, told) for word in parts.words(result)],
        "utterances": (
            [_utterance(turn, told) for turn in parts.turns(parts.parts(result))]
            if result.diarized
            else None
        ),
        "confidence": parts.confidence(result.words),
        "language_confidence": parts.share(language.confidence) if language else None,
        "language_confidence_threshold": None,
        "punctuate": True,
        "format_text": True,
        "speaker_labels": result.diarized and not channels,
        "multichannel": bool(channels),
        "speech_model": None,
        "acoustic_model": result.models.get("asr", ""),
        "language_model": "",
        "webhook_auth": False,
        "auto_highlights": False,
        "redact_pii": False,
        "summarization": False,
    }
    if language is not None:
        shape["language_code"] = language.code
    if channels:
        shape["audio_channels"] = max(map(int, channels.values()))
    return parts.with_warnings(shape, result)


def _utterance(turn: parts.Turn, told: _Told) -> dict[str, object]:
    shape: dict[str, object] = {
        "speaker": told.names.get(turn.speaker or "", parts.NOBODY),
        "text": turn.text,
        "start": parts.milliseconds(turn.start_s),
        "end": parts.milliseconds(turn.end_s),
        "confidence": parts.confidence(turn.words) or 0.0,
        "words": [_word(word, told) for word in turn.words] if told.words_shown else [],
    }
    if told.channels:
        shape["channel"] = told.channels.get(turn.speaker or "")
    return shape


def _word(word: LabelledWord, told: _Told) -> dict[str, object]:
    shape: dict[str, object] = {
        "text": word.text,
        "start": parts.milliseconds(word.start_s),
        "end": parts.milliseconds(word.end_s),
        "confidence": parts.share(word.confidence),
        "speaker": told.names.get(word.speaker or ""),
    }
    if told.channels:
        shape["channel"] = told.channels.get(word.speaker or "")
    return shape
