"""The client of an endpoint, against the stand-in control plane, through RunPod's own package."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import config
from client.chunks import Assembly
from client.endpoint import Client
from client.errors import TranscriptionError
from client.transcript import Segment
from speech import chunks
from speech.types import Progress
from tests import worker_process
from tests.control_plane import ENDPOINT_ID
from tests.control_plane_state import Rules
from tests.s3_server import ACCESS_KEY, REGION, SECRET_KEY, Bucket
from tests.scripted_worker import ANSWER, Job, ScriptedWorker, scripted_worker
from tests.worker_process import Endpoint

RULES = Rules(lease_s=120, poll_s=0.1)
POLL_S = 0.05


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with worker_process.endpoint(RULES) as endpoint:
        yield endpoint


@pytest.fixture
def worker(endpoint: Endpoint) -> Iterator[ScriptedWorker]:
    with scripted_worker(endpoint) as worker:
        yield worker


@pytest.fixture
def client(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    import runpod

    monkeypatch.setattr(runpod, "endpoint_url_base", f"{endpoint.url}/v2")
    client = Client(ENDPOINT_ID, "any", poll_s=POLL_S)
    yield client
    client.close()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Some bytes: the scripted worker does not listen."""
    path = tmp_path / "Gespräch 1.WAV"
    path.write_bytes(bytes(range(256)) * 40)
    return path


@pytest.fixture
def s3_settings(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in {
        "S3_ACCESS_KEY": ACCESS_KEY,
        "S3_SECRET_KEY": SECRET_KEY,
        "S3_ENDPOINT": bucket.endpoint,
        "S3_BUCKET": bucket.name,
        "S3_REGION": REGION,
    }.items():
        monkeypatch.setattr(config, name, value)
    return bucket


def last_job(endpoint: Endpoint, status: str) -> str:
    """The job that was queued last; waits until it has ended so."""
    job = str(endpoint.events("queued")[-1]["job"])
    assert endpoint.event("final", job=job)["status"] == status
    return job


def test_a_url_comes_back_as_a_transcript(worker: ScriptedWorker, client: Client) -> None:
    transcript = client.transcribe("https://host.example/a.mp3", num_speakers=2, language="en")
    assert worker.inputs == [
        {"audio_url": "https://host.example/a.mp3", "num_speakers": 2, "language": "en"}
    ]
    assert transcript.text == ANSWER["text"]
    assert [word.text for word in transcript.words] == transcript.text.split()
    assert [segment.speaker for segment in transcript.segments] == ["SPEAKER_00", "SPEAKER_01"]
    assert [(one.id, one.talk_time_s, one.turns) for one in transcript.speakers] == [
        ("SPEAKER_00", 0.9, 1),
        ("SPEAKER_01", 1.4, 1),
    ]
    assert transcript.raw == ANSWER


def test_many_jobs_wait_at_once(worker: ScriptedWorker, client: Client) -> None:
    worker.script = lambda job: job.done({**ANSWER, "text": job.input["audio_url"]})
    urls = [f"https://host.example/{number}" for number in range(20)]

    async def all_at_once() -> list[str]:
        found = await asyncio.gather(*(client.transcribe_async(url) for url in urls))
        return [transcript.text for transcript in found]

    assert asyncio.run(all_at_once()) == urls


def test_a_small_file_goes_inside_the_request(
    worker: ScriptedWorker, client: Client, recording: Path
) -> None:
    for transcript in (
        client.transcribe(recording),
        asyncio.run(client.transcribe_async(str(recording))),
    ):
        assert transcript.text == ANSWER["text"]
    sent = [base64.b64decode(one["audio_base64"]) for one in worker.inputs]
    assert sent == [recording.read_bytes()] * 2


def test_a_file_too_large_for_a_request_is_refused_before_it_is_sent(
    endpoint: Endpoint, client: Client, tmp_path: Path
) -> None:
    before = len(endpoint.events("queued"))
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(7_500_001))
    with pytest.raises(TranscriptionError, match="S3_BUCKET") as error:
        client.transcribe(large)
    assert (error.value.code, error.value.retryable) == ("recording_too_large", False)
    assert len(endpoint.events("queued")) == before


