"""The worker itself, ``handler.py`` with the demo models, against the stand-in control plane."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import soundfile

from tests import envelope_schema, worker_process
from tests.environments import (
    ASR_MODEL,
    CONVERSATION,
    DIARIZATION_MODEL,
    ROOT,
    engine_python,
    give_fast_checkpoint,
    worker_python,
)
from tests.worker_process import Endpoint, WorkerProcess, wait_for

JOB_TIMEOUT_S: Final = 900.0
"""For a job that may have to wait for the start of an engine: imports take most of a minute on a
busy machine."""
SYNC_RESULT_LIMIT_BYTES: Final = 4000
"""The shared worker's limit for /runsync: so low that a small result can be too large."""
STAGES: Final = ("install", "load", "download", "decode", "queue", "transcribe", "diarize", "label")


@dataclass(frozen=True, slots=True)
class DemoWorker:
    """A running worker, its endpoint, and the directory that its variables point into."""

    endpoint: Endpoint
    process: WorkerProcess
    directory: Path

    def engine(self) -> psutil.Process:
        """Its engine's process; waits until there is one."""
        found = wait_for("an engine", lambda: self.process.descendants("engine/__main__.py"), 60)
        return found[0]

    def run(self, payload: object, timeout_s: float = JOB_TIMEOUT_S) -> str:
        """Submit a job that the control plane ends after ``timeout_s``, and give its id."""
        return self.endpoint.run(payload, executionTimeout=round(1000 * timeout_s))

    def finished(self, job: str) -> dict[str, Any]:
        """Wait until the job has ended, and give its view."""
        return self.endpoint.finished(job, JOB_TIMEOUT_S)

    def completed(self, job: str) -> dict[str, Any]:
        """Wait until the job has ended well, and give its output."""
        view = self.finished(job)
        assert view["status"] == "COMPLETED", view
        return dict(view["output"])

    def reached(self, job: str, stage: str, after_seq: int = -1) -> int:
        """Wait until progress of a stage has come; the ``seq`` of its event."""

        def look() -> list[dict[str, Any]]:
            events = self.endpoint.events("progress", job=job)
            return [e for e in events if e["seq"] > after_seq and e["output"]["stage"] == stage]

        return int(wait_for(f"job {job} at {stage}", look, JOB_TIMEOUT_S)[0]["seq"])

    def stages(self, job: str) -> list[str]:
        """The stages of the job's progress, in the order of their arrival."""
        return [event["output"]["stage"] for event in self.endpoint.events("progress", job=job)]

    def wait_until_clean(self) -> None:
        """Wait until no job's file is left."""
        wait_for("an empty work directory", lambda: not work_files(self.directory), 30)


def processes(directory: Path) -> list[psutil.Process]:
    """All that were started with ``variables(directory)``, whoever their parent is now.

    The engine's variables are chosen and not inherited: TMPDIR is one that reaches it. ffmpeg gets
    none of them, but names the job's files.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            named = str(directory) in " ".join(process.cmdline())
            if named or process.environ().get("TMPDIR") == str(directory / "tmp"):
                found.append(process)
    return found


def assert_all_ended(directory: Path) -> None:
    """Nothing that belongs to ``directory`` runs on."""
    left = psutil.wait_procs(processes(directory), timeout=30)[1] or processes(directory)
    assert left == [], [process.cmdline() for process in left]


def work_files(directory: Path) -> list[Path]:
    """What jobs have left, or hold right now."""
    return sorted((directory / "work" / "parakeet-jobs").glob("*"))


def variables(directory: Path) -> dict[str, str]:
    """The environment of a worker with the demo models, all of whose files are in ``directory``."""
    for name in ("volume", "tmp"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    give_fast_checkpoint(directory / "volume")
    return {
        "PARAKEET_ENGINE_PYTHON": str(engine_python()),
        "PARAKEET_ASR_MODEL": str(ASR_MODEL),
        "PARAKEET_DIARIZATION_MODEL": str(DIARIZATION_MODEL),
        "PARAKEET_DEVICE": "cpu",
        "PARAKEET_THREADS": "1",
        "PARAKEET_VOLUME": str(directory / "volume"),
        "PARAKEET_WORK_DIR": str(directory / "work"),
        "PARAKEET_PROGRESS_INTERVAL_S": "0.1",
        "HF_HUB_OFFLINE": "1",
        "TMPDIR": str(directory / "tmp"),
    }


def command(*arguments: str) -> list[str]:
    """The command line of a worker."""
    return [str(worker_python()), "-u", str(ROOT / "handler.py"), *arguments]


@contextlib.contextmanager
def demo_worker(
    endpoint: Endpoint, name: str, directory: Path, more: Mapping[str, str] | None = None
) -> Iterator[DemoWorker]:
    """A worker that has asked for its first job; its engine may still be starting.

    In the end each of its answers is held against the schemas of ``docs/schema/``.

    Args:
        endpoint: The control plane.
        name: Of the worker.
        directory: For its files and its log. Two workers that follow each other may share it.
        more: Further variables of its environment.
    """
    environment = {**variables(directory), **(more or {})}
    log = directory / f"{name}.log"
    with worker_process.worker(endpoint, name, command(), log, environment) as process:
        yield DemoWorker(endpoint, process, directory)
        for job in endpoint.ended(name):
            envelope_schema.check_job(job["input"], job["output"], job["error"])
            envelope_schema.check_job(job["input"], job["chunks"], None)


def conversation_base64() -> str:
    """The demo conversation as a request carries it."""
    return base64.b64encode(CONVERSATION.read_bytes()).decode()


def conversation_reference() -> dict[str, Any]:
    """What is said in the demo conversation, by whom, and when."""
    return dict(json.loads(CONVERSATION.with_suffix(".json").read_text()))


def repeat_conversation(path: Path, times: int) -> Path:
    """Write the demo conversation ``times`` times in a row: a job that takes a while."""
    samples, rate_hz = soundfile.read(CONVERSATION, dtype="int16")
    soundfile.write(path, np.tile(samples, times), rate_hz)
    return path
