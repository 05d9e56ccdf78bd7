"""The shape of answers."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech import envelope
from speech.errors import CODES, RequestError, WorkerError
from speech.request import TimestampLevel
from speech.types import (
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
from tests import strategies

LEVELS: tuple[TimestampLevel, ...] = ("word", "segment", "char")

RESULT = Result(
    text="Hello?",
    duration_s=30.00049,
    words=(LabelledWord("Hello?", 6.72049, 7.1195, 0.98765432, "SPEAKER_00", 0.93),),
    segments=(Segment("Hello?", 6.72049, 7.1195, "SPEAKER_00"),),
    chars=(Char("Hello", 6.72049, 7.04), Char("?", 7.04, 7.1195)),
    speakers=(SpeakerSummary("SPEAKER_00", 12.4001, 7),),
    diarized=True,
    timestamps=LEVELS,
    attention="full",
    models={"asr": "a-model@1"},
    timings_s={"total": 1.23456},
    cold=True,
    warnings=("Quiet.",),
    turns=(SpeakerTurn("SPEAKER_00", 6.50049, 7.24951),),
)


@st.composite
def results(draw: st.DrawFn) -> Result:
    hearing = draw(strategies.hearings())
    words = draw(strategies.labelled_words(max_size=6))
    return Result(
        text=hearing.transcript.text,
        duration_s=draw(st.floats(0, 1e5)),
        words=words,
        segments=tuple(Segment(w.text, w.start_s, w.end_s, w.speaker) for w in words),
        chars=hearing.transcript.chars,
        speakers=tuple(SpeakerSummary(name, 1.0, 1) for name in strategies.SPEAKERS),
        diarized=draw(st.booleans()),
        timestamps=tuple(draw(st.sets(st.sampled_from(LEVELS)))),
        attention=hearing.transcript.attention,
        models=hearing.models,
        timings_s=hearing.timings_s,
        cold=hearing.cold,
        warnings=hearing.warnings,
        plan=hearing.transcript.plan,
        coverage=draw(st.none() | st.just(Coverage(3.5, 1.5, ((0.0, 2.0),)))),
        language=draw(st.none() | st.just(Language("sv", 0.5))),
        turns=draw(strategies.turns()),
    )


def test_a_success() -> None:
    assert envelope.success(RESULT) == {
        "success": True,
        "schema_version": 1,
        "text": "Hello?",
        "duration": 30.0,
        "language": None,
        "language_confidence": None,
        "timestamps": {
            "word": [
                {
                    "word": "Hello?",
                    "start": 6.72,
                    "end": 7.12,
                    "confidence": 0.9877,
                    "speaker": "SPEAKER_00",
                    "speaker_confidence": 0.93,
                }
            ],
            "segment": [{"text": "Hello?", "start": 6.72, "end": 7.12, "speaker": "SPEAKER_00"}],
            "char": [
                {"char": "Hello", "start": 6.72, "end": 7.04},
                {"char": "?", "start": 7.04, "end": 7.12},
            ],
        },
        "speakers": [{"id": "SPEAKER_00", "talk_time": 12.4, "turns": 7}],
        "turns": [{"speaker": "SPEAKER_00", "start": 6.5, "end": 7.25}],
        "coverage": None,
        "attention": "full",
        "plan": None,
        "models": {"asr": "a-model@1"},
        "timings": {"total": 1.235},
        "cold_start": True,
        "warnings": ["Quiet."],
    }


def test_flags_are_keys_only_where_they_are_true() -> None:
    plain = RESULT.words[0]
    words = (plain, replace(plain, overlap=True), replace(plain, repaired=True))
    shown: dict[str, Any] = envelope.success(replace(RESULT, words=words))
    flags = [item.keys() & {"overlap", "repaired"} for item in shown["timestamps"]["word"]]
    assert flags == [set(), {"overlap"}, {"repaired"}]
    assert shown["timestamps"]["word"][1]["overlap"] is True
    assert shown["timestamps"]["word"][2]["repaired"] is True


def test_languages() -> None:
    (plain,) = RESULT.segments
    pieces = (
        plain,
        replace(plain, language=Language("de", 0.98765)),
        replace(plain, language=Language("fr", 0.9, expected=False)),
    )
    shown: dict[str, Any] = envelope.success(
        replace(RESULT, segments=pieces, language=Language("de", 0.98765))
    )
    assert (shown["language"], shown["language_confidence"]) == ("de", 0.9877)
    flags = ("language", "unexpected_language")
    assert [
        {key: item[key] for key in flags if key in item} for item in shown["timestamps"]["segment"]
    ] == [{}, {"language": "de"}, {"language": "fr", "unexpected_language": True}]


def test_coverage_plan_and_scores() -> None:
    shown = envelope.success(
        replace(
            RESULT,
            coverage=Coverage(10.0004, 7.5, ((1.00049, 3.5),)),
            plan=Plan(2, 1800.0004, "Too long for one.", 12),
            scores={"wer": 0.5},
        )
    )
    assert shown["coverage"] == {
        "speech_s": 10.0,
        "covered_s": 7.5,
        "ratio": 0.75,
        "gaps": [{"start": 1.0, "end": 3.5}],
    }
    assert shown["plan"] == {
        "passes": 2,
        "longest_s": 1800.0,
        "reason": "Too long for one.",
        "estimated_bytes": 12,
    }
    assert shown["scores"] == {"wer": 0.5}
    silent: dict[str, Any] = envelope.success(replace(RESULT, coverage=Coverage(0.0, 0.0, ())))
    assert silent["coverage"]["ratio"] == 1.0


def test_a_voiceprint_is_there_where_there_is_one() -> None:
    summaries = (
        SpeakerSummary("Ada", 1.0, 1, (0.1234567, -1.0)),
        SpeakerSummary("SPEAKER_00", 1.0, 1),
    )
    shown: dict[str, Any] = envelope.success(replace(RESULT, speakers=summaries))
    assert shown["speakers"][0]["voiceprint"] == [0.12346, -1.0]
    assert "voiceprint" not in shown["speakers"][1]


def test_without_diarization_nothing_is_said_of_speakers() -> None:
    shown = envelope.success(replace(RESULT, diarized=False))
    assert shown["speakers"] == []
    assert "speaker" not in json.dumps(shown["timestamps"])


def test_diarization_that_found_nobody_says_so() -> None:
    word = replace(RESULT.words[0], speaker=None, speaker_confidence=None)
    shown: dict[str, Any] = envelope.success(replace(RESULT, words=(word,), speakers=()))
    assert shown["speakers"] == []
    (shown_word,) = shown["timestamps"]["word"]
    assert (shown_word["speaker"], shown_word["speaker_confidence"]) == (None, None)


@given(results())
def test_every_success_is_json_and_has_what_was_asked_for(result: Result) -> None:
    shown: dict[str, Any] = envelope.success(result)
    wire = json.dumps(shown, ensure_ascii=False).encode()
    assert envelope.encode(shown) == wire
    assert json.loads(wire) == shown
    assert set(shown["timestamps"]) == set(result.timestamps)
    for level in shown["timestamps"].values():
        for item in level:
            assert item["start"] <= item["end"]
            assert ("speaker" in item) == (result.diarized and "char" not in item)
    if "word" in result.timestamps:
        assert [item["word"] for item in shown["timestamps"]["word"]] == [
            word.text for word in result.words
        ]
    assert shown["text"] == result.text


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_express_is_an_internal_error(bad: float) -> None:
    for result in (
        replace(RESULT, words=(replace(RESULT.words[0], confidence=bad),)),
        replace(RESULT, chars=(Char("x", bad, 1.0),)),
        replace(RESULT, timings_s={"total": bad}),
    ):
        with pytest.raises(WorkerError) as raised:
            envelope.encode(envelope.success(result))
        assert raised.value.code == "internal_error"


@pytest.mark.parametrize("bad", [b"bytes", {1, 2}, "\ud800"])
def test_what_is_not_json_at_all_is_an_internal_error(bad: object) -> None:
    with pytest.raises(WorkerError) as raised:
        envelope.encode({"text": bad})
    assert raised.value.code == "internal_error"


@pytest.mark.parametrize("retryable", [False, True])
def test_a_failure(retryable: bool) -> None:
    error = WorkerError("source_forbidden", "The URL has expired.", retryable=retryable)
    assert envelope.failure(error) == {
        "success": False,
        "error": "The URL has expired.",
        "error_code": "source_forbidden",
        "message": "The URL has expired.",
        "retryable": retryable,
    }


@pytest.mark.parametrize("code", CODES)
def test_no_failure_is_without_a_text(code: str) -> None:
    """An empty error would be a success to RunPod."""
    shown = envelope.failure(WorkerError(code, ""))
    assert shown["error"] == shown["message"] == CODES[code]


def test_what_runpod_leaves_of_a_failure_explains_it() -> None:
    shown = envelope.failure(RequestError('"start" must be at least 0, not -1.'))
    assert isinstance(shown.pop("error"), str)
    assert shown["error_code"] == "invalid_input"
    assert shown["message"] == '"start" must be at least 0, not -1.'
