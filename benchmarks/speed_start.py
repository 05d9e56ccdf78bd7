"""How soon the first word comes after a start, in how much memory; and the embedding stage.

Models of true size with random weights (``benchmarks/true_size.py``), everything on local disk.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import baseline, engine_run, recordings, true_size, under_test
from benchmarks.rows import Row
from tests.environments import ROOT, engine_python

CLIP_S = 15.0
STAGE_S = 30.0
STARTS = 3


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the engine."""

    hello_s: float
    ready_s: float
    first_s: float
    peak_mb: float
    """Until the first transcript."""


def start_rows(folder: Path, runs: int) -> Iterator[Row]:
    """Process start to the first transcript, ours and the baseline's in turn."""
    python = engine_python()
    models = true_size.stand_ins(python)
    fast = under_test.fast_checkpoint(python, models)
    clip = recordings.long(CLIP_S, folder)
    settings = under_test.settings(models, fast, device="cpu")

    def one(*, diarize: bool) -> Start:
        with engine_run.running(python, settings) as engine:
            hello_s, ready_s = engine.since_start_s("hello"), engine.since_start_s("ready")
            first = engine.hear(clip, diarize=diarize)
            return Start(hello_s, ready_s, first.answered_s - engine.started_s, engine.peak_mb())

    one(diarize=False)  # fills the page cache with all that both read
    read(models.speech)
    pairs = [
        (baseline.measured(python, models, [clip]), one(diarize=False), one(diarize=True))
        for _ in range(min(runs, STARTS))
    ]
    steps = [report.steps for report, _, _ in pairs]

    def theirs(name: str) -> tuple[float, ...]:
        return tuple(step[name].at_s for step in steps)

    def ours(value: Callable[[Start], float]) -> tuple[float, ...]:
        return tuple(value(start) for _, start, _ in pairs)

    first = ours(lambda start: start.first_s)
    yield Row("engine start to first transcript, true-size models", first, "s", "<= 1/4",
              theirs("transcript"), wanted_times=4)  # fmt: skip
    peaks = tuple(step["transcript"].peak_mb for step in steps)
    yield Row("  peak memory until then", ours(lambda start: start.peak_mb), "MB", "<= 1/2",
              peaks, wanted_times=2)  # fmt: skip
    yield Row("  its imports", ours(lambda start: start.hello_s), "s", "", theirs("imports"))
    yield Row("  its speech model", ours(lambda start: start.ready_s), "s", "", theirs("loaded"))
    whole = tuple(start.first_s for _, _, start in pairs)
    yield Row("engine start to first transcript with speakers", whole, "s", "", theirs("answer"))
    if drop_caches():
        cold_theirs = baseline.measured(python, models, [clip]).steps["transcript"].at_s
        drop_caches()
        cold_ours = one(diarize=False).first_s
        yield Row("  the first, nothing in the page cache", (cold_ours,), "s", "", (cold_theirs,))


def embedding_rows(folder: Path, runs: int) -> Iterator[Row]:
    """WeSpeaker's ResNet34 of true size on half a minute, stock and ours."""
    python = engine_python()
    models = true_size.stand_ins(python)
    audio = recordings.long(STAGE_S, folder)
    command: list[str | Path] = [python, "-m", "benchmarks.embedding_stage"]
    command += ["--speakers", models.speakers, "--audio", audio, "--runs", str(min(runs, 3))]
    printed = subprocess.check_output(
        command, cwd=ROOT, env=true_size.quiet_environment(), stderr=subprocess.DEVNULL
    )
    report = json.loads(printed.splitlines()[-1])
    stock = tuple(report["stock_s"])
    for way, named, wanted in (
        ("exact", "embedding stage of 30 s, pyannote's own arithmetic", 2.5),
        ("as_served", "  as the engine runs it", None),
    ):
        found = report[way]
        if found is None:  # the engine would leave it to pyannote
            continue
        target = ">= 2.5 times" if wanted else ""
        yield Row(named, tuple(found["seconds"]), "s", target, stock, wanted_times=wanted)
        exact = "0.0" if wanted else ""
        yield Row("  largest difference", (found["difference"],), "", exact)
        yield Row("  of an embedding's length", (found["of_length"],), "")


def read(path: Path) -> None:
    """Into the page cache."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def drop_caches() -> bool:
    """Forget what the kernel has read; whether that is allowed."""
    os.sync()
    if os.geteuid() != 0:
        return False
    Path("/proc/sys/vm/drop_caches").write_text("3")
    return True
