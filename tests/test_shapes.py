"""A result in each peer's shape: valid by the peer's own types or specification, and complete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from openai.types.audio import Transcription, TranscriptionDiarized, TranscriptionVerbose
from pydantic import BaseModel

from shapes.answer import shape
from speech import envelope
from speech.request import Shape
from speech.types import Result
from tests.result_strategies import results

FEWER = settings(max_examples=30, deadline=None)
"""Of each property there are up to seven tests, one for each shape."""
SCHEMAS = Path(__file__).parent / "peer_schemas"
JOB = "sync-2b3e0a4c-11aa-4f0e-9c58-0a1b2c3d4e5f-e1"
NAMES = tuple(name for name in get_args(Shape) if name != "default")
PEERS = ("whisperx", "deepgram", "assemblyai")
TYPES: dict[Shape, type[BaseModel]] = {
    "text": Transcription,
    "openai": TranscriptionVerbose,
    "openai_diarized": TranscriptionDiarized,
}


def schema(name: str) -> Draft202012Validator:
    content = json.loads((SCHEMAS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(content)
    return Draft202012Validator(content, format_checker=FormatChecker())


VALIDATORS = {name: schema(name) for name in PEERS}


def shaped(result: Result, name: Shape) -> Any:
    """As it arrives."""
    return json.loads(envelope.encode(shape(result, name, JOB)))


def foreign_keys(model: BaseModel) -> Iterator[str]:
    """Keys that the peer's types do not know, at any depth."""
    yield from model.model_extra or {}
    for value in vars(model).values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, BaseModel):
                yield from foreign_keys(item)


def intervals(name: Shape, answer: Any) -> Iterator[list[dict[str, Any]]]:
    """Every list of timed things in an answer."""
    match name:
        case "openai":
            yield from (answer["words"], answer["segments"])
        case "openai_diarized":
            yield answer["segments"]
        case "whisperx":
            yield from (answer["word_segments"], answer["segments"])
            yield from (segment["words"] for segment in answer["segments"])
        case "deepgram":
            yield answer["results"]["utterances"]
            yield from (each["words"] for each in answer["results"]["utterances"])
            for channel in answer["results"]["channels"]:
                (spoken,) = channel["alternatives"]
                yield from (spoken["words"], spoken["paragraphs"]["paragraphs"])
                yield from (each["sentences"] for each in spoken["paragraphs"]["paragraphs"])
        case "assemblyai":
            yield answer["words"]
            yield answer["utterances"] or []
            yield from (each["words"] for each in answer["utterances"] or [])


@pytest.mark.parametrize("name", TYPES)
@FEWER
@given(result=results())
def test_openais_own_types_take_the_answer_and_give_it_back(name: Shape, result: Result) -> None:
    answer = shaped(result, name)
    read = TYPES[name].model_validate(answer, strict=True)
    assert read.model_dump(mode="json", exclude_unset=True) == answer
    allowed = {"warnings"} | ({"task"} if name == "openai" else set())  # Whisper sends task, too
    assert set(foreign_keys(read)) <= allowed


@pytest.mark.parametrize("name", PEERS)
@FEWER
@given(result=results())
def test_the_peers_specification_takes_the_answer(name: Shape, result: Result) -> None:
    VALIDATORS[name].validate(shaped(result, name))


@pytest.mark.parametrize("name", PEERS)
@FEWER
@given(result=results())
def test_a_key_that_the_peer_does_not_have_is_refused(name: Shape, result: Result) -> None:
    answer = shaped(result, name) | {"success": True}
    assert [error.validator for error in VALIDATORS[name].iter_errors(answer)] == [
        "additionalProperties"
    ]


@pytest.mark.parametrize("name", NAMES)
@FEWER
@given(result=results())
def test_times_run_forward_and_warnings_are_told(name: Shape, result: Result) -> None:
    answer = shaped(result, name)
    assert answer.get("warnings", []) == list(result.warnings)
    assert ("warnings" in answer) == bool(result.warnings)
    for items in intervals(name, answer):
        assert all(item["start"] <= item["end"] for item in items)
        starts = [item["start"] for item in items]
        assert starts == sorted(starts)


@pytest.mark.parametrize("name", NAMES)
@FEWER
@given(result=results())
def test_what_is_thinned_or_not_asked_for_is_empty(name: Shape, result: Result) -> None:
    asked = replace(result, timestamps=("segment",))
    assert '"words": [{' not in json.dumps(shaped(asked, name))
    assert list(words(name, shaped(asked, name))) == []
    untimed = shaped(replace(result, timestamps=()), name)
    assert [item for items in intervals(name, untimed) for item in items] == []
    thinned = replace(result, chars=(), words=(), segments=())
    assert [item for items in intervals(name, shaped(thinned, name)) for item in items] == []


def words(name: Shape, answer: Any) -> Iterator[str]:
    """The flat list of words."""
    match name:
        case "openai":
            yield from (word["word"] for word in answer["words"])
        case "whisperx":
            yield from (word["word"] for word in answer["word_segments"])
        case "deepgram":
            flat = [
                word
                for channel in answer["results"]["channels"]
                for word in channel["alternatives"][0]["words"]
            ]
            yield from (word["punctuated_word"] for word in sorted(flat, key=lambda w: w["start"]))
        case "assemblyai":
            yield from (word["text"] for word in answer["words"])


def text(name: Shape, answer: Any) -> str:
    """All that was said; of several channels, the words of one after the other."""
    if name == "deepgram":
        spoken = (each["alternatives"][0]["transcript"] for each in answer["results"]["channels"])
        return " ".join(filter(None, spoken))
    return str(answer.get("text", " ".join(each["text"] for each in answer.get("segments", []))))


@pytest.mark.parametrize("name", NAMES)
@FEWER
@given(result=results(), whole=st.just(("word", "segment")))
def test_text_and_words_survive(name: Shape, result: Result, whole: Any) -> None:
    result = replace(result, timestamps=whole)
    answer = shaped(result, name)
    if name != "whisperx" or result.segments:
        assert sorted(text(name, answer).split()) == sorted(result.text.split())
    if name in ("openai", "whisperx", "deepgram", "assemblyai"):
        assert sorted(words(name, answer)) == sorted(word.text for word in result.words)


@FEWER
@given(results())
def test_inner_words_are_the_outer_ones(result: Result) -> None:
    """In segments and utterances, with the same times and the same speakers."""
    result = replace(result, timestamps=("word", "segment"))

    def same(inner: list[Any], outer: list[Any]) -> None:
        assert sorted(map(json.dumps, inner)) == sorted(map(json.dumps, outer))

    whisperx = shaped(result, "whisperx")
    same([w for each in whisperx["segments"] for w in each["words"]], whisperx["word_segments"])
    deepgram = shaped(result, "deepgram")["results"]
    said = [w for each in deepgram["channels"] for w in each["alternatives"][0]["words"]]
    same([w for each in deepgram["utterances"] for w in each["words"]], said)
    assemblyai = shaped(result, "assemblyai")
    if assemblyai["utterances"] is not None:
        same([w for each in assemblyai["utterances"] for w in each["words"]], assemblyai["words"])
    for inner in (
        *whisperx["segments"],
        *deepgram["utterances"],
        *(assemblyai["utterances"] or []),
    ):
        who = inner.get("speaker")
        theirs = {word.get("speaker") for word in inner["words"]}
        assert theirs <= {None if who == "unknown" else who}


@FEWER
@given(results())
def test_the_default_is_not_a_shape(result: Result) -> None:
    with pytest.raises(ValueError, match="envelope"):
        shape(result, "default", JOB)