def test_the_largest_file_that_fits_is_taken(
    worker: ScriptedWorker, client: Client, tmp_path: Path
) -> None:
    fits = tmp_path / "fits.wav"
    fits.write_bytes(bytes(7_499_000))
    client.transcribe(fits)
    assert len(base64.b64decode(worker.inputs[0]["audio_base64"])) == 7_499_000


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_file_goes_by_the_bucket_and_is_removed_from_it(
    worker: ScriptedWorker,
    client: Client,
    recording: Path,
    s3_settings: Bucket,
    asynchronous: bool,
) -> None:
    received: list[bytes] = []

    def fetch(job: Job) -> None:
        from urllib.request import urlopen

        with urlopen(job.input["audio_url"]) as answer:
            received.append(answer.read())
        job.done(ANSWER)

    worker.script = fetch
    told: list[Progress] = []
    if asynchronous:
        asyncio.run(client.transcribe_async(recording, on_progress=told.append))
    else:
        client.transcribe(recording, on_progress=told.append)
    assert received == [recording.read_bytes()]
    # Whoever reads logs learns nothing from a key.
    assert "Gespr" not in urlsplit(worker.inputs[0]["audio_url"]).path
    assert [one.fraction for one in told if one.stage == "upload"][-1] == 1.0
    there = s3_settings.client.list_objects_v2(Bucket=s3_settings.name, Prefix="parakeet-uploads/")
    assert there["KeyCount"] == 0


def test_a_bucket_that_refuses_is_named(
    client: Client, recording: Path, s3_settings: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "S3_BUCKET", "no-such-bucket")
    with pytest.raises(TranscriptionError, match="NoSuchBucket") as error:
        client.transcribe(recording)
    assert (error.value.code, error.value.retryable) == ("upload_failed", False)


@pytest.mark.parametrize(
    ("output", "error", "expected"),
    [
        (
            {"success": False, "error_code": "no_audio", "message": "silent", "retryable": False},
            "silent",
            ("no_audio", "silent", False),
        ),
        (
            {"success": False, "error_code": "source_unreachable", "retryable": True},
            "try again",
            ("source_unreachable", "try again", True),
        ),
        (None, "the worker died", ("job_failed", "the worker died", False)),
        (
            [{"success": False, "error_code": "no_audio", "message": "silent", "retryable": True}],
            "silent",
            ("no_audio", "silent", True),
        ),
    ],
)
def test_a_failure_keeps_its_code(
    worker: ScriptedWorker,
    client: Client,
    output: Any,
    error: str,
    expected: tuple[str, str, bool],
) -> None:
    worker.script = lambda job: job.done(output, error)
    with pytest.raises(TranscriptionError) as raised:
        client.transcribe("https://host.example/a.mp3")
    found = raised.value
    assert (found.code, found.message, found.retryable) == expected


def test_a_job_without_an_answer_is_a_failure(worker: ScriptedWorker, client: Client) -> None:
    worker.script = lambda job: job.done(None)
    with pytest.raises(TranscriptionError) as error:
        client.transcribe("https://host.example/a.mp3")
    assert error.value.code == "job_failed"


def test_progress_is_told_as_it_changes(worker: ScriptedWorker, client: Client) -> None:
    seen = threading.Semaphore(0)

    def script(job: Job) -> None:
        for percent in (10, 70):
            job.progress(stage="transcribe", percent=percent, remaining_s=9)
            assert seen.acquire(timeout=30)
        job.done(ANSWER)

    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        told.append(progress)
        if progress.stage == "transcribe":
            seen.release()

    worker.script = script
    client.transcribe("https://host.example/a.mp3", on_progress=tell)
    assert [(one.stage, one.fraction, one.remaining_s) for one in told if one.fraction] == [
        ("transcribe", 0.1, 9),
        ("transcribe", 0.7, 9),
    ]


def chunks_of(answer: dict[str, Any], parts: int) -> list[dict[str, Any]]:
    """The result in pieces, as an endpoint that streams sends it."""
    if parts == 1:
        return [{"type": "result", "result": answer}]
    text = json.dumps(answer)
    size = len(text) // parts + 1
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return [
        {"type": "result_part", "part": number, "parts": len(pieces), "text": piece}
        for number, piece in enumerate(pieces, 1)
    ]


