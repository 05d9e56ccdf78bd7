"""An earlier answer, read back into the result that it was made of.

Whatever came with the request is checked: each message names the key, what came, and what to do.
What the answer does not hold (it was thinned, or asked for without word times) the result lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast, get_args

from speech import json_values as values
from speech.envelope import SCHEMA_VERSION
from speech.errors import RequestError
from speech.request import EarlierResult, TimestampLevel
from speech.types import (
    AttentionUsed,
    Char,
    Coverage,
    LabelledWord,
    Language,
    Plan,
    Result,
    Segment,
    SpeakerSummary,
    SpeakerTurn,
)

NAME: Final = values.NAME


def read(earlier: EarlierResult) -> Result:
    """Read an earlier answer in the default shape.

    Raises:
        RequestError: It is no such answer, damaged, or of a newer version of the worker.
    """
    answer = earlier.answer
    _check_kind(answer)
    levels = values.mapping(answer, "timestamps", {})
    words = values.items(levels, "timestamps.word", _word)
    segments = values.items(levels, "timestamps.segment", _segment)
    speakers = values.items(answer, "speakers", _speaker)
    told = (*values.rows(levels, "timestamps.word"), *values.rows(levels, "timestamps.segment"))
    has_speaker = ("speaker" in row for row in told if isinstance(row, Mapping))
    present = [level for level in get_args(TimestampLevel) if level in levels]
    return Result(
        text=values.text(answer, "text"),
        duration_s=values.number(answer, "duration"),
        words=words,
        segments=segments,
        chars=values.items(levels, "timestamps.char", _char),
        speakers=speakers,
        diarized=bool(speakers) or any(has_speaker),
        timestamps=tuple(cast(list[TimestampLevel], present)),
        attention=cast(AttentionUsed, answer.get("attention", "full")),
        models={str(k): str(v) for k, v in values.mapping(answer, "models", {}).items()},
        timings_s={},
        cold=False,
        warnings=tuple(map(str, values.rows(answer, "warnings"))),
        plan=_plan(answer),
        language=_language(answer),
        coverage=_coverage(answer),
        scores=values.mapping(answer, "scores", {}) or None,
        turns=values.items(answer, "turns", _turn),
    )


def _check_kind(answer: Mapping[str, object]) -> None:
    version = answer.get("schema_version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise RequestError(f"{NAME}.schema_version must be a whole number; send it as it came.")
    if version > SCHEMA_VERSION:
        raise RequestError(
            f"{NAME} is of version {min(version, 10**6)}, and this worker knows versions up to "
            f"{SCHEMA_VERSION}: it comes from a newer worker. Send it to one as new as that."
        )
    if answer.get("success") is not True:
        raise RequestError(
            f"{NAME} must be the output of a job that succeeded, in the default response_format: "
            'it has no "success": true. Send the job\'s whole output.'
        )
    if "counts" in answer and "output" in answer:
        raise RequestError(
            f"{NAME} only says where its result was put; send what is there (output.json)."
        )


def _word(path: str, row: Mapping[str, object]) -> LabelledWord:
    return LabelledWord(
        text=values.text(row, f"{path}.word"),
        start_s=values.number(row, f"{path}.start"),
        end_s=values.end(row, path),
        confidence=values.share(row, f"{path}.confidence"),
        speaker=values.optional_text(row, f"{path}.speaker"),
        speaker_confidence=None
        if row.get("speaker_confidence") is None
        else values.share(row, f"{path}.speaker_confidence"),
        overlap=row.get("overlap") is True,
        repaired=row.get("repaired") is True,
    )


def _segment(path: str, row: Mapping[str, object]) -> Segment:
    code = values.optional_text(row, f"{path}.language")
    expected = row.get("unexpected_language") is not True
    return Segment(
        text=values.text(row, f"{path}.text"),
        start_s=values.number(row, f"{path}.start"),
        end_s=values.end(row, path),
        speaker=values.optional_text(row, f"{path}.speaker"),
        # An answer does not say how sure a segment's language is.
        language=None if code is None else Language(code, 1.0, expected),
    )


def _char(path: str, row: Mapping[str, object]) -> Char:
    return Char(
        values.text(row, f"{path}.char"), values.number(row, f"{path}.start"), values.end(row, path)
    )


def _turn(path: str, row: Mapping[str, object]) -> SpeakerTurn:
    speaker = values.text(row, f"{path}.speaker")
    return SpeakerTurn(speaker, values.number(row, f"{path}.start"), values.end(row, path))


def _speaker(path: str, row: Mapping[str, object]) -> SpeakerSummary:
    numbers = row.get("voiceprint")
    if numbers is not None and (
        not isinstance(numbers, list)
        or not numbers
        or not all(values.is_number(number) for number in numbers)
    ):
        raise values.damaged(f"{path}.voiceprint", "a list of finite numbers")
    return SpeakerSummary(
        id=values.text(row, f"{path}.id"),
        talk_time_s=values.number(row, f"{path}.talk_time"),
        turns=int(values.number(row, f"{path}.turns")),
        voiceprint=None if numbers is None else tuple(map(float, numbers)),
    )


def _plan(answer: Mapping[str, object]) -> Plan | None:
    if answer.get("plan") is None:
        return None
    row = values.mapping(answer, "plan", {})
    needed = row.get("estimated_bytes")
    return Plan(
        passes=int(values.number(row, "plan.passes")),
        longest_s=values.number(row, "plan.longest_s"),
        reason=values.text(row, "plan.reason"),
        estimated_bytes=None if needed is None else int(values.number(row, "plan.estimated_bytes")),
    )


def _language(answer: Mapping[str, object]) -> Language | None:
    code = values.optional_text(answer, "language")
    if code is None:
        return None
    if answer.get("language_confidence") is None:
        return Language(code, 1.0)
    return Language(code, values.share(answer, "language_confidence"))


def _coverage(answer: Mapping[str, object]) -> Coverage | None:
    if answer.get("coverage") is None:
        return None
    row = values.mapping(answer, "coverage", {})

    def gap(path: str, gap: Mapping[str, object]) -> tuple[float, float]:
        return values.number(gap, f"{path}.start"), values.end(gap, path)

    return Coverage(
        speech_s=values.number(row, "coverage.speech_s"),
        covered_s=values.number(row, "coverage.covered_s"),
        gaps=values.items(row, "coverage.gaps", gap),
    )
