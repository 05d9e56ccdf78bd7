"""The shape of what goes out: the only place that knows the JSON keys of an answer.

Times are rounded to milliseconds, confidences to four decimals. Rounding keeps the order of times.
A flag that is set for few words or segments has its key only where it is true: a long recording has
30,000 words.
"""

from __future__ import annotations

import json

from speech.errors import CODES, WorkerError
from speech.types import (
    Char,
    Coverage,
    LabelledWord,
    Plan,
    Result,
    Segment,
    SpeakerSummary,
    SpeakerTurn,
)

SCHEMA_VERSION = 1
"""Of the answer's shape. It grows where an older reader would misunderstand a newer answer."""
TIME_DECIMALS = 3
CONFIDENCE_DECIMALS = 4
VOICEPRINT_DECIMALS = 5

Envelope = dict[str, object]


def success(result: Result) -> Envelope:
    """The answer to a job that succeeded.

    ``timestamps`` holds the levels that were asked for. Without any of them ``turns`` is empty.
    Without diarization ``speakers`` is empty, too, and no word or segment has a speaker's key.
    ``scores`` is there where the request had a reference.
    """
    diarized = result.diarized
    levels: dict[str, object] = {}
    if "word" in result.timestamps:
        levels["word"] = [_word(word, diarized) for word in result.words]
    if "segment" in result.timestamps:
        levels["segment"] = [_segment(segment, diarized) for segment in result.segments]
    if "char" in result.timestamps:
        levels["char"] = [_char(char) for char in result.chars]
    language = result.language
    shown: Envelope = {
        "success": True,
        "schema_version": SCHEMA_VERSION,
        "text": result.text,
        "duration": _time(result.duration_s),
        "language": language.code if language else None,
        "language_confidence": _confidence(language.confidence) if language else None,
        "timestamps": levels,
        "speakers": [_speaker(speaker) for speaker in result.speakers] if diarized else [],
        "turns": [_turn(turn) for turn in result.turns] if diarized and levels else [],
        "coverage": _coverage(result.coverage) if result.coverage else None,
        "attention": result.attention,
        "plan": _plan(result.plan) if result.plan else None,
        "models": dict(result.models),
        "timings": {stage: _time(seconds) for stage, seconds in result.timings_s.items()},
        "cold_start": result.cold,
        "warnings": list(result.warnings),
    }
    if result.scores is not None:
        shown["scores"] = dict(result.scores)
    return shown


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


def encode(answer: object) -> bytes:
    """The answer as RunPod's SDK sends it: UTF-8, non-ASCII characters unescaped.

    RunPod drops an answer that is too large or not JSON without a word, and the job hangs until it
    times out: so every answer is encoded and measured before it is returned.

    Raises:
        WorkerError: ``internal_error`` where JSON cannot hold the answer (NaN, infinity, a foreign
            type, half a character).
    """
    try:
        # No part of an answer holds itself, and to look for that takes time.
        text = json.dumps(answer, allow_nan=False, ensure_ascii=False, check_circular=False)
        return text.encode()
    except (TypeError, ValueError) as error:
        raise WorkerError(
            "internal_error",
            "The transcript is complete, but holds a value that JSON cannot express. Report it.",
        ) from error


def _word(word: LabelledWord, diarized: bool) -> Envelope:
    # A long recording has 30,000 of them: no call that can be spared.
    shown: Envelope = {
        "word": word.text,
        "start": round(word.start_s, TIME_DECIMALS),
        "end": round(word.end_s, TIME_DECIMALS),
        "confidence": round(word.confidence, CONFIDENCE_DECIMALS),
    }
    if diarized:
        certainty = word.speaker_confidence
        shown["speaker"] = word.speaker
        shown["speaker_confidence"] = (
            None if certainty is None else round(certainty, CONFIDENCE_DECIMALS)
        )
    if word.overlap:
        shown["overlap"] = True
    if word.repaired:
        shown["repaired"] = True
    return shown


def _segment(segment: Segment, diarized: bool) -> Envelope:
    shown: Envelope = {
        "text": segment.text,
        "start": _time(segment.start_s),
        "end": _time(segment.end_s),
    }
    if diarized:
        shown["speaker"] = segment.speaker
    if segment.language is not None:
        shown["language"] = segment.language.code
        if not segment.language.expected:
            shown["unexpected_language"] = True
    return shown


def _char(char: Char) -> Envelope:
    return {
        "char": char.text,
        "start": round(char.start_s, TIME_DECIMALS),
        "end": round(char.end_s, TIME_DECIMALS),
    }


def _speaker(speaker: SpeakerSummary) -> Envelope:
    shown: Envelope = {
        "id": speaker.id,
        "talk_time": _time(speaker.talk_time_s),
        "turns": speaker.turns,
    }
    if speaker.voiceprint is not None:
        shown["voiceprint"] = [round(number, VOICEPRINT_DECIMALS) for number in speaker.voiceprint]
    return shown


def _turn(turn: SpeakerTurn) -> Envelope:
    return {
        "speaker": turn.speaker,
        "start": round(turn.start_s, TIME_DECIMALS),
        "end": round(turn.end_s, TIME_DECIMALS),
    }


def _coverage(coverage: Coverage) -> Envelope:
    """Where nobody speaks nothing is missing: the ratio is 1 then."""
    ratio = coverage.covered_s / coverage.speech_s if coverage.speech_s else 1.0
    return {
        "speech_s": _time(coverage.speech_s),
        "covered_s": _time(coverage.covered_s),
        "ratio": _confidence(ratio),
        "gaps": [
            {"start": _time(start_s), "end": _time(end_s)} for start_s, end_s in coverage.gaps
        ],
    }


def _plan(plan: Plan) -> Envelope:
    return {
        "passes": plan.passes,
        "longest_s": _time(plan.longest_s),
        "reason": plan.reason,
        "estimated_bytes": plan.estimated_bytes,
    }


def _time(seconds: float) -> float:
    return round(seconds, TIME_DECIMALS)


def _confidence(share: float) -> float:
    return round(share, CONFIDENCE_DECIMALS)