@pytest.mark.parametrize("parts", [1, 5])
@pytest.mark.parametrize("aggregate", [True, False])
def test_segments_come_as_they_are_heard_and_the_result_last(
    worker: ScriptedWorker, client: Client, parts: int, aggregate: bool
) -> None:
    first_seen = threading.Event()

    def script(job: Job) -> None:
        segments = [{"type": "segment", **one} for one in ANSWER["timestamps"]["segment"]]
        job.stream(segments[0])
        assert first_seen.wait(30), "the first segment is to be told before the job ends"
        rest = [*segments[1:], *chunks_of(ANSWER, parts)]
        for chunk in rest:
            job.stream(chunk)
        job.done([segments[0], *rest] if aggregate else [])

    heard: list[Segment] = []

    def hear(segment: Segment) -> None:
        heard.append(segment)
        first_seen.set()

    worker.script = script
    transcript = client.transcribe("https://host.example/a.mp3", on_segment=hear)
    assert worker.inputs[0]["stream"] is True
    assert tuple(heard) == transcript.segments
    assert transcript.raw == ANSWER


@pytest.mark.parametrize("parts", [1, 5])
def test_who_does_not_listen_to_the_stream_gets_the_result_too(
    worker: ScriptedWorker, client: Client, parts: int
) -> None:
    segments = [{"type": "segment", **one} for one in ANSWER["timestamps"]["segment"]]
    worker.script = lambda job: job.done([*segments, *chunks_of(ANSWER, parts)])
    assert client.transcribe("https://host.example/a.mp3").raw == ANSWER
    worker.script = lambda job: job.done([ANSWER])
    assert client.transcribe("https://host.example/a.mp3").raw == ANSWER


@pytest.mark.parametrize("filler", ["", 'ä"\\\u2028' * 400_000], ids=["whole", "parts"])
def test_what_the_worker_streams_is_put_together(filler: str) -> None:
    answer = {**ANSWER, "text": ANSWER["text"] + filler}
    streamed = list(chunks.of_answer(answer))
    assert (len(streamed) > 1) == bool(filler)
    assembly = Assembly()
    for chunk in streamed[::-1]:
        assert assembly.result() is None
        assert assembly.add(chunk) is None
    assert assembly.result() == answer


def test_a_job_that_takes_too_long_is_cancelled(
    endpoint: Endpoint, worker: ScriptedWorker, client: Client
) -> None:
    worker.script = Job.hang
    with pytest.raises(TranscriptionError, match=r"0\.2 s") as error:
        client.transcribe("https://host.example/a.mp3", timeout_s=0.2)
    assert (error.value.code, error.value.retryable) == ("timed_out", True)
    last_job(endpoint, "CANCELLED")


def test_an_error_of_the_caller_cancels_the_job(
    endpoint: Endpoint, worker: ScriptedWorker, client: Client
) -> None:
    def script(job: Job) -> None:
        job.progress(stage="decode", percent=1)
        job.hang()

    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    worker.script = script
    with pytest.raises(KeyboardInterrupt):
        client.transcribe("https://host.example/a.mp3", on_progress=interrupt)
    last_job(endpoint, "CANCELLED")


def test_a_task_that_is_cancelled_cancels_its_job_and_takes_its_upload_back(
    endpoint: Endpoint, worker: ScriptedWorker, client: Client, recording: Path, s3_settings: Bucket
) -> None:
    worker.script = Job.hang

    async def cancel_while_it_runs() -> None:
        work = asyncio.create_task(client.transcribe_async(recording))
        await asyncio.to_thread(
            worker_process.wait_for, "the job", lambda: worker.inputs, timeout_s=30
        )
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(cancel_while_it_runs())
    last_job(endpoint, "CANCELLED")
    there = s3_settings.client.list_objects_v2(Bucket=s3_settings.name, Prefix="parakeet-uploads/")
    assert there["KeyCount"] == 0


