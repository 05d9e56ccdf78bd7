"""What is left of a job, and of a worker, when something dies."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import worker_process
from tests.control_plane_state import Rules
from tests.demo_worker import (
    DemoWorker,
    assert_all_ended,
    conversation_base64,
    demo_worker,
    processes,
    work_files,
)
from tests.s3_server import Bucket
from tests.worker_process import Endpoint, wait_for


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A control plane of one's own. The lease bears a busy machine: pings come every second."""
    with worker_process.endpoint(Rules(lease_s=15)) as endpoint:
        yield endpoint


def kill_engine(worker: DemoWorker) -> None:
    """SIGKILL, as the kernel does when memory is short."""
    engine = worker.engine()
    engine.kill()
    engine.wait(timeout=30)


def test_a_job_survives_the_death_of_the_engine(
    shared_worker: DemoWorker, long_recording: str
) -> None:
    endpoint = shared_worker.endpoint
    job = shared_worker.run({"s3_key": long_recording, "diarize": False, "end": 120})
    shared_worker.reached(job, "transcribe")
    kill_engine(shared_worker)
    assert shared_worker.completed(job)["text"]
    assert len(endpoint.events("given", job=job)) == 1, "the worker itself tried again"


def test_a_recording_that_kills_the_engine_twice_is_given_up_and_the_next_job_is_not(
    shared_worker: DemoWorker, long_recording: str
) -> None:
    job = shared_worker.run({"s3_key": long_recording})
    reached = shared_worker.reached(job, "transcribe")
    waiting = shared_worker.run({"audio_base64": conversation_base64(), "diarize": False})
    shared_worker.reached(waiting, "queue")
    kill_engine(shared_worker)
    shared_worker.reached(job, "transcribe", after_seq=shared_worker.reached(job, "load", reached))
    kill_engine(shared_worker)
    view = shared_worker.finished(job)
    assert view["status"] == "FAILED"
    assert view["output"]["error_code"] == "engine_crashed"
    assert view["output"]["retryable"] is False
    assert shared_worker.completed(waiting)["text"], "the other job was only waiting"
    shared_worker.wait_until_clean()


def test_a_killed_workers_job_is_done_by_another_worker(
    endpoint: Endpoint, bucket: Bucket, long_recording: str, tmp_path: Path
) -> None:
    more = bucket.worker_variables()
    with demo_worker(endpoint, "first", tmp_path, more) as first:
        job = first.run({"s3_key": long_recording, "diarize": False, "end": 120})
        first.reached(job, "transcribe")
        assert first.engine() in processes(tmp_path)
        first.process.kill_group()
        assert_all_ended(tmp_path)  # the engine is no member of the group: it ends with its parent
    assert work_files(tmp_path), "a killed worker cannot clean up"
    with demo_worker(endpoint, "second", tmp_path, more) as second:
        assert second.completed(job)["text"]
        assert endpoint.view(job)["workerId"] == "second"
        second.wait_until_clean()


def test_sigterm_lets_the_running_job_finish_and_leaves_nothing_behind(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    with demo_worker(endpoint, "leaving", tmp_path) as worker:
        job = worker.run({"audio_base64": conversation_base64()})
        worker.reached(job, "transcribe")
        assert worker.process.stop() == 0
        assert endpoint.view(job)["status"] == "COMPLETED"
        assert_all_ended(tmp_path)
        assert work_files(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_worker_while_its_engine_starts(
    endpoint: Endpoint, tmp_path: Path, number: signal.Signals
) -> None:
    with demo_worker(endpoint, "idle", tmp_path) as worker:
        assert worker.engine() in processes(tmp_path)
        worker.process.process.send_signal(number)
        assert worker.process.process.wait(timeout=60) == 0
        assert_all_ended(tmp_path)


def test_a_models_environment_that_does_not_start_fails_jobs_and_not_the_worker(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    more = {"PARAKEET_ENGINE_PYTHON": "/bin/false"}
    with demo_worker(endpoint, "without-engine", tmp_path, more) as worker:
        for _ in range(2):
            job = worker.run({"audio_base64": conversation_base64()})
            view = worker.finished(job)
            assert view["status"] == "FAILED"
            assert view["output"]["error_code"] == "engine_start_failed"
            assert view["output"]["retryable"] is True
        assert worker.process.process.poll() is None


def test_a_missing_speech_model_has_its_own_code(endpoint: Endpoint, tmp_path: Path) -> None:
    more = {"PARAKEET_ASR_MODEL": str(tmp_path / "no-such-model.nemo")}
    with demo_worker(endpoint, "without-model", tmp_path, more) as worker:
        view = worker.finished(worker.run({"audio_base64": conversation_base64()}))
    assert view["status"] == "FAILED"
    assert view["output"]["error_code"] == "model_unavailable"
    assert str(tmp_path) not in str(view)


def test_a_result_that_could_not_be_delivered_once_is_sent_again(
    shared_worker: DemoWorker,
) -> None:
    endpoint = shared_worker.endpoint
    job = shared_worker.run({"audio_base64": conversation_base64(), "diarize": False})
    shared_worker.reached(job, "transcribe")
    endpoint.faults(done_502=1)
    try:
        assert shared_worker.completed(job)["text"]
        assert endpoint.events("done_502")
    finally:
        endpoint.faults()


def test_a_cancel_while_the_download_hangs_frees_the_worker(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        more = {"PARAKEET_ALLOWED_PRIVATE_HOSTS": host, "PARAKEET_CONCURRENCY": "1"}
        with demo_worker(endpoint, "downloading", tmp_path, more) as worker:
            job = worker.run({"audio_url": f"http://{host}/recording.flac"})
            connection, _ = silent.accept()
            with connection:
                endpoint.cancel(job)
                wait_for("the end of the connection", lambda: _is_closed(connection), 30)
            assert worker.finished(worker.run({}))["status"] == "FAILED"
            worker.wait_until_clean()


def _is_closed(connection: socket.socket) -> bool:
    """Whether the other side has hung up; what it had asked for is read away."""
    connection.settimeout(0.1)
    try:
        return connection.recv(65536) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
