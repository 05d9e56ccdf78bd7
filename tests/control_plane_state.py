"""The queue of one serverless endpoint: jobs, attempts, leases, and a log of what happened.

Pure state without I/O, so that every rule reads in one place; ``tests.control_plane`` serves it
over HTTP. The number of attempts and the length of a lease are choices made here: RunPod states
neither.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]
FINAL: frozenset[Status] = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the endpoint allows. Times are seconds."""

    lease_s: float = 8.0
    """A worker that is silent for longer loses its jobs. Pings come every second or more."""
    max_attempts: int = 3
    poll_s: float = 3.0
    """How long job-take and job-stop are held open. RunPod's package gives up after 90 s."""
    max_run_bytes: int = 10 << 20
    """The largest request to /run."""
    max_runsync_bytes: int = 20 << 20
    max_run_result_bytes: int = 10 << 20
    """The largest body of job-done for a job of /run."""
    max_runsync_result_bytes: int = 20 << 20


@dataclass(slots=True)
class Job:
    """One request and what has become of it. Times are readings of ``time.monotonic``."""

    id: str
    input: Any
    execution_timeout_s: float
    ttl_s: float
    created: float
    status: Status = "IN_QUEUE"
    attempt: int = 0
    worker: str | None = None
    started: float | None = None
    ended: float | None = None
    output: Any = None
    error: Any = None
    chunks: list[Any] = field(default_factory=list)

    @property
    def sync(self) -> bool:
        """Whether it came by /runsync, as RunPod shows in the id."""
        return self.id.startswith("sync-")

    def view(self) -> Json:
        """What a client sees. A running job's progress stands in ``output``."""
        view: Json = {"id": self.id, "status": self.status}
        if self.started is not None:
            view["delayTime"] = int(1000 * (self.started - self.created))
            view["workerId"] = self.worker
            view["retries"] = self.attempt - 1
            if self.ended is not None:
                view["executionTime"] = int(1000 * (self.ended - self.started))
        if self.output is not None:
            view["output"] = self.output
        if self.error is not None:
            view["error"] = self.error
        return view

    def outcome(self) -> Json:
        """What became of it, and of its input what says which keys its answer may lack."""
        wanted = self.input if isinstance(self.input, Mapping) else {}
        selection = {name: wanted.get(name) for name in ("include", "exclude")}
        told = {"output": self.output, "error": self.error, "chunks": self.chunks}
        return {"id": self.id, "status": self.status, "input": selection, **told}


@dataclass(slots=True)
class Worker:
    """A worker that has been heard of."""

    last_heard: float
    asked: bool = False
    """Whether it has asked for a job."""
    to_stop: list[str] = field(default_factory=list)


