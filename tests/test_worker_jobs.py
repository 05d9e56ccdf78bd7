"""Whole jobs: the real worker loop, the real engine, the demo models, one worker for all tests."""

from __future__ import annotations

import io
import json
import urllib.request

import jiwer
import pytest
import soundfile

from tests.control_plane import ENDPOINT_ID
from tests.demo_worker import (
    STAGES,
    SYNC_RESULT_LIMIT_BYTES,
    DemoWorker,
    conversation_base64,
    conversation_reference,
)
from tests.environments import CONVERSATION
from tests.models import RATE_HZ, read_conversation
from tests.s3_server import SECRET_KEY, Bucket

pytestmark = pytest.mark.usefixtures("shared_worker")


@pytest.fixture(scope="module")
def key(bucket: Bucket) -> str:
    """The demo conversation in the bucket."""
    bucket.put("some folder/conversation.flac", CONVERSATION.read_bytes())
    return "some folder/conversation.flac"


def plain(text: str) -> str:
    """Lower case without punctuation: what the error rate of words is counted on."""
    return " ".join("".join(c if c.isalnum() or c == "'" else " " for c in text.lower()).split())


def test_run_transcribes_a_base64_recording(shared_worker: DemoWorker) -> None:
    reference = conversation_reference()
    payload = {"audio_base64": conversation_base64(), "num_speakers": len(reference["speakers"])}
    job = shared_worker.run(payload)
    output = shared_worker.completed(job)
    spoken = " ".join(turn["text"] for turn in reference["turns"])
    assert output["success"] is True
    # That this recording was heard, in this order. How well, tests/test_demo_speech.py measures.
    assert jiwer.wer(plain(spoken), plain(output["text"])) < 0.4
    assert output["duration"] == pytest.approx(reference["duration_s"], abs=0.1)
    words = output["timestamps"]["word"]
    assert " ".join(word["word"] for word in words) == output["text"]
    assert len({word["speaker"] for word in words}) == len(reference["speakers"])
    assert {speaker["id"] for speaker in output["speakers"]} == {w["speaker"] for w in words}
    assert output["warnings"] == []
    assert shared_worker.stages(job)


def test_runsync_transcribes_a_presigned_url(
    shared_worker: DemoWorker, bucket: Bucket, key: str
) -> None:
    view = shared_worker.endpoint.runsync(
        {"audio_url": bucket.presign(key), "timestamps": False, "diarize": False}
    )
    assert view["status"] == "COMPLETED", view
    assert view["output"]["success"] is True
    assert view["output"]["text"]


def test_every_way_in_gives_the_same_text(
    shared_worker: DemoWorker, bucket: Bucket, key: str
) -> None:
    sources: list[dict[str, object]] = [
        {"audio_base64": "data:audio/flac;base64," + conversation_base64()},
        {"audio": bucket.presign(key)},
        {"s3_key": key},
        {"s3_key": key, "s3_bucket": bucket.name},
    ]
    jobs = [shared_worker.run({**source, "diarize": False}) for source in sources]
    outputs = [shared_worker.completed(job) for job in jobs]
    assert outputs[0]["text"]
    assert {output["text"] for output in outputs} == {outputs[0]["text"]}


def test_two_jobs_at_once_get_their_own_answers(
    shared_worker: DemoWorker, long_recording: str, key: str
) -> None:
    endpoint = shared_worker.endpoint
    long = shared_worker.run({"s3_key": long_recording})
    part = shared_worker.run({"s3_key": key, "start": 20, "end": 32})
    long_output, part_output = shared_worker.completed(long), shared_worker.completed(part)
    assert endpoint.event("given", job=part)["seq"] < endpoint.event("final", job=long)["seq"]
    assert part_output["duration"] == pytest.approx(12, abs=0.1)
    assert long_output["duration"] > 60
    words = part_output["timestamps"]["word"]
    assert words
    assert all(20 <= word["start"] <= word["end"] <= 32.1 for word in words)
    assert long_output["timestamps"]["word"][-1]["end"] > 60


