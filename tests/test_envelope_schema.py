"""The published schema of answers: true of every answer, and every key of it is used."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from jsonschema import ValidationError

import presentation
from speech import envelope, envelope_schema, selection
from speech.errors import CODES, WorkerError
from speech.request import FileFormat, Presentation
from speech.types import Char, Coverage, Language, Plan, Result, SpeakerTurn
from tests import envelope_schema as published
from tests.result_strategies import results
from tests.small_result import RESULT

PLACE = {"size_bytes": 9, "etag": '"e"', "s3_key": "a", "s3_bucket": "b", "url": "https://a.b/c"}
FULL = replace(
    RESULT,
    timestamps=("word", "segment", "char"),
    words=(
        replace(RESULT.words[0], overlap=True, repaired=True),
        *RESULT.words[1:],
    ),
    segments=(
        replace(RESULT.segments[0], language=Language("en", 0.9, expected=False)),
        *RESULT.segments[1:],
    ),
    chars=(Char("Hello", 0.0, 0.4),),
    turns=(SpeakerTurn("Ada", 2.0, 4.3),),
    coverage=Coverage(10.0, 7.5, ((1.0, 3.5),)),
    plan=Plan(2, 1800.0, "Too long for one.", 12),
    scores={"wer": 0.5},
    warnings=("Loud.",),
)


def wire(answer: object) -> Any:
    """As it arrives."""
    return json.loads(envelope.encode(answer))


def everything() -> list[Any]:
    """Answers that have all keys between them."""
    files: dict[FileFormat, str] = dict.fromkeys(get_args(FileFormat), "text")
    shown = presentation.Shown(FULL, files, ("char",))
    places = dict.fromkeys(("json", *get_args(FileFormat)), PLACE)
    lost = {"error_code": "output_refused", "message": "Expired.", "retryable": False}
    return [
        presentation.answer(shown, Presentation(), "job"),
        presentation.receipt(shown, places),
        {**envelope.success(FULL), "output": lost},
    ]


def paths(value: Any, above: str = "") -> Iterator[str]:
    """Every key that occurs, as a dotted path."""
    if isinstance(value, list):
        for item in value:
            yield from paths(item, above)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield above + key
            yield from paths(item, f"{above}{key}.")


@given(results())
def test_every_success_is_as_published(result: Result) -> None:
    published.check(wire(envelope.success(result)))


@pytest.mark.parametrize("code", CODES)
def test_every_failure_is_as_published(code: str) -> None:
    failure = wire(envelope.failure(WorkerError(code, "")))
    published.check(failure)
    without_error = {key: item for key, item in failure.items() if key != "error"}
    published.check(without_error)
    published.check_job({}, without_error, failure["error"])


def test_every_key_of_the_schema_is_used() -> None:
    answers = [wire(answer) for answer in everything()]
    for answer in answers:
        published.check(answer)
    used = {path for answer in answers for path in paths(answer)}
    assert set(selection.known_paths("default")) <= used


def test_every_key_has_a_description() -> None:
    def undescribed(schema: Any, at: str) -> Iterator[str]:
        for name, below in schema.get("properties", {}).items():
            if "description" not in below:
                yield f"{at}.{name}"
            yield from undescribed(below.get("items", below), f"{at}.{name}")

    for schema in (envelope_schema.SUCCESS, envelope_schema.FAILURE):
        assert list(undescribed(schema, "")) == []


@pytest.mark.parametrize("path", ["text", "timestamps.word.0.end", "speakers.0.id", "turns"])
def test_an_answer_that_lacks_a_key_is_refused(path: str) -> None:
    answer = wire(envelope.success(FULL))
    damaged = copy.deepcopy(answer)
    *parents, last = path.split(".")
    inner = damaged
    for name in parents:
        inner = inner[int(name) if name.isdigit() else name]
    del inner[last]
    with pytest.raises(ValidationError):
        published.check(damaged)
    published.check_job({"exclude": ["what is not there"]}, damaged, None)


@pytest.mark.parametrize(
    ("path", "value"),
    [("words", []), ("schema_version", 2), ("duration", -1), ("text", None), ("plan", [])],
)
def test_an_answer_with_something_foreign_is_refused(path: str, value: object) -> None:
    answer = {**wire(envelope.success(FULL)), path: value}
    for job_input in ({}, {"include": ["text"]}):
        with pytest.raises(ValidationError):
            published.check_job(job_input, answer, None)


@given(results())
def test_what_was_selected_is_as_published(result: Result) -> None:
    answer = envelope.success(result)
    some = selection.select(answer, ["text", "timestamps.word.word", "plan"], ["plan.reason"])
    published.check_job({"include": ["text"]}, wire(some), None)


def test_what_is_no_answer_is_not_looked_at() -> None:
    foreign: Any
    for foreign in (None, "text", {"text": "Hi."}, [{"segments": []}]):
        published.check_job(None, foreign, None)


def test_a_streams_chunks_are_looked_at() -> None:
    answer = wire(envelope.success(FULL))
    published.check([{"segments": []}, answer])
    with pytest.raises(ValidationError):
        published.check([{"segments": []}, {**answer, "text": 1}])


def test_long_lists_are_looked_at_at_both_ends() -> None:
    answer = wire(envelope.success(FULL))
    words = answer["timestamps"]["word"] * 1000
    published.check({**answer, "timestamps": {"word": words}})
    with pytest.raises(ValidationError):
        published.check({**answer, "timestamps": {"word": [*words, {}]}})