class Queue:
    """Jobs, workers, and an ordered log of events."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.jobs: dict[str, Job] = {}
        self.workers: dict[str, Worker] = {}
        self.events: list[Json] = []
        self._waiting: deque[str] = deque()

    def record(self, kind: str, **details: Any) -> None:
        """Append to the log; ``seq`` is the event's place in it."""
        seq = len(self.events)
        self.events.append({"seq": seq, "time_s": time.monotonic(), "kind": kind, **details})

    # ---- clients

    def submit(self, payload: Any, policy: Mapping[str, Any], *, sync: bool) -> Job:
        """Queue a request. The policy's times are milliseconds, as in RunPod's API."""
        job = Job(
            id=f"sync-{uuid.uuid4()}-e1" if sync else f"{uuid.uuid4()}-e1",
            input=payload,
            execution_timeout_s=policy.get("executionTimeout", 600_000) / 1000,
            ttl_s=policy.get("ttl", 86_400_000) / 1000,
            created=time.monotonic(),
        )
        self.jobs[job.id] = job
        self._waiting.append(job.id)
        self.record("queued", job=job.id)
        return job

    def cancel(self, job: Job) -> None:
        """End a job on its client's wish, unless it has ended."""
        if job.status not in FINAL:
            self._end(job, "CANCELLED", stop=True)

    def retry(self, job: Job) -> bool:
        """Queue a failed job anew under its id; False where there is nothing to retry."""
        if job.status not in ("FAILED", "TIMED_OUT"):
            return False
        job.attempt, job.created, job.ended, job.error = 0, time.monotonic(), None, None
        self._requeue(job, "retried by its client")
        return True

    def purge(self) -> int:
        """Cancel what no worker has taken yet, and say how many that were."""
        waiting = [job for job in self.jobs.values() if job.status == "IN_QUEUE"]
        for job in waiting:
            self._end(job, "CANCELLED")
        return len(waiting)

    def health(self) -> Json:
        """The counts of GET /health."""
        count = Counter(job.status for job in self.jobs.values())
        silent_before = time.monotonic() - self.rules.lease_s
        alive = {name for name, worker in self.workers.items() if worker.last_heard > silent_before}
        busy = {job.worker for job in self.jobs.values() if job.status == "IN_PROGRESS"}
        jobs = {
            "completed": count["COMPLETED"],
            "failed": count["FAILED"],
            "inProgress": count["IN_PROGRESS"],
            "inQueue": count["IN_QUEUE"],
            "retried": sum(job.attempt > 1 for job in self.jobs.values()),
        }
        workers = {
            "idle": len(alive - busy),
            "running": len(alive & busy),
            "initializing": 0,
            "throttled": 0,
        }
        return {"jobs": jobs, "workers": workers}

    # ---- workers

    def heard(self, name: str) -> Worker:
        """A request of this worker has come: its lease starts again."""
        now = time.monotonic()
        worker = self.workers.get(name)
        if worker is None:
            worker = self.workers[name] = Worker(now)
        worker.last_heard = now
        return worker

    def take(self, name: str, wanted: int) -> list[Json]:
        """Give up to ``wanted`` jobs to a worker."""
        given: list[Json] = []
        while self._waiting and len(given) < wanted:
            job = self.jobs[self._waiting.popleft()]
            if job.status != "IN_QUEUE":
                continue
            job.status, job.worker, job.started = "IN_PROGRESS", name, time.monotonic()
            job.attempt += 1
            given.append({"id": job.id, "input": job.input})
            self.record("given", job=job.id, worker=name, attempt=job.attempt, batch=wanted)
        return given

    def owned(self, name: str, job_id: str) -> Job | None:
        """The job, where this worker has it now. What others post of it is dropped (fencing)."""
        job = self.jobs.get(job_id)
        mine = job is not None and job.worker == name and job.status == "IN_PROGRESS"
        return job if mine else None

    def progress(self, name: str, job_id: str, output: Any) -> None:
        """Accept a progress update."""
        job = self.owned(name, job_id)
        self.record("progress", job=job_id, worker=name, accepted=job is not None, output=output)
        if job is not None:
            job.output = output

    def result(self, name: str, job_id: str, body: Json, size_bytes: int) -> None:
        """Accept a result: FAILED where it has an ``error``, else COMPLETED."""
        job = self.owned(name, job_id)
        self.record(
            "result", job=job_id, worker=name, accepted=job is not None, size_bytes=size_bytes
        )
        if body.get("stopPod"):
            self.record("stop_pod", worker=name)
        if job is not None:
            job.output, job.error = body.get("output"), body.get("error") or None
            self._end(job, "FAILED" if job.error else "COMPLETED")

    # ---- time

    def expire(self) -> None:
        """End what took too long, and take jobs back from silent workers."""
        now = time.monotonic()
        for job in self.jobs.values():
            if job.status in FINAL:
                continue
            if now - job.created > job.ttl_s:
                self._end(job, "TIMED_OUT", error="job expired in the queue", stop=True)
            elif job.started is not None and job.worker is not None:
                if now - job.started > job.execution_timeout_s:
                    limit = f"job timed out after {job.execution_timeout_s:g} s"
                    self._end(job, "TIMED_OUT", error=limit, stop=True)
                elif now - self.workers[job.worker].last_heard > self.rules.lease_s:
                    self._requeue(job, "worker silent")

    def _end(
        self, job: Job, status: Status, *, error: str | None = None, stop: bool = False
    ) -> None:
        if stop and job.worker is not None:
            self.workers[job.worker].to_stop.append(job.id)
        job.status, job.ended, job.error = status, time.monotonic(), error or job.error
        self.record("final", job=job.id, status=status, worker=job.worker, attempt=job.attempt)

    def _requeue(self, job: Job, reason: str) -> None:
        if job.attempt >= self.rules.max_attempts:
            self._end(job, "FAILED", error=f"{reason}; no attempts left")
            return
        self.record("requeued", job=job.id, reason=reason, worker=job.worker)
        job.status, job.worker, job.started, job.output = "IN_QUEUE", None, None, None
        self._waiting.appendleft(job.id)
