"""The whole worker with the demo models: does the engine ever wait, and what does the rest cost?"""

from __future__ import annotations

import base64
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import decoding, processes, recordings
from benchmarks.rows import Row
from tests.control_plane_state import Rules
from tests.environments import (
    ASR_MODEL,
    CONVERSATION,
    DIARIZATION_MODEL,
    ROOT,
    engine_python,
    give_fast_checkpoint,
    worker_python,
)
from tests.worker_process import Endpoint, WorkerProcess, endpoint, worker

QUEUE = 20
HOUR_S = 3600
SAMPLE_S = 0.05
JOB_TIMEOUT_S = 3600.0


def idle_rows(folder: Path, _: int) -> Iterator[Row]:
    """A queue of 20 recordings of 3 s to 2 min, all there from the beginning."""
    files = recordings.mixed(QUEUE, folder / "mixed")
    with warm_worker(folder) as (queue, running):
        watch = Watch(engine_pid(running))
        begin_s = time.monotonic()
        jobs = [queue.run(request(path)) for path in files]
        ended = [queue.finished(job, JOB_TIMEOUT_S) for job in jobs]
        end_s = max(float(queue.event("final", job=job)["time_s"]) for job in jobs)
        idle = watch.stop(begin_s, end_s)
    failed = [job for job in ended if job["status"] != "COMPLETED"]
    assert not failed, failed
    speed = recordings.seconds(files) / (end_s - begin_s)
    yield Row("20 mixed jobs through the whole worker", (speed,), "x real time",
              more_is_better=True)  # fmt: skip
    yield Row("  the engine's idle share meanwhile", (100 * idle,), "%", "< 5 %")


def handler_rows(folder: Path, _: int) -> Iterator[Row]:
    """A recording of an hour: what of its time is neither fetching, nor ffmpeg, nor the models."""
    hour = folder / "hour.ogg"
    make_hour(hour)
    with warm_worker(folder) as (queue, running):
        before_s = processes.cpu_s(running.process.pid)
        begin = time.monotonic()
        job = queue.finished(queue.run(request(hour)), JOB_TIMEOUT_S)
        seconds = time.monotonic() - begin
        cpu_s = processes.cpu_s(running.process.pid) - before_s
    assert job["status"] == "COMPLETED", job
    timings = job["output"]["timings"]
    yield Row("an hour on a warm worker, request to answer", (seconds,), "s")
    yield Row("  of it the handler's own processor time", (100 * cpu_s / seconds,), "%", "< 1 %")
    own = 100 * own_s(timings) / timings["total"]
    yield Row("  of it neither download, nor decoding, nor models", (own,), "%", "< 1 %")


def own_s(timings: Mapping[str, float]) -> float:
    """What is left of the total when download, decoding and the models are taken away.

    There was nothing to wait for, so that "queue" is the way to the engine and back.
    """
    outside = timings["total"] - timings["download"] - timings["decode"]
    models = timings["transcribe"], timings["diarize"]
    both = sum(models)
    return outside - (both if both <= outside else max(models))  # they may work at the same time


@contextmanager
def warm_worker(folder: Path, **more: str) -> Iterator[tuple[Endpoint, WorkerProcess]]:
    """A worker that has answered one job. ``more`` are variables of its environment."""
    volume = folder / "volume"
    give_fast_checkpoint(volume)
    environment = {
        "PARAKEET_VOLUME": str(volume),
        "PARAKEET_ENGINE_PYTHON": str(engine_python()),
        "PARAKEET_ASR_MODEL": str(ASR_MODEL),
        "PARAKEET_DIARIZATION_MODEL": str(DIARIZATION_MODEL),
        "PARAKEET_WORK_DIR": str(folder),
        "PARAKEET_LOCAL_HOME": str(folder / "home"),
        "PARAKEET_DEVICE": "cpu",
        **more,
    }
    command = [str(worker_python()), "-u", str(ROOT / "handler.py")]
    rules = Rules(lease_s=120, max_run_bytes=64 << 20)
    with (
        endpoint(rules) as queue,
        worker(queue, "warm", command, folder / "warm.log", environment) as running,
    ):
        queue.finished(queue.run(request(CONVERSATION)), JOB_TIMEOUT_S)
        yield queue, running


def request(path: Path) -> dict[str, Any]:
    """A job of this recording."""
    return {"audio_base64": base64.b64encode(path.read_bytes()).decode()}


def engine_pid(running: WorkerProcess) -> int:
    """The engine's process of a worker."""
    (engine,) = running.descendants("engine/__main__.py")
    return int(engine.pid)


def make_hour(path: Path) -> None:
    """The demo conversation for an hour, at the size that a request may have."""
    command = [decoding.ffmpeg(), "-v", "error", "-stream_loop", "-1", "-i", str(CONVERSATION)]
    command += ["-t", str(HOUR_S), "-c:a", "libopus", "-b:a", "16k", str(path)]
    subprocess.run(command, check=True)


class Watch:
    """Looks at a process twenty times a second: had it any processor time since?

    Args:
        pid: The process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._looks: list[tuple[float, bool]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self, begin_s: float, end_s: float) -> float:
        """The share of looks between two times at which it had done nothing."""
        self._over.set()
        self._thread.join()
        seen = [idle for at_s, idle in self._looks if begin_s <= at_s <= end_s]
        return sum(seen) / max(1, len(seen))

    def _look(self) -> None:
        last_s = processes.cpu_s(self._pid)
        while not self._over.wait(SAMPLE_S):
            now_s = processes.cpu_s(self._pid)
            self._looks.append((time.monotonic(), now_s == last_s))
            last_s = now_s
