"""How fast the demo conversation is answered, and how much of that is the models."""

from __future__ import annotations

import base64
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rows import Row
from tests.environments import (
    ASR_MODEL,
    CONVERSATION,
    DIARIZATION_MODEL,
    ROOT,
    engine_python,
    worker_python,
)
from tests.worker_process import endpoint, worker


def rows(folder: Path, runs: int) -> Iterator[Row]:
    """``make demo`` as a whole, and a warm worker's answers."""
    cold = tuple(whole_demo() for _ in range(min(runs, 3)))
    yield Row("make demo, environment in place: the whole command", cold, "s")
    answers = list(warm_answers(folder, runs))
    seconds = tuple(answer[0] for answer in answers)
    yield Row("demo conversation on a warm worker: request to answer", seconds, "s")
    shares = tuple(100 * (1 - answer[1] / answer[0]) for answer in answers)
    yield Row("  of it not model time", shares, "%")


def whole_demo() -> float:
    """Seconds of ``make demo``."""
    begin = time.perf_counter()
    subprocess.run(["make", "demo"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def warm_answers(folder: Path, runs: int) -> Iterator[tuple[float, float]]:
    """(seconds from request to answer, seconds in the models), the first job left out."""
    environment = {
        "PARAKEET_ENGINE_PYTHON": str(engine_python()),
        "PARAKEET_ASR_MODEL": str(ASR_MODEL),
        "PARAKEET_DIARIZATION_MODEL": str(DIARIZATION_MODEL),
        "PARAKEET_WORK_DIR": str(folder),
        "PARAKEET_DEVICE": "cpu",
    }
    request = {"audio_base64": base64.b64encode(CONVERSATION.read_bytes()).decode()}
    command = [str(worker_python()), "-u", str(ROOT / "handler.py")]
    with endpoint() as queue, worker(queue, "warm", command, folder / "warm.log", environment):
        queue.runsync(request)
        for _ in range(runs):
            begin = time.perf_counter()
            job = queue.runsync(request)
            seconds = time.perf_counter() - begin
            timings = job["output"]["timings"]
            yield seconds, timings["transcribe"] + timings["diarize"]
