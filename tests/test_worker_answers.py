"""What the worker returns and where it puts it, through the real worker loop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.demo_worker import DemoWorker, demo_worker
from tests.environments import CONVERSATION
from tests.http_server import LocalServer
from tests.s3_server import Bucket
from tests.worker_process import endpoint
from utils import webhook


@pytest.fixture(scope="module")
def key(bucket: Bucket) -> str:
    """The demo conversation in the bucket."""
    bucket.put("calls/Monday morning.flac", CONVERSATION.read_bytes())
    return "calls/Monday morning.flac"


@pytest.fixture(scope="module")
def whole(shared_worker: DemoWorker, key: str) -> dict[str, Any]:
    """A whole result with voiceprints."""
    asked = {"s3_key": key, "timestamps": ["word", "segment", "char"], "speaker_embeddings": True}
    return shared_worker.completed(shared_worker.run(asked))


def test_files_come_beside_the_answer(shared_worker: DemoWorker, key: str) -> None:
    asked = {
        "s3_key": key,
        "formats": ["srt", "rttm", "html"],
        "speaker_names": {"SPEAKER_00": "Anna"},
    }
    output = shared_worker.completed(shared_worker.run(asked))
    assert set(output["formats"]) == {"srt", "rttm", "html"}
    assert "Anna: " in output["formats"]["srt"]
    assert output["formats"]["rttm"].startswith("SPEAKER Monday_morning 1 ")
    assert " Anna " in output["formats"]["rttm"]
    assert "Monday morning" in output["formats"]["html"]
    assert output["speakers"][0]["id"] == "Anna"


def test_another_shape_and_a_choice_of_keys(shared_worker: DemoWorker, key: str) -> None:
    asked = {"s3_key": key, "end": 8, "response_format": "openai"}
    output = shared_worker.completed(shared_worker.run(asked))
    assert output["task"] == "transcribe"
    assert output["words"]
    asked = {"s3_key": key, "end": 8, "include": ["text", "timestamps.segment"]}
    output = shared_worker.completed(shared_worker.run(asked))
    assert set(output) == {"success", "text", "timestamps"}
    assert set(output["timestamps"]) == {"segment"}


def test_an_earlier_result_is_presented_anew_without_the_engine(
    shared_worker: DemoWorker, whole: dict[str, Any]
) -> None:
    asked = {"transcript": whole, "formats": ["vtt"], "speaker_names": {"SPEAKER_01": "Ben"}}
    job = shared_worker.run(asked)
    output = shared_worker.completed(job)
    assert output["text"] == whole["text"]
    assert "<v Ben>" in output["formats"]["vtt"]
    assert "transcribe" not in shared_worker.stages(job)
    words = [{**word, "speaker": None} for word in output["timestamps"]["word"]]
    assert words == [{**word, "speaker": None} for word in whole["timestamps"]["word"]]


def test_an_earlier_result_gets_fewer_speakers_but_not_more(
    shared_worker: DemoWorker, whole: dict[str, Any]
) -> None:
    count = len(whole["speakers"])
    fewer = shared_worker.completed(
        shared_worker.run({"transcript": whole, "num_speakers": count - 1})
    )
    assert len(fewer["speakers"]) == count - 1
    assert {word["speaker"] for word in fewer["timestamps"]["word"]} <= {
        speaker["id"] for speaker in fewer["speakers"]
    }
    job = shared_worker.run({"transcript": whole, "num_speakers": count + 1})
    view = shared_worker.finished(job)
    assert view["status"] == "FAILED"
    assert "Send the recording again" in view["error"]


def test_a_result_is_put_to_a_presigned_url(
    shared_worker: DemoWorker, bucket: Bucket, key: str
) -> None:
    url = bucket.client.generate_presigned_url(
        "put_object", Params={"Bucket": bucket.name, "Key": "out/one.json"}, ExpiresIn=600
    )
    asked = {"s3_key": key, "formats": ["srt"], "output": {"url": url}}
    receipt = shared_worker.completed(shared_worker.run(asked))
    there = bucket.client.get_object(Bucket=bucket.name, Key="out/one.json")
    result = json.loads(there["Body"].read())
    assert there["ContentType"] == "application/json"
    assert receipt["output"]["json"]["size_bytes"] == there["ContentLength"]
    assert receipt["output"]["json"]["etag"] == there["ETag"].strip('"')
    assert result["formats"]["srt"]
    assert receipt["counts"]["words"] == len(result["timestamps"]["word"])
    assert "timestamps" not in receipt


def test_a_result_and_its_files_are_put_into_a_bucket(
    shared_worker: DemoWorker, bucket: Bucket, key: str
) -> None:
    asked = {"s3_key": key, "formats": ["srt", "seglst"], "output": {"s3_key": "out/two.json"}}
    receipt = shared_worker.completed(shared_worker.run(asked))
    assert set(receipt["output"]) == {"json", "srt", "seglst"}
    for name, kind in (("two.srt", "subrip"), ("two.seglst.json", "json"), ("two.json", "json")):
        there = bucket.client.get_object(Bucket=bucket.name, Key=f"out/{name}")
        assert kind in there["ContentType"]
        assert there["Body"].read()


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ({"s3_key": "x.json", "s3_bucket": "no-such-bucket"}, "output_refused"),
        ({"url": "{receiver}/status/403?X-Amz-Signature=abc"}, "output_refused"),
    ],
)
def test_what_was_computed_comes_back_where_it_could_not_be_put(
    shared_worker: DemoWorker, receiver: LocalServer, key: str, output: dict[str, str], code: str
) -> None:
    output = {name: text.replace("{receiver}", receiver.url("")) for name, text in output.items()}
    answer = shared_worker.completed(shared_worker.run({"s3_key": key, "end": 8, "output": output}))
    assert answer["timestamps"]["word"]
    assert answer["output"]["error_code"] == code
    assert "could not be put" in answer["warnings"][-1]


def test_a_webhook_is_told_signed_of_the_end_and_of_progress(
    shared_worker: DemoWorker, receiver: LocalServer, key: str
) -> None:
    hook = {"url": receiver.url("/hook?id=7"), "secret": "a secret", "progress": True}
    job = shared_worker.run({"s3_key": key, "webhook": hook})
    output = shared_worker.completed(job)
    calls = [
        (headers, body, json.loads(body))
        for path, headers, body in receiver.taken
        if path == "/hook?id=7"
    ]
    told = [message["type"] for _, _, message in calls]
    assert told[-1] == "job.completed"
    assert told.count("job.completed") == 1
    assert set(told[:-1]) == {"job.progress"}
    assert {message["job_id"] for _, _, message in calls} == {job}
    assert calls[-1][2]["data"] == output
    for headers, body, _ in calls:
        assert headers["webhook-signature"] == webhook.signature(
            "a secret", headers["webhook-id"], headers["webhook-timestamp"], body
        )


def test_a_webhook_is_told_of_a_failure(shared_worker: DemoWorker, receiver: LocalServer) -> None:
    job = shared_worker.run({"s3_key": "no/such/key", "webhook": receiver.url("/failures")})
    assert shared_worker.finished(job)["status"] == "FAILED"
    ((_, headers, body),) = [call for call in receiver.taken if call[0] == "/failures"]
    message = json.loads(body)
    assert message["type"] == "job.failed"
    assert message["data"]["error_code"] == "source_not_found"
    assert "webhook-signature" not in headers


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"webhook": "http://169.254.169.254/latest"}, "public"),
        ({"output": {"url": "http://10.0.0.8/x"}}, "public"),
        ({"stream": True}, "PARAKEET_STREAM"),
        ({"include": ["tekst"]}, "tekst"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_fetched(
    shared_worker: DemoWorker, key: str, fields: dict[str, object], told: str
) -> None:
    job = shared_worker.run({"s3_key": key, **fields})
    view = shared_worker.finished(job)
    assert view["status"] == "FAILED"
    assert told in view["error"]
    assert shared_worker.stages(job) == []


def test_percent_never_falls_and_ends_below_a_hundred(shared_worker: DemoWorker, key: str) -> None:
    job = shared_worker.run({"s3_key": key})
    shared_worker.completed(job)
    updates = [event["output"] for event in shared_worker.endpoint.events("progress", job=job)]
    percents = [update["percent"] for update in updates]
    assert percents == sorted(percents)
    assert percents[-1] < 100
    assert any("remaining_s" in update for update in updates)  # this worker has heard it before


# ---------------------------------------------------------------- an endpoint that streams


@pytest.fixture(scope="module")
def streaming_worker(
    bucket: Bucket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoWorker]:
    more = {**bucket.worker_variables(), "PARAKEET_STREAM": "true"}
    directory = tmp_path_factory.mktemp("streaming")
    with (
        endpoint() as control,
        demo_worker(control, "streaming", directory, more) as worker,
    ):
        yield worker


def test_segments_are_streamed_and_the_answer_comes_last(
    streaming_worker: DemoWorker, key: str
) -> None:
    job = streaming_worker.run({"s3_key": key, "stream": True})
    view = streaming_worker.finished(job)
    assert view["status"] == "COMPLETED", view
    streamed = [
        chunk["output"] for chunk in streaming_worker.endpoint.get(f"stream/{job}")["stream"]
    ]
    assert streamed == view["output"]  # aggregated
    *segments, last = streamed
    assert {chunk["type"] for chunk in segments} == {"segment"}
    assert last["type"] == "result"
    assert " ".join(chunk["text"] for chunk in segments) == last["result"]["text"]
    assert last["result"]["speakers"]


def test_a_job_that_wants_no_segments_gets_its_answer_as_a_chunk(
    streaming_worker: DemoWorker, key: str
) -> None:
    (chunk,) = streaming_worker.finished(streaming_worker.run({"s3_key": key, "end": 8}))["output"]
    assert chunk["type"] == "result"
    assert chunk["result"]["success"] is True


def test_a_failure_on_a_streaming_endpoint_says_its_code(streaming_worker: DemoWorker) -> None:
    job = streaming_worker.run({"s3_key": "no/such/key", "stream": True})
    view = streaming_worker.finished(job)
    assert view["status"] == "FAILED"
    assert view["error"].startswith("source_not_found: ")
    (chunk,) = [c["output"] for c in streaming_worker.endpoint.get(f"stream/{job}")["stream"]]
    assert (chunk["type"], chunk["error_code"]) == ("failure", "source_not_found")
