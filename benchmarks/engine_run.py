"""The engine's own process, driven as the worker drives it, with the time of every message."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from benchmarks import processes
from speech import protocol
from speech.request import Options
from utils.engine_process import engine_command, engine_environment

ROOT: Final = Path(__file__).resolve().parent.parent
TIMEOUT_S: Final = 3600.0
ANSWERS: Final = ("result", "error")


class EngineFailedError(Exception):
    """The engine ended, or answered with an error."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The engine's answer to one recording."""

    hearing: protocol.Message
    """As ``speech.protocol.hearing_to_dict`` makes it."""
    sent_s: float
    """By the monotonic clock, as all times here."""
    begun_s: float
    """When the engine first told of its progress."""
    answered_s: float
    idle_s: float | None
    """For how long the engine has had nothing to do since its start, if it says so."""

    @property
    def text(self) -> str:
        """What was said."""
        return str(self.hearing["text"])

    @property
    def seconds(self) -> float:
        """From the request to the answer."""
        return self.answered_s - self.sent_s


class EngineUnderTest:
    """A running engine. Made by ``running``.

    Args:
        process: The engine's.
        connection: This end of the protocol's line.
        started_s: When the process was started.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], connection: socket.socket, started_s: float
    ) -> None:
        self.process = process
        self.started_s = started_s
        self._connection = connection
        self._ids = itertools.count(1)
        self._changed = threading.Condition()
        self._messages: dict[tuple[str, str | None], tuple[float, protocol.Message]] = {}
        """The first of each kind for each job, and when it came."""
        self._done: set[str] = set()
        self._ended = False
        self._sent: dict[str, float] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def ready(self) -> Self:
        """Wait until the models are loaded."""
        self._wait(("ready",), None)
        return self

    def since_start_s(self, kind: str) -> float:
        """When the first message of this kind, "hello" or "ready", came: seconds from the start."""
        return self._wait((kind,), None)[0] - self.started_s

    def submit(self, audio: Path, options: Options) -> str:
        """Hand over a recording; what it is called here."""
        job = f"job-{next(self._ids)}"
        self._sent[job] = time.monotonic()
        self._send(
            "run",
            id=job,
            audio_path=str(audio),
            options=protocol.options_to_dict(options),
            voices=[],
        )
        return job

    def result(self, job: str) -> Answer:
        """Wait for the answer to a recording.

        Raises:
            EngineFailedError: It is an error.
        """
        answered_s, message = self._wait(ANSWERS, job)
        if message["type"] == "error":
            raise EngineFailedError(f"{message['code']}: {message['message']}")
        with self._changed:
            begun_s, _ = self._messages.get(("progress", job), (answered_s, {}))
        idle_s = message.get("idle_s")
        return Answer(message["hearing"], self._sent[job], begun_s, answered_s, idle_s)

    def hear(self, audio: Path, *, diarize: bool = True) -> Answer:
        """Have one recording heard."""
        return self.result(self.submit(audio, Options(diarize=diarize)))

    def hear_all(
        self, audio: Sequence[Path], *, diarize: bool = True, at_once: int | None = None
    ) -> list[Answer]:
        """Have several heard, in this order, with at most so many in the engine's hands."""
        limit = at_once or len(audio)
        jobs: list[str] = []
        for path in audio:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._ended or len(self._sent) - len(self._done) < limit, TIMEOUT_S
                )
            jobs.append(self.submit(path, Options(diarize=diarize)))
        return [self.result(job) for job in jobs]

    def peak_mb(self) -> float:
        """The highest resident memory since the start, or since ``reset_peak``."""
        return processes.peak_mb(self.process.pid)

    def reset_peak(self) -> None:
        """Begin anew with the highest resident memory."""
        processes.reset_peak(self.process.pid)

    def stop(self) -> None:
        """End the process."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._connection.close()

    def _send(self, kind: str, **fields: Any) -> None:
        self._connection.sendall(protocol.encode({"type": kind, **fields}))

    def _read(self) -> None:
        with self._connection.makefile("rb") as lines:
            for line in lines:
                message = protocol.decode(line)
                with self._changed:
                    key = (message["type"], message.get("id"))
                    self._messages.setdefault(key, (time.monotonic(), message))
                    if message["type"] in ANSWERS and key[1]:
                        self._done.add(key[1])
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _wait(self, kinds: Sequence[str], job: str | None) -> tuple[float, protocol.Message]:
        def failures() -> list[tuple[float, protocol.Message]]:
            keys = (("error", None), ("broken", None))
            return [self._messages[key] for key in keys if key in self._messages]

        def found() -> list[tuple[float, protocol.Message]]:
            keys = ((kind, job) for kind in kinds)
            return [self._messages[key] for key in keys if key in self._messages]

        with self._changed:
            self._changed.wait_for(lambda: found() or failures() or self._ended, TIMEOUT_S)
            if not found():
                said = [message for _, message in failures()]
                raise EngineFailedError(f"no {' or '.join(kinds)} of {job or 'the engine'}: {said}")
            return found()[0]


@contextmanager
def running(
    python: Path, settings: Mapping[str, Any], *, isolated: bool = True
) -> Iterator[EngineUnderTest]:
    """Start an engine; end it at exit.

    Args:
        python: The interpreter of the models' environment.
        settings: The ``start`` message's; see ``under_test.settings``.
        isolated: As in production. Without it PYTHONPATH is passed on, for machines where packages
            lie in a folder of their own.
    """
    ours, theirs = socket.socketpair()
    command = list(engine_command(python, ROOT, theirs.fileno()))
    environment = engine_environment(os.environ)
    if not isolated:
        command[command.index("-I")] = "-P"  # still without the script's own folder
        environment["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    with theirs:
        started_s = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    engine = EngineUnderTest(process, ours, started_s)
    try:
        ours.sendall(protocol.encode({"type": "start", "settings": dict(settings)}))
        yield engine
    finally:
        engine.stop()
