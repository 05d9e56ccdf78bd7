"""Workers as processes, and a client of the stand-in control plane, for tests.

Every wait polls with a deadline and says at its end what it had been waiting for.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from tests.control_plane import ENDPOINT_ID, serving, worker_environment
from tests.control_plane_state import FINAL, Json, Rules
from tests.environments import ROOT

T = TypeVar("T")
POLL_INTERVAL_S = 0.1
START_TIMEOUT_S = 300.0
"""A worker has to import the runpod package, several seconds on a busy machine."""


def wait_for(what: str, look: Callable[[], T | None], timeout_s: float) -> T:
    """Call ``look`` until it gives something true.

    Raises:
        TimeoutError: It did not within ``timeout_s``; the message names ``what``.
    """
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(POLL_INTERVAL_S)
    return found


def request_json(url: str, body: object = None, *, raw: bytes | None = None) -> tuple[int, Any]:
    """GET, or POST where there is a body. The status, and the JSON that came with it."""
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=330) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A client of the stand-in: RunPod's REST API and the log of events."""

    url: str

    def post(self, path: str, body: object = None, *, raw: bytes | None = None) -> tuple[int, Any]:
        """POST to a path of the client API."""
        return request_json(f"{self.url}/v2/{ENDPOINT_ID}/{path}", body or {}, raw=raw)

    def get(self, path: str) -> Any:
        """GET a path of the client API."""
        return request_json(f"{self.url}/v2/{ENDPOINT_ID}/{path}")[1]

    def run(self, payload: object, **policy_ms: int) -> str:
        """Submit a job and give its id. ``policy_ms``: executionTimeout, ttl."""
        status, view = self.post("run", {"input": payload, "policy": policy_ms})
        if status != 200:
            raise ValueError(f"/run answered {status}: {view}")
        return str(view["id"])

    def runsync(self, payload: object, wait_ms: int = 300_000) -> Json:
        """Submit a job and give its view once it has ended, or after ``wait_ms``."""
        status, view = self.post(f"runsync?wait={wait_ms}", {"input": payload})
        if status != 200:
            raise ValueError(f"/runsync answered {status}: {view}")
        return dict(view)

    def view(self, job: str) -> Json:
        """The job as GET /status shows it."""
        return dict(self.get(f"status/{job}"))

    def cancel(self, job: str) -> Json:
        """Cancel a job and give its view."""
        return dict(self.post(f"cancel/{job}")[1])

    def finished(self, job: str, timeout_s: float = 60) -> Json:
        """Wait until the job has ended, and give its view."""
        wait_for(f"end of job {job}", lambda: self.view(job)["status"] in FINAL, timeout_s)
        return self.view(job)

    def events(self, kind: str, **wanted: Any) -> list[Json]:
        """The events of a kind that have these values, in order."""
        query = urllib.parse.urlencode({"kind": kind, **wanted})
        return list(request_json(f"{self.url}/_events?{query}")[1])

    def ended(self, worker: str) -> list[Json]:
        """What became of each job that this worker had last."""
        query = urllib.parse.urlencode({"worker": worker})
        return list(request_json(f"{self.url}/_ended?{query}")[1])

    def event(self, kind: str, timeout_s: float = 60, **wanted: Any) -> Json:
        """Wait for an event and give the first one."""
        what = f"event {kind} {wanted}"
        return wait_for(what, lambda: self.events(kind, **wanted), timeout_s)[0]

    def faults(self, **faults: float) -> None:
        """Replace the stand-in's faults; without arguments: none any more."""
        status, answer = request_json(f"{self.url}/_faults", faults)
        if status != 200:
            raise ValueError(str(answer))


@contextlib.contextmanager
def endpoint(rules: Rules | None = None) -> Iterator[Endpoint]:
    """A stand-in control plane of one's own."""
    with serving(rules or Rules()) as url:
        yield Endpoint(url)


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A worker in a session and process group of its own."""

    name: str
    process: subprocess.Popen[bytes]
    log_path: Path

    def log(self) -> str:
        """All that it has written to stdout and stderr."""
        return self.log_path.read_text(errors="replace")

    def descendants(self, command: str = "") -> list[psutil.Process]:
        """Its living children and theirs whose command line contains ``command``."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if command in " ".join(child.cmdline()):
                        found.append(child)
        return found

    def kill_group(self) -> None:
        """SIGKILL for the process group, as when its machine goes.

        Not for the main process alone: the child that pings would keep the worker alive.
        """
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def stop(self, timeout_s: float = 60) -> int:
        """SIGTERM for the main process; its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=timeout_s)

    def clean_up(self) -> None:
        """End all that is left, and wait for it."""
        left = self.descendants()
        self.kill_group()
        for child in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(left, timeout=30)


@contextlib.contextmanager
def worker(
    of: Endpoint,
    name: str,
    command: Sequence[str],
    log_path: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[WorkerProcess]:
    """A worker that has asked for its first job; whatever is left of it is killed at the end."""
    inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    variables = {
        **inherited,
        **worker_environment(name, of.url),
        **(environment or {}),
    }
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            # A test run that is killed must not leave a worker that polls for ever.
            ["setpriv", "--pdeathsig", "KILL", *command],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started = WorkerProcess(name, process, log_path)

    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"worker {name} ended with {process.returncode}: {started.log()}")
        return bool(of.events("asked", worker=name))

    try:
        wait_for(f"first request of worker {name}", ready, START_TIMEOUT_S)
        yield started
    finally:
        started.clean_up()
