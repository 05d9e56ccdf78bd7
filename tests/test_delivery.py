"""How an answer goes to the caller: whole, put elsewhere, or thinned; never lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import delivery
import presentation
from delivery import Way
from presentation import Shown
from speech import envelope
from speech.errors import WorkerError
from speech.request import Options, Presentation, Request, S3Target, Shape, UrlSource, UrlTarget
from speech.types import Result
from tests.test_envelope import RESULT, results

URL = "https://bucket.example.com/a.wav"
SIGNED = "X-Amz-Date=20260101T000000Z"
WHOLE = replace(RESULT, timestamps=("word", "segment", "char"))


def deliver(shown: Shown, limit_bytes: int, **more: Any) -> dict[str, Any]:
    request = Request(UrlSource(URL), Options(), **more)
    answer, size_bytes = asyncio.run(delivery.deliver(shown, Way(request, "job-1", limit_bytes)))
    assert size_bytes == len(envelope.encode({"output": answer})) <= limit_bytes
    return answer


def size(shown: Shown) -> int:
    return len(envelope.encode({"output": presentation.answer(shown, Presentation(), "job-1")}))


def test_what_fits_is_returned_whole() -> None:
    shown = Shown(WHOLE, {"srt": "1\n"})
    answer = deliver(shown, size(shown))
    assert answer == {**envelope.success(WHOLE), "formats": {"srt": "1\n"}}


def test_a_byte_less_and_something_is_left_out_with_a_warning() -> None:
    answer = deliver(Shown(WHOLE, {}), 10_000)
    assert "thinned" not in answer
    large = replace(WHOLE, chars=WHOLE.chars * 100)
    answer = deliver(Shown(large, {}), size(Shown(large, {})) - 1)
    assert answer["thinned"] == ["char"]
    assert set(answer["timestamps"]) == {"word", "segment"}
    assert "char" in answer["warnings"][-1]


@given(results(), st.sampled_from(("default", "openai", "deepgram", "whisperx", "assemblyai")))
def test_thinning_goes_in_the_stated_order_and_never_takes_the_text(
    result: Result, shape: Shape
) -> None:
    shown = Shown(result, {"srt": "x" * 10, "vtt": "x" * 20})
    steps = list(presentation.thinner(shown))
    levels = [level for level in ("char", "word", "segment") if level in result.timestamps]
    assert list(steps[-1].left_out) == [*levels, "vtt", "srt"]
    for before, step in zip([shown, *steps], steps, strict=False):
        assert set(step.result.timestamps) <= set(before.result.timestamps)
        assert set(step.files) <= set(before.files)
        shaped = presentation.answer(step, Presentation(response_format=shape), "job-1")
        assert envelope.encode(shaped)
        assert step.result.text == result.text
        assert len(step.result.warnings) == len(result.warnings) + 1


def test_where_not_even_the_text_fits_it_is_said_what_to_do() -> None:
    with pytest.raises(WorkerError) as caught:
        deliver(Shown(replace(WHOLE, text="x" * 5000), {}), 3000)
    assert caught.value.code == "result_too_large"
    assert '"output"' in caught.value.message
    assert not caught.value.retryable


def test_a_delivery_that_fails_returns_the_result() -> None:
    target = UrlTarget("http://127.0.0.1:9/x?X-Amz-Signature=abc")
    answer = deliver(Shown(WHOLE, {}), 10_000, output=target)
    assert answer["text"] == WHOLE.text
    assert answer["timestamps"]["word"]
    assert answer["output"]["error_code"] == "url_refused"
    assert answer["output"]["retryable"] is False
    assert "could not be put" in answer["warnings"][-1]
    assert "abc" not in str(answer)


def test_a_delivery_that_fails_returns_a_large_result_thinned() -> None:
    target = UrlTarget("http://127.0.0.1:9/x")
    large = replace(WHOLE, chars=WHOLE.chars * 1000)
    answer = deliver(Shown(large, {}), 5000, output=target)
    assert answer["thinned"] == ["char"]
    assert answer["output"]["error_code"] == "url_refused"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"output": UrlTarget("http://10.0.0.1/x")}, "url_refused"),
        ({"output": UrlTarget("http://0x7f000001/x")}, "url_refused"),
        ({"output": UrlTarget(f"{URL}?{SIGNED}&X-Amz-Expires=600")}, "output_refused"),
        ({"output": S3Target("a.json")}, "s3_not_configured"),
    ],
)
def test_what_could_never_be_delivered_is_refused_first(more: dict[str, Any], code: str) -> None:
    with pytest.raises(WorkerError) as caught:
        delivery.check(Request(UrlSource(URL), Options(), **more))
    assert caught.value.code == code


@pytest.mark.parametrize("query", ["X-Amz-Expires=5", f"{SIGNED}&X-Amz-Expires=9999999999", ""])
def test_a_url_that_may_be_good_is_let_through(query: str) -> None:
    delivery.check(Request(UrlSource(URL), Options(), output=UrlTarget(f"{URL}?{query}")))


def test_a_receipt_holds_the_beginning_and_counts() -> None:
    text = "word " * 1000
    receipt = presentation.receipt(
        Shown(replace(WHOLE, text=text.strip()), {}), {"json": {"size_bytes": 1}}, ["Large."]
    )
    assert receipt["counts"] == {"characters": 4999, "words": 1, "segments": 1, "speakers": 1}
    assert receipt["text"] == ("word " * 100).strip()
    assert receipt["output"] == {"json": {"size_bytes": 1}}
    assert receipt["warnings"] == ["Quiet.", "Large."]
    assert "timestamps" not in receipt