def test_short_recordings_that_come_together_are_answered_as_alone(
    shared_worker: DemoWorker, bucket: Bucket
) -> None:
    """They share passes of both models; the times and the speakers are exactly their own."""
    speech = read_conversation()
    requests = []
    for index, (begin_s, end_s) in enumerate(((0, 4), (6, 11), (13, 16), (20, 29), (31, 36))):
        buffer = io.BytesIO()
        soundfile.write(buffer, speech[begin_s * RATE_HZ : end_s * RATE_HZ], RATE_HZ, format="FLAC")
        bucket.put(f"clip-{index}.flac", buffer.getvalue())
        requests.append({"s3_key": f"clip-{index}.flac"})
    together = [shared_worker.completed(job) for job in map(shared_worker.run, requests)]
    for request, output in zip(requests, together, strict=True):
        alone = shared_worker.completed(shared_worker.run(request))
        assert alone["text"]
        for answer in (alone, output):
            del answer["timings"]
            for word in answer["timestamps"]["word"]:
                word["confidence"] = pytest.approx(word["confidence"], abs=2e-4)
        assert output == alone


def test_a_job_says_whether_it_was_cold_and_how_long_each_stage_took(
    shared_worker: DemoWorker,
) -> None:
    output = shared_worker.completed(shared_worker.run({"audio_base64": conversation_base64()}))
    timings = output["timings"]
    assert list(timings) == [
        "download", "decode", "queue", "transcribe", "diarize", "label", "total"
    ]  # fmt: skip
    assert output["cold_start"] is False
    assert 0 < max(timings["transcribe"], timings["diarize"]) <= timings["total"]
    lines = [line for line in shared_worker.process.log().splitlines() if '"event": "job"' in line]
    line = json.loads(lines[-1].partition("INFO worker: ")[2])
    assert line["ok"]
    assert line["source"] == "base64"
    assert line["timings_s"] == pytest.approx(timings, abs=0.002)


def test_progress_is_in_order_and_ends_before_the_result(
    shared_worker: DemoWorker, key: str
) -> None:
    endpoint = shared_worker.endpoint
    endpoint.faults(progress_delay_s=0.5)
    try:
        job = shared_worker.run({"s3_key": key})
        shared_worker.completed(job)
        # What the first job still had under way would have come before the second one's end.
        shared_worker.completed(shared_worker.run({"s3_key": key, "end": 2}))
    finally:
        endpoint.faults()
    posts = endpoint.events("progress", job=job)
    assert posts[-1]["seq"] < endpoint.event("result", job=job)["seq"]
    assert all(post["accepted"] for post in posts)
    order = [STAGES.index(stage) for stage in shared_worker.stages(job) if stage != "load"]
    assert order == sorted(order)
    assert len(set(order)) >= 2
    percents = [post["output"].get("percent") for post in posts]
    assert all(percent is None or 0 <= percent <= 100 for percent in percents)


def test_a_cancelled_job_ends_and_the_worker_takes_the_next_one(
    shared_worker: DemoWorker, long_recording: str, key: str
) -> None:
    endpoint = shared_worker.endpoint
    job = shared_worker.run({"s3_key": long_recording})
    shared_worker.reached(job, "transcribe")
    assert endpoint.cancel(job)["status"] == "CANCELLED"
    shared_worker.completed(shared_worker.run({"s3_key": key, "diarize": False}))
    assert endpoint.events("result", job=job) == []
    shared_worker.wait_until_clean()


def test_a_job_that_is_cancelled_while_it_waits_for_the_engine_leaves_the_other_alone(
    shared_worker: DemoWorker, long_recording: str, key: str
) -> None:
    endpoint = shared_worker.endpoint
    busy = shared_worker.run({"s3_key": long_recording, "diarize": False})
    shared_worker.reached(busy, "transcribe")
    # Speakers would be looked for at once, beside the other's words: nothing would wait.
    waiting = shared_worker.run({"s3_key": key, "diarize": False})
    shared_worker.reached(waiting, "queue")
    engine = shared_worker.engine()
    endpoint.cancel(waiting)
    assert shared_worker.completed(busy)["success"] is True
    assert engine.is_running(), "it had not let go of a job that it had not begun"
    assert endpoint.events("result", job=waiting) == []
    shared_worker.wait_until_clean()