def test_an_upload_that_is_cancelled_leaves_nothing(
    endpoint: Endpoint, client: Client, tmp_path: Path, s3_settings: Bucket
) -> None:
    before = len(endpoint.events("queued"))
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(40 << 20))

    async def cancel_while_it_is_sent() -> None:
        loop = asyncio.get_running_loop()

        def cancel(progress: Progress) -> None:
            loop.call_soon_threadsafe(work.cancel)

        work = asyncio.create_task(client.transcribe_async(large, on_progress=cancel))
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(cancel_while_it_is_sent())
    name = s3_settings.name
    there = s3_settings.client.list_objects_v2(Bucket=name, Prefix="parakeet-uploads/")
    assert there["KeyCount"] == 0
    assert "Uploads" not in s3_settings.client.list_multipart_uploads(Bucket=name)
    assert len(endpoint.events("queued")) == before


def test_a_result_that_lies_in_a_bucket_is_fetched(
    worker: ScriptedWorker, client: Client, bucket: Bucket
) -> None:
    bucket.put("results/a.json", json.dumps(ANSWER).encode())
    bucket.put("results/a.srt", "1\n…\n".encode())
    stored: dict[str, dict[str, str]] = {
        name: {"s3_key": f"results/a.{name}", "url": bucket.presign(f"results/a.{name}")}
        for name in ("json", "srt")
    }
    receipt = {"success": True, "text": "Good", "counts": {"words": 5}, "output": stored}
    worker.script = lambda job: job.done(receipt)
    transcript = client.transcribe("https://host.example/a.mp3")
    assert transcript.text == ANSWER["text"]
    assert transcript.formats == {"srt": "1\n…\n"}
    assert transcript.raw["output"] == stored
    bucket.client.delete_object(Bucket=bucket.name, Key="results/a.srt")
    with pytest.raises(TranscriptionError, match=r"results/a\.srt") as error:
        client.transcribe("https://host.example/a.mp3")
    assert (error.value.code, error.value.retryable) == ("output_unreachable", True)
    # The caller's own presigned PUT cannot be read from.
    del stored["json"]["url"]
    assert client.transcribe("https://host.example/a.mp3").text == "Good"


def test_a_failure_on_an_endpoint_that_streams_keeps_its_code(
    worker: ScriptedWorker, client: Client
) -> None:
    said = {"error_code": "no_audio", "message": "silent", "retryable": True}

    def script(job: Job) -> None:
        job.stream({"type": "failure", **said})
        job.done(None, "no_audio: silent")

    worker.script = script
    with pytest.raises(TranscriptionError) as heard:
        client.transcribe("https://host.example/a.mp3", on_segment=print)
    with pytest.raises(TranscriptionError) as unheard:
        client.transcribe("https://host.example/a.mp3")
    assert (heard.value.code, heard.value.message, heard.value.retryable) == (
        "no_audio",
        "silent",
        True,
    )
    # RunPod keeps the text alone.
    assert (unheard.value.code, unheard.value.message) == ("no_audio", "silent")


def test_a_job_cancelled_elsewhere_says_so(
    endpoint: Endpoint, worker: ScriptedWorker, client: Client
) -> None:
    worker.script = lambda job: (endpoint.cancel(job.id), None)[1]
    with pytest.raises(TranscriptionError) as error:
        client.transcribe("https://host.example/a.mp3")
    assert error.value.code == "cancelled"


def test_a_missing_file_and_an_endpoint_that_is_none(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint
) -> None:
    with pytest.raises(TranscriptionError) as error:
        client.transcribe(tmp_path / "none.wav")
    assert error.value.code == "source_not_found"
    import runpod

    monkeypatch.setattr(runpod, "endpoint_url_base", f"{endpoint.url}/v9")
    elsewhere = Client(ENDPOINT_ID, "any")
    with pytest.raises(TranscriptionError) as error:
        elsewhere.transcribe("https://host.example/a.mp3")
    elsewhere.close()
    assert error.value.code == "endpoint_refused"


def test_a_client_without_a_key_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    with pytest.raises(TranscriptionError, match="RUNPOD_API_KEY"):
        Client(ENDPOINT_ID)
