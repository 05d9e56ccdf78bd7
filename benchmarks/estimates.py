"""How honest the time is that a running job says it still takes."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import recordings
from benchmarks.rows import Row
from benchmarks.speed_worker import JOB_TIMEOUT_S, request, warm_worker
from tests.worker_process import Endpoint

MINUTES = (1, 3, 10, 30)
FAR = 0.3
"""An estimate is honest that is not further off than this share of the whole time."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one job said while it ran."""

    errors: tuple[float, ...]
    """Of each estimate: how far off the whole time is that follows from it, as a share of it."""
    silent: float
    """Share of its time before the first estimate."""


def rows(folder: Path, _: int) -> Iterator[Row]:
    """A worker that has heard a minute, and then longer and longer recordings, each once."""
    told: list[Told] = []
    with warm_worker(folder, PARAKEET_PROGRESS_INTERVAL_S="0.2") as (queue, _running):
        for minutes in MINUTES:
            path = recordings.write(
                recordings.conversation(60 * minutes, seed=minutes), folder / f"{minutes}.flac"
            )
            told.append(follow(queue, queue.run(request(path))))
            yield from rows_of(f"{minutes} min of conversation", told[-1:])
    yield from rows_of("all", told)


def follow(queue: Endpoint, job: str) -> Told:
    """Wait for a job, and look at what it said."""
    ended = queue.finished(job, JOB_TIMEOUT_S)
    assert ended["status"] == "COMPLETED", ended
    end_s = float(queue.event("final", job=job)["time_s"])
    begin_s = float(queue.event("given", job=job)["time_s"])
    estimates = [
        (float(event["time_s"]), float(event["output"]["remaining_s"]))
        for event in queue.events("progress", job=job)
        if "remaining_s" in event["output"]
    ]
    whole_s = end_s - begin_s
    errors = tuple(abs(at_s + left_s - end_s) / whole_s for at_s, left_s in estimates)
    first_s = estimates[0][0] if estimates else end_s
    return Told(errors, (first_s - begin_s) / whole_s)


def rows_of(what: str, told: Sequence[Told]) -> Iterator[Row]:
    """Of some jobs together."""
    errors = [error for one in told for error in one.errors]
    yield Row(f"{what}: estimates", (float(len(errors)),), "")
    if errors:
        honest = sum(error <= FAR for error in errors) / len(errors)
        yield Row("  within 30 %", (100 * honest,), "%", "100 %", more_is_better=True)
        yield Row("  the worst is off by", (100 * max(errors),), "%", "<= 30 %")
    silent = statistics.median(one.silent for one in told)
    yield Row("  of the time before the first", (100 * silent,), "%")
