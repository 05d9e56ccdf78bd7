"""The shape of what goes out: the only place that knows the JSON keys of an answer.

Times are rounded to milliseconds, confidences to four decimals. Rounding keeps the order of times.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from speech.errors import CODES, WorkerError
from speech.types import Char, LabelledWord, Result, Segment, SpeakerSummary

TIME_DECIMALS = 3
CONFIDENCE_DECIMALS = 4

Envelope = dict[str, object]


def success(result: Result) -> Envelope:
    """The answer to a job that succeeded.

    ``timestamps`` holds the levels that were asked for. Without diarization ``speakers`` is empty
    and no word or segment has a speaker's key.
    """
    diarized = result.diarized
    levels: dict[str, object] = {}
    if "word" in result.timestamps:
        levels["word"] = [_word(word, diarized) for word in result.words]
    if "segment" in result.timestamps:
        levels["segment"] = [_segment(segment, diarized) for segment in result.segments]
    if "char" in result.timestamps:
        levels["char"] = [_char(char) for char in result.chars]
    return {
        "success": True,
        "text": result.text,
        "duration": _time(result.duration_s),
        "language": None,
        "timestamps": levels,
        "speakers": [_speaker(speaker) for speaker in result.speakers] if diarized else [],
        "attention": result.attention,
        "models": dict(result.models),
        "timings": {stage: _time(seconds) for stage, seconds in result.timings_s.items()},
        "cold_start": result.cold,
        "warnings": list(result.warnings),
    }


def failure(error: WorkerError) -> Envelope:
    """The answer to a job that failed.

    RunPod's SDK takes a non-empty ``error`` out of the answer, reports it as the job's error and
    marks the job FAILED; the rest stays as the job's output. Its Python client returns that output
    alone, so the text stands under ``message`` too. An empty ``error`` would count as a success:
    the code's meaning takes the place of an empty message.
    """
    message = error.message or CODES[error.code]
    return {
        "success": False,
        "error": message,
        "error_code": error.code,
        "message": message,
        "retryable": error.retryable,
    }


def check_size(envelope: Mapping[str, object], max_bytes: int) -> int:
    """The answer's size in bytes as RunPod's SDK sends it: UTF-8, non-ASCII characters unescaped.

    RunPod drops an answer that is too large or not JSON without a word, and the job hangs until it
    times out: so both are found here.

    Raises:
        WorkerError: ``result_too_large`` above ``max_bytes``; ``internal_error`` where JSON cannot
            hold the answer (NaN, infinity, a foreign type, half a character).
    """
    try:
        size_bytes = len(json.dumps(envelope, allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError) as error:
        raise WorkerError(
            "internal_error",
            "The transcript is complete, but holds a value that JSON cannot express. Report it.",
        ) from error
    if size_bytes > max_bytes:
        raise WorkerError(
            "result_too_large",
            f"The result has {size_bytes} bytes, and at most {max_bytes} can be returned. Ask for "
            'fewer levels in "timestamps" ("char" and "word" are the largest; false leaves the '
            'text alone), or send the recording in parts with "start" and "end".',
        )
    return size_bytes


def _word(word: LabelledWord, diarized: bool) -> Envelope:
    shown: Envelope = {
        "word": word.text,
        "start": _time(word.start_s),
        "end": _time(word.end_s),
        "confidence": _confidence(word.confidence),
    }
    if diarized:
        shown["speaker"] = word.speaker
        shown["speaker_confidence"] = (
            None if word.speaker_confidence is None else _confidence(word.speaker_confidence)
        )
    return shown


def _segment(segment: Segment, diarized: bool) -> Envelope:
    shown: Envelope = {
        "text": segment.text,
        "start": _time(segment.start_s),
        "end": _time(segment.end_s),
    }
    if diarized:
        shown["speaker"] = segment.speaker
    return shown


def _char(char: Char) -> Envelope:
    return {"char": char.text, "start": _time(char.start_s), "end": _time(char.end_s)}


def _speaker(speaker: SpeakerSummary) -> Envelope:
    return {
        "id": speaker.id,
        "talk_time": _time(speaker.talk_time_s),
        "turns": speaker.turns,
    }


def _time(seconds: float) -> float:
    return round(seconds, TIME_DECIMALS)


def _confidence(share: float) -> float:
    return round(share, CONFIDENCE_DECIMALS)
