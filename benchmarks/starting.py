"""How fast the worker is up: the import of its edge, and its first job."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rows import Row
from tests.environments import ROOT, engine_python, worker_python
from tests.worker_process import Endpoint, endpoint, worker


def rows(folder: Path, runs: int) -> Iterator[Row]:
    """The import of handler.py, and the time to the first accepted job."""
    yield Row("an empty Python program (baseline)", python_runs("pass", runs), "s")
    yield Row("import handler, the baseline included", python_runs("import handler", runs), "s")
    inside = "import time; t = time.perf_counter(); import handler; print(time.perf_counter() - t)"
    yield Row("import handler alone", tuple(printed(inside, runs)), "s", "< 0.3 s")
    accepted = [first_job(folder, run) for run in range(runs)]
    yield Row("process start to the first job accepted", tuple(accepted), "s", "< 4 s")


def python_runs(code: str, runs: int) -> tuple[float, ...]:
    """Seconds of whole processes; one run before them fills the caches."""
    seconds = []
    for _ in range(runs + 1):
        begin = time.perf_counter()
        subprocess.run([worker_python(), "-c", code], cwd=ROOT, check=True)
        seconds.append(time.perf_counter() - begin)
    return tuple(seconds[1:])


def printed(code: str, runs: int) -> Iterator[float]:
    """What the program prints, a number, each run."""
    for _ in range(runs):
        yield float(subprocess.check_output([worker_python(), "-c", code], cwd=ROOT))


def first_job(folder: Path, run: int) -> float:
    """Seconds from the start of handler.py until it has taken a job that was waiting."""
    with endpoint() as queue:
        queue.run({})
        begin = time.monotonic()
        environment = {
            "PARAKEET_ENGINE_PYTHON": str(engine_python()),
            "PARAKEET_WORK_DIR": str(folder),
            "PARAKEET_DEVICE": "cpu",
        }
        command = [str(worker_python()), "-u", str(ROOT / "handler.py")]
        with worker(queue, f"w{run}", command, folder / f"w{run}.log", environment):
            return taken_at(queue) - begin


def taken_at(queue: Endpoint) -> float:
    """The monotonic time at which the queue gave its first job away."""
    return float(queue.event("given")["time_s"])
