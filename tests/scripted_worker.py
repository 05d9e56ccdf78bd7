"""A worker of the stand-in control plane that answers as a test says: a thread, no models."""

from __future__ import annotations

import contextlib
import threading
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.control_plane import ENDPOINT_ID
from tests.worker_process import Endpoint, request_json

ANSWER: dict[str, Any] = {
    "success": True,
    "text": "Good morning. Can we meet?",
    "duration": 3.0,
    "language": "en",
    "timestamps": {
        "word": [
            {"word": word, "start": start, "end": start + 0.4, "confidence": 0.9, "speaker": who}
            for word, start, who in (
                ("Good", 0.2, "SPEAKER_00"),
                ("morning.", 0.7, "SPEAKER_00"),
                ("Can", 1.5, "SPEAKER_01"),
                ("we", 2.0, "SPEAKER_01"),
                ("meet?", 2.5, "SPEAKER_01"),
            )
        ],
        "segment": [
            {"text": "Good morning.", "start": 0.2, "end": 1.1, "speaker": "SPEAKER_00"},
            {"text": "Can we meet?", "start": 1.5, "end": 2.9, "speaker": "SPEAKER_01"},
        ],
    },
    "speakers": [
        {"id": "SPEAKER_00", "talk_time": 0.9, "turns": 1},
        {"id": "SPEAKER_01", "talk_time": 1.4, "turns": 1},
    ],
    "warnings": [],
}


@dataclass(slots=True)
class Job:
    """A job in the hands of the worker."""

    base: str
    id: str
    input: dict[str, Any]
    stopped: threading.Event

    def progress(self, **update: Any) -> None:
        """Post where it stands."""
        self._post("job-done", {"status": "IN_PROGRESS", "output": update})

    def stream(self, chunk: Any) -> None:
        """Post a chunk."""
        self._post("job-stream", {"output": chunk})

    def done(self, output: Any = None, error: str | None = None) -> None:
        """Post the end, as RunPod's package does."""
        body = {"output": output} if error is None else {"output": output, "error": error}
        self._post("job-done", body)

    def hang(self) -> None:
        """Work until the test is over."""
        self.stopped.wait(60)

    def _post(self, path: str, body: object) -> None:
        request_json(f"{self.base}/{path}/scripted/{self.id}", body)


Script = Callable[[Job], None]


@dataclass(slots=True)
class ScriptedWorker:
    """Takes one job after another and does with each what ``script`` says."""

    endpoint: Endpoint
    script: Script = lambda job: job.done(ANSWER)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    """What came."""
    stopped: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        """Until ``stopped``."""
        base = f"{self.endpoint.url}/v2/{ENDPOINT_ID}"
        while not self.stopped.is_set():
            try:
                _, given = request_json(f"{base}/job-take-batch/scripted?batch_size=1")
            except ValueError:  # no job: an answer without a body
                continue
            except (OSError, urllib.error.URLError):  # the endpoint has gone
                return
            for one in given:
                self.inputs.append(one["input"])
                self.script(Job(base, one["id"], one["input"], self.stopped))


@contextlib.contextmanager
def scripted_worker(endpoint: Endpoint) -> Iterator[ScriptedWorker]:
    """A worker at work."""
    worker = ScriptedWorker(endpoint)
    thread = threading.Thread(target=worker.work, name="scripted worker")
    thread.start()
    try:
        yield worker
    finally:
        worker.stopped.set()
        thread.join()
