"""Real workers whose environment is the small one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests import worker_process
from tests.control_plane_state import Json
from tests.demo_worker import assert_all_ended, command, conversation_base64
from tests.small_environment import Machine
from tests.volume_faults import DEADLINE_S
from tests.worker_process import Endpoint, WorkerProcess, wait_for

JOB_TIMEOUT_S = 300.0
REQUEST = {"audio_base64": conversation_base64(), "end": 6, "diarize": False}


@contextmanager
def worker(endpoint: Endpoint, machine: Machine) -> Iterator[WorkerProcess]:
    """A worker whose environment is the small one, and of which nothing is left at the end."""
    (machine.disk / "tmp").mkdir()
    variables = {
        **machine.variables,
        "TMPDIR": str(machine.disk / "tmp"),
        "PARAKEET_WORK_DIR": str(machine.disk / "work"),
        "PARAKEET_THREADS": "1",
        "PARAKEET_PROGRESS_INTERVAL_S": "0.1",
        "PARAKEET_BOOTSTRAP_PROGRESS_INTERVAL_S": "0.2",
    }
    log, name = machine.disk / "worker.log", machine.more["RUNPOD_POD_ID"]
    with worker_process.worker(endpoint, name, command(), log, variables) as process:
        yield process
    assert_all_ended(machine.disk)


def failed(endpoint: Endpoint, job: str) -> Json:
    """The output of a job that must fail."""
    view = endpoint.finished(job, JOB_TIMEOUT_S)
    assert view["status"] == "FAILED", view
    return dict(view["output"])


def wait_until(endpoint: Endpoint, job: str, stage: str) -> None:
    """Wait until a job has told that it is there."""

    def look() -> bool:
        told = endpoint.events("progress", job=job)
        return any(event["output"]["stage"] == stage for event in told)

    wait_for(f"job {job} at {stage}", look, DEADLINE_S)


def engines(process: WorkerProcess) -> list[psutil.Process]:
    """Those that run."""
    return process.descendants("engine/__main__.py")
