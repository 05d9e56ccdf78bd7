"""The stand-in control plane against the real worker loop and the real client of runpod."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from tests import worker_process
from tests.control_plane import ENDPOINT_ID
from tests.control_plane_state import Rules
from tests.environments import ROOT, worker_python
from tests.worker_process import Endpoint, WorkerProcess

RULES = Rules(lease_s=5, max_attempts=2, poll_s=2, max_run_result_bytes=100_000)


def echo_worker(
    endpoint: Endpoint, name: str, directory: Path
) -> AbstractContextManager[WorkerProcess]:
    command = [str(worker_python()), "-u", str(ROOT / "tests" / "echo_worker.py")]
    return worker_process.worker(endpoint, name, command, directory / f"{name}.log")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """An endpoint with one worker that takes two jobs at once."""
    directory = tmp_path_factory.mktemp("shared")
    with worker_process.endpoint(RULES) as endpoint, echo_worker(endpoint, "shared", directory):
        yield endpoint


@pytest.fixture
def idle() -> Iterator[Endpoint]:
    """An endpoint without workers."""
    with worker_process.endpoint(RULES) as endpoint:
        yield endpoint


def test_run_gives_each_of_many_jobs_its_own_output(shared: Endpoint) -> None:
    jobs = [shared.run({"number": number}) for number in range(4)]
    views = [shared.finished(job) for job in jobs]
    assert [view["status"] for view in views] == ["COMPLETED"] * 4
    assert [view["output"]["echo"] for view in views] == [{"number": n} for n in range(4)]
    assert shared.get("health")["workers"]["running"] == 0


def test_two_jobs_are_in_progress_at_once(shared: Endpoint) -> None:
    jobs = [shared.run({"sleep_s": 30}) for _ in range(2)]
    for job in jobs:
        shared.event("given", job=job)
    assert shared.get("health")["jobs"]["inProgress"] == 2
    for job in jobs:
        assert shared.cancel(job)["status"] == "CANCELLED"


def test_runsync_answers_with_the_output(shared: Endpoint) -> None:
    view = shared.runsync({"number": 1})
    assert view["status"] == "COMPLETED"
    assert view["output"]["echo"] == {"number": 1}
    assert view["id"].startswith("sync-")


def test_runsync_answers_before_the_end_when_its_wait_is_over(shared: Endpoint) -> None:
    view = shared.runsync({"sleep_s": 30}, wait_ms=1000)
    assert view["status"] in ("IN_QUEUE", "IN_PROGRESS")
    shared.cancel(view["id"])


def test_an_error_key_fails_the_job_and_leaves_the_rest_of_the_output(shared: Endpoint) -> None:
    view = shared.finished(shared.run({"fail": "what was wrong"}))
    assert view["status"] == "FAILED"
    assert view["error"] == "what was wrong"
    assert view["output"] == {"error_code": "failed"}


def test_retry_runs_a_failed_job_again_under_its_id(shared: Endpoint) -> None:
    job = shared.run({"fail": "always"})
    shared.finished(job)
    status, view = shared.post(f"retry/{job}")
    assert (status, view["id"], view["status"]) == (200, job, "IN_QUEUE")
    shared.finished(job)
    assert len(shared.events("given", job=job)) == 2


def test_cancel_stops_the_handler_and_nothing_is_posted(shared: Endpoint) -> None:
    job = shared.run({"sleep_s": 30})
    shared.event("given", job=job)
    assert shared.cancel(job)["status"] == "CANCELLED"
    assert job in shared.event("stop", jobs=[job])["jobs"]
    assert shared.finished(shared.run({}))["status"] == "COMPLETED"
    assert shared.events("result", job=job) == []


def test_execution_timeout_ends_the_job_and_stops_the_handler(shared: Endpoint) -> None:
    job = shared.run({"sleep_s": 30}, executionTimeout=1000)
    view = shared.finished(job)
    assert view["status"] == "TIMED_OUT"
    assert "1 s" in view["error"]
    shared.event("stop", jobs=[job])


@pytest.mark.parametrize(
    ("payload", "reason"), [({"nan": True}, "NaN"), ({"padding_bytes": 100_000}, "100000 bytes")]
)
def test_a_refused_result_is_lost_and_only_the_timeout_ends_the_job(
    shared: Endpoint, payload: dict[str, object], reason: str
) -> None:
    """The package logs the refusal and goes on as if nothing had happened."""
    job = shared.run(payload, executionTimeout=3000)
    assert reason in shared.event("refused", job=job)["reason"]
    assert shared.finished(job)["status"] == "TIMED_OUT"
    assert shared.events("result", job=job) == []


def test_the_limit_of_results_is_higher_for_runsync(shared: Endpoint) -> None:
    assert shared.runsync({"padding_bytes": 100_000})["status"] == "COMPLETED"


def test_progress_is_logged_in_the_order_of_its_arrival(shared: Endpoint) -> None:
    job = shared.run({"progress": 3, "sleep_s": 1})
    shared.event("given", job=job)
    shared.finished(job)
    posts = shared.events("progress", job=job)
    assert sorted(post["output"]["step"] for post in posts) == [0, 1, 2]
    assert [post["seq"] for post in posts] == sorted(post["seq"] for post in posts)


def test_progress_that_comes_after_the_result_is_not_accepted(shared: Endpoint) -> None:
    shared.faults(progress_delay_s=1)
    try:
        job = shared.run({"progress": 1})
        late = shared.event("progress", job=job)
    finally:
        shared.faults()
    assert not late["accepted"]
    assert late["seq"] > shared.event("result", job=job)["seq"]
    assert shared.view(job)["output"]["echo"] == {"progress": 1}


def test_a_result_post_that_fails_once_is_repeated_by_the_worker(shared: Endpoint) -> None:
    shared.faults(done_502=1)
    assert shared.finished(shared.run({}))["status"] == "COMPLETED"
    assert shared.events("done_502")


def test_the_client_of_runpod_runs_and_cancels(
    shared: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    import runpod

    monkeypatch.setattr(runpod, "endpoint_url_base", f"{shared.url}/v2")
    client = runpod.Endpoint(ENDPOINT_ID, api_key="any")
    assert client.run({"number": 7}).output(timeout=60)["echo"] == {"number": 7}
    assert client.run_sync({"number": 8})["echo"] == {"number": 8}
    assert client.run_sync({"input": {"fail": "hidden from this client"}}) == {
        "error_code": "failed"
    }
    job = client.run({"sleep_s": 30})
    assert job.status() in ("IN_QUEUE", "IN_PROGRESS")
    assert job.cancel()["status"] == job.status() == "CANCELLED"
    assert client.health()["jobs"]["completed"] >= 2
    client.rp_client.rp_session.close()


@pytest.mark.parametrize(("path", "limit"), [("run", 10 << 20), ("runsync", 20 << 20)])
def test_a_request_above_the_limit_is_413(idle: Endpoint, path: str, limit: int) -> None:
    frame = len(b'{"input": ""}')
    status, view = idle.post(path, raw=b'{"input": "' + b"x" * (limit - frame + 1) + b'"}')
    assert status == 413, view
    if path == "run":
        status, view = idle.post(path, raw=b'{"input": "' + b"x" * (limit - frame) + b'"}')
        assert status == 200, view


@pytest.mark.parametrize("raw", [b'{"input": NaN}', b"{}", b"[]", b'{"input": "\xff"}', b"{"])
def test_a_request_that_is_not_strict_json_with_an_input_is_400(idle: Endpoint, raw: bytes) -> None:
    assert idle.post("run", raw=raw)[0] == 400


def test_purge_cancels_what_waits(idle: Endpoint) -> None:
    job = idle.run({})
    assert idle.post("purge-queue")[1]["removed"] == 1
    assert idle.view(job)["status"] == "CANCELLED"


def test_a_job_that_nobody_takes_expires(idle: Endpoint) -> None:
    assert idle.finished(idle.run({}, ttl=500))["status"] == "TIMED_OUT"


def test_a_killed_worker_loses_its_job_to_the_next_one(idle: Endpoint, tmp_path: Path) -> None:
    with echo_worker(idle, "first", tmp_path) as first:
        job = idle.run({"sleep_s": 3})
        idle.event("given", job=job)
        members = [psutil.Process(first.process.pid), *first.descendants()]
        assert len(members) > 1, "the package pings from a process of its own"
        first.kill_group()
        assert psutil.wait_procs(members, timeout=10)[1] == []
    with echo_worker(idle, "second", tmp_path):
        view = idle.finished(job)
    assert (view["status"], view["workerId"], view["retries"]) == ("COMPLETED", "second", 1)
    assert idle.events("requeued", job=job, worker="first")


def test_a_job_that_kills_every_worker_fails_in_the_end(idle: Endpoint, tmp_path: Path) -> None:
    job = idle.run({"sleep_s": 60})
    for attempt in (1, 2):
        with echo_worker(idle, f"victim-{attempt}", tmp_path):
            idle.event("given", job=job, attempt=attempt)
    assert idle.finished(job)["status"] == "FAILED"


def test_a_result_of_a_worker_that_lost_its_job_is_not_accepted(idle: Endpoint) -> None:
    """Two workers spoken for by hand: the first one falls silent, then answers after all."""
    base = f"{idle.url}/v2/{ENDPOINT_ID}"
    job = idle.run({})
    assert worker_process.request_json(f"{base}/job-take/slow")[1]["id"] == job
    idle.event("requeued", job=job, worker="slow")
    assert worker_process.request_json(f"{base}/job-take/quick")[1]["id"] == job
    for name in ("slow", "quick"):
        worker_process.request_json(f"{base}/job-done/{name}/{job}", {"output": name})
    assert idle.view(job)["output"] == "quick"
    assert [event["accepted"] for event in idle.events("result", job=job)] == [False, True]


def test_stream_gives_chunks_once(idle: Endpoint) -> None:
    base = f"{idle.url}/v2/{ENDPOINT_ID}"
    job = idle.run({})
    assert worker_process.request_json(f"{base}/job-take-batch/w?batch_size=2")[1][0]["id"] == job
    for number in (1, 2):
        worker_process.request_json(f"{base}/job-stream/w/{job}", {"output": number})
    first, second = idle.get(f"stream/{job}"), idle.get(f"stream/{job}")
    assert first["stream"] == [{"output": 1}, {"output": 2}]
    assert second["stream"] == []