def test_the_execution_timeout_ends_a_job_and_the_worker_takes_the_next_one(
    shared_worker: DemoWorker, long_recording: str, key: str
) -> None:
    endpoint = shared_worker.endpoint
    shared_worker.completed(
        shared_worker.run({"s3_key": key, "diarize": False})
    )  # models are loaded
    job = shared_worker.run({"s3_key": long_recording}, timeout_s=2)
    assert shared_worker.finished(job)["status"] == "TIMED_OUT"
    shared_worker.completed(shared_worker.run({"s3_key": key, "diarize": False}))
    assert endpoint.events("result", job=job) == []
    shared_worker.wait_until_clean()


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({}, "invalid_input"),
        ([1], "invalid_input"),
        ("text", "invalid_input"),
        ({"s3_key": "some/key", "timestamp_level": "word"}, "invalid_input"),
        ({"s3_key": "some/key", "\ud800": 1}, "invalid_input"),
        ({"audio_url": "http://169.254.169.254/latest/meta-data"}, "url_refused"),
        ({"s3_key": "no/such/key"}, "source_not_found"),
        ({"audio_base64": "bm90IG1lZGlhIGF0IGFsbA=="}, "not_media"),
    ],
)
def test_a_failure_tells_clients_of_rest_and_of_the_package_what_was_wrong(
    shared_worker: DemoWorker, monkeypatch: pytest.MonkeyPatch, payload: object, code: str
) -> None:
    import runpod

    view = shared_worker.finished(shared_worker.run(payload))
    assert view["status"] == "FAILED"
    assert isinstance(view["error"], str)
    output = view["output"]
    assert (output["success"], output["error_code"], output["retryable"]) == (False, code, False)
    assert output["message"] == view["error"]

    monkeypatch.setattr(runpod, "endpoint_url_base", f"{shared_worker.endpoint.url}/v2")
    client = runpod.Endpoint(ENDPOINT_ID, api_key="any")
    assert client.run_sync({"input": payload} if payload else {}, timeout=60) == output
    client.rp_client.rp_session.close()


def test_a_result_over_the_limit_is_refused_with_a_code(
    shared_worker: DemoWorker, key: str
) -> None:
    payload = {"s3_key": key, "timestamps": ["word", "segment", "char"]}
    assert shared_worker.completed(shared_worker.run(payload))["success"] is True
    view = shared_worker.endpoint.runsync(payload)
    assert view["status"] == "COMPLETED", view
    receipt = view["output"]
    assert str(SYNC_RESULT_LIMIT_BYTES) in receipt["warnings"][-1]
    stored = receipt["output"]["json"]
    whole = json.loads(urllib.request.urlopen(stored["url"]).read())
    assert stored["s3_key"] == f"parakeet-results/{view['id']}.json"
    assert set(whole["timestamps"]) == {"word", "segment", "char"}
    assert whole["text"].startswith(receipt["text"])
    assert receipt["counts"]["words"] == len(whole["timestamps"]["word"])
    small = shared_worker.endpoint.runsync({"s3_key": key, "timestamps": False, "end": 5})
    assert small["status"] == "COMPLETED", small
    posted = shared_worker.endpoint.event("result", job=small["id"])
    assert posted["size_bytes"] <= SYNC_RESULT_LIMIT_BYTES


def test_neither_transcripts_nor_signatures_are_logged(
    shared_worker: DemoWorker, bucket: Bucket, key: str
) -> None:
    urls = [bucket.presign(key), bucket.presign("no/such/key")]
    good, bad = (shared_worker.run({"audio_url": url}) for url in urls)
    output = shared_worker.completed(good)
    view = shared_worker.finished(bad)
    assert view["output"]["error_code"] == "source_not_found"
    log = shared_worker.process.log()
    assert good in log, "the log names the job"
    said = [segment["text"] for segment in output["timestamps"]["segment"]]
    assert len(said) > 3
    assert [text for text in said if text in log] == []
    pairs = [pair for url in urls for pair in url.partition("?")[2].split("&")]
    secrets = [SECRET_KEY, *(value for name, _, value in (p.partition("=") for p in pairs))]
    assert any("ignature" in pair for pair in pairs)
    assert [secret for secret in secrets if secret in log or secret in str(view)] == []
