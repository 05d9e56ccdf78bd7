"""Earlier answers, read back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech import earlier, envelope
from speech.errors import RequestError
from speech.request import EarlierResult
from speech.types import Result
from tests.test_envelope import RESULT, results


def read(answer: object) -> Result:
    return earlier.read(EarlierResult(answer))  # type: ignore[arg-type]


def answer() -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(json.dumps(envelope.success(RESULT)))
    return sent


@given(results())
def test_an_answer_read_back_gives_the_same_answer(result: Result) -> None:
    first = json.loads(json.dumps(envelope.success(result)))
    again: dict[str, Any] = json.loads(json.dumps(envelope.success(read(first))))
    for gone in ("timings", "cold_start"):  # of the job that heard it, not of this one
        del first[gone], again[gone]
    assert again == first


def test_everything_but_the_success_and_the_text_may_be_left_out() -> None:
    result = read({"success": True, "text": "Yes.", "duration": 1.0})
    assert (result.text, result.words, result.timestamps) == ("Yes.", (), ())
    assert not result.diarized


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda a: a.update(schema_version=2), "newer worker"),
        (lambda a: a.update(schema_version="1"), "schema_version"),
        (lambda a: a.update(success=False), "succeeded"),
        (lambda a: a.pop("success"), "succeeded"),
        (lambda a: a.pop("text"), "transcript.text must be text"),
        (lambda a: a.update(text="\ud800"), "transcript.text must be text"),
        (lambda a: a.update(duration="1"), "transcript.duration must be a number"),
        (lambda a: a.update(duration=math.nan), "transcript.duration must be a number"),
        (lambda a: a.update(duration=10**400), "transcript.duration must be a number"),
        (lambda a: a.update(timestamps=[]), "transcript.timestamps must be an object"),
        (lambda a: a["timestamps"].update(word={}), "transcript.timestamps.word must be a list"),
        (lambda a: a["timestamps"]["word"].insert(0, 5), "timestamps.word[0] must be an object"),
        (lambda a: a["timestamps"]["word"][0].pop("start"), "word[0].start must be a number"),
        (lambda a: a["timestamps"]["word"][0].update(start=9e9), "not before its start"),
        (lambda a: a["timestamps"]["word"][0].update(confidence=2), "from 0 to 1"),
        (lambda a: a["timestamps"]["segment"][0].update(speaker=5), "segment[0].speaker"),
        (lambda a: a["speakers"][0].update(voiceprint=["x"]), "speakers[0].voiceprint"),
        (lambda a: a["speakers"][0].pop("id"), "speakers[0].id must be text"),
        (lambda a: a.update(coverage={"speech_s": 1}), "coverage.covered_s"),
        (lambda a: a.update(counts={}, output={}), "output.json"),
    ],
)
def test_what_is_damaged_is_named(change: Callable[[dict[str, Any]], object], told: str) -> None:
    sent = answer()
    change(sent)
    with pytest.raises(RequestError) as caught:
        read(sent)
    assert told in caught.value.message


any_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(answer())), any_json)
def test_whatever_stands_in_it_it_is_read_or_refused(key: str, value: object) -> None:
    try:
        read({**answer(), key: value})
    except RequestError as error:
        assert "transcript" in error.message
