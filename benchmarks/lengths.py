"""Time and memory against the length of a recording, with the demo models."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import baseline, engine_run, recordings, true_size, under_test
from benchmarks.plots import Line, Panel, log_log
from benchmarks.rows import Row
from tests.environments import engine_python

MINUTES = (1, 3, 10, 30, 60, 180)
BASELINE_MINUTES = (1, 3, 10)
"""Beyond, the baseline's attention needs more memory than there is."""
WARM_UP_S = 15.0
NAME = "{minutes} min of conversation: {what}"
NAMED = re.compile(r"(\d+) min of conversation: (.+)")

Points = tuple[tuple[float, float], ...]


def rows(folder: Path, _: int) -> Iterator[Row]:
    """Each length once, words and speakers; memory is the process's highest during the job."""
    python = engine_python()
    models = true_size.DEMO_MODELS
    warm_up = recordings.long(WARM_UP_S, folder)
    fast = under_test.fast_checkpoint(python, models)
    settings = under_test.settings(models, fast, device="cpu")
    found: list[Row] = []
    for minutes in MINUTES:
        audio = recordings.long(60.0 * minutes, folder)
        stock: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
        if minutes in BASELINE_MINUTES:
            job = baseline.measured(python, models, [warm_up, audio]).jobs[1]
            stock = ((job.transcribe_s + (job.diarize_s or 0.0),), (job.peak_mb,))
        with engine_run.running(python, settings) as engine:
            engine.ready().hear(warm_up)
            engine.reset_peak()
            seconds = engine.hear(audio).seconds
            peak_mb = engine.peak_mb()
        audio.unlink()
        found += [
            Row(NAME.format(minutes=minutes, what="time"), (seconds,), "s", "", stock[0]),
            Row(NAME.format(minutes=minutes, what="memory"), (peak_mb,), "MB", "", stock[1]),
        ]
        yield from found[-2:]
    for what in ("time", "memory"):
        points, _theirs = series(found, what)
        (begin, low), (end, high) = points[-4], points[-1]
        slope = math.log(high / low) / math.log(end / begin)
        yield Row(f"exponent of {what}, {begin:g} to {end:g} min", (slope,), "", "near 1 or less")


def plot(found: Sequence[Row]) -> str:
    """Both as SVG."""
    panels = []
    for what, title in (("time", "seconds to the answer"), ("memory", "peak memory, MB")):
        ours, theirs = series(found, what)
        lines = [Line("this worker's engine", ours), Line("baseline", theirs)]
        kept = tuple(line for line in lines if line.points)
        panels.append(Panel(title, "minutes of recording (dashed: linear)", kept))
    return log_log(panels)


def series(found: Sequence[Row], what: str) -> tuple[Points, Points]:
    """(minutes, median) of ours and of the baseline's."""
    named = [(match, row) for row in found if (match := NAMED.fullmatch(row.what))]
    kept = [(float(match[1]), row) for match, row in named if match[2] == what]
    return (
        tuple((minutes, row.median) for minutes, row in kept),
        tuple((minutes, row.baseline[0]) for minutes, row in kept if row.baseline),
    )
