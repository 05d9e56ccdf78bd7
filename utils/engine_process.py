"""One run of the engine's process, from its start to its end.

The protocol (speech/protocol.py) goes over a socket pair whose other end only the engine holds, so
nothing that a library prints can get into it, and either side sees at once that the other is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from speech import protocol
from speech.errors import CODES, EngineError
from speech.request import Options
from speech.types import Audio, Hearing, Report, Voice

log = logging.getLogger(__name__)

PASSED_ON: Final = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "OMP_NUM_THREADS",
)  # fmt: skip
"""The worker's environment is not inherited: an image's PYTHONPATH or PYTHONDONTWRITEBYTECODE would
reach into the models' environment, and the worker's secrets are none of its business."""

ALWAYS_SET: Final[Mapping[str, str]] = {
    "PYANNOTE_METRICS_ENABLED": "false",  # pyannote.audio reports use by default
    "HF_HUB_OFFLINE": "1",  # it gets paths of files; the bootstrap has fetched them
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "NO_VCS_VERSION": "1",  # else NeMo runs git at import
    "TOKENIZERS_PARALLELISM": "false",
    # Threads that wait let others work. By default they spin: with one busy process beside it, 64
    # clips take 11 s on two cores instead of 1.2 (docs/decisions/0006-batches.md).
    "OMP_WAIT_POLICY": "PASSIVE",
}


class EngineGoneError(Exception):
    """The engine's process ended while something was expected of it."""


class BrokenEnvironmentError(Exception):
    """The models' environment does not start an engine: its own fault, not the machine's."""


NOT_ITS_FAULT: Final = (0, -signal.SIGKILL, -signal.SIGTERM)
"""Ends of an engine that say nothing of its environment: stopped, or killed for memory."""


@dataclass(slots=True)
class Waiting:
    """A job that the engine has been given."""

    report: Report
    answer: asyncio.Future[Hearing]


@dataclass(slots=True)
class EngineProcess:
    """A running engine. Made by ``start``; of no use any more once ``gone`` is done."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    hello: asyncio.Future[protocol.Message]
    ready: asyncio.Future[protocol.Message]
    gone: asyncio.Future[None]
    jobs: dict[str, Waiting] = field(default_factory=dict)
    reading: asyncio.Task[None] | None = None
    """Held because the loop itself holds tasks weakly."""
    begun: set[str] = field(default_factory=set)
    """The jobs that the engine has told progress of and has not answered."""

    @classmethod
    async def start(cls, python: Path, root: Path, settings: protocol.EngineSettings) -> Self:
        """Start the process and tell it its settings.

        Args:
            python: The interpreter of the models' environment.
            root: The folder that holds ``engine/`` and ``speech/``.
            settings: Sent in the ``start`` message.

        Raises:
            BrokenEnvironmentError: The interpreter cannot be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *engine_command(python, root, theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=sys.stderr.fileno(),
                    env=engine_environment(os.environ),
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise BrokenEnvironmentError(f"its Python: {error.strerror}") from error
        reader, writer = await asyncio.open_connection(sock=ours, limit=protocol.MAX_LINE_BYTES)
        loop = asyncio.get_running_loop()
        hello, ready, gone = loop.create_future(), loop.create_future(), loop.create_future()
        engine = cls(process, reader, writer, hello, ready, gone)
        engine.reading = loop.create_task(engine._read())
        engine.send("start", settings=protocol.settings_to_dict(settings))
        return engine

    def send(self, kind: str, **fields: Any) -> None:
        """Send one message. A dead engine is noticed by the reader, not here."""
        self.writer.write(protocol.encode({"type": kind, **fields}))

    async def hear(
        self,
        job_id: str,
        audio: Audio,
        options: Options,
        report: Report,
        voices: Sequence[Voice] = (),
    ) -> Hearing:
        """Have one recording heard.

        Args:
            job_id: Never used before with this engine: an answer may cross a cancellation.
            audio: The recording.
            options: The request's options.
            report: Called with its progress.
            voices: Of people who may be in it.

        Raises:
            EngineGoneError: The process ended before it answered.
            EngineError: Its answer was an error.
        """
        if self.gone.done():
            raise EngineGoneError
        waiting = Waiting(report, asyncio.get_running_loop().create_future())
        self.jobs[job_id] = waiting
        self.send(
            "run",
            id=job_id,
            audio_path=str(audio.path),
            options=protocol.options_to_dict(options),
            voices=[protocol.voice_to_dict(voice) for voice in voices],
        )
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            self.send("cancel", id=job_id)
            raise
        finally:
            self.jobs.pop(job_id, None)

    def ended_without_hello(self) -> bool:
        """Whether its environment ended it: a Python that fails, a library that is cut short."""
        said_hello = self.hello.done() and self.hello.exception() is None
        return self.gone.done() and not said_hello and self.process.returncode not in NOT_ITS_FAULT

    def kill(self) -> None:
        """End the process and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    async def _read(self) -> None:
        try:
            while line := await self.reader.readline():
                self._take(protocol.decode(line))
        except (OSError, ValueError) as error:
            log.error("the engine's line broke: %s", type(error).__name__)
        self.kill()
        await self.process.wait()
        self.writer.close()
        gone = EngineGoneError(f"the engine ended with status {self.process.returncode}")
        self.gone.set_result(None)
        self._fail_start(gone)
        for job in self.jobs.values():
            fail(job.answer, gone)

    def _take(self, message: protocol.Message) -> None:
        kind, job_id = message["type"], message.get("id")
        job = self.jobs.get(job_id) if isinstance(job_id, str) else None
        if kind == "hello":
            self.hello.set_result(message)
        elif kind == "broken":
            self._fail_start(BrokenEnvironmentError(message["reason"]))
        elif kind == "ready":
            self.ready.set_result(message)
        elif kind == "progress":
            self.begun.add(message["id"])
            if job:
                report_to(job, message)
        elif kind in ("result", "error", "cancelled"):
            self.begun.discard(str(job_id))
            if job_id is None:
                self._fail_start(engine_error(message))
            elif job:
                answer_to(job, message)

    def _fail_start(self, error: Exception) -> None:
        fail(self.hello, error)
        fail(self.ready, error)


def report_to(job: Waiting, message: protocol.Message) -> None:
    """Hand a ``progress`` message on."""
    job.report(protocol.progress_from_dict(message))


def answer_to(job: Waiting, message: protocol.Message) -> None:
    """Hand a ``result`` or ``error`` message on. Nobody waits for a ``cancelled`` one."""
    if message["type"] == "error":
        fail(job.answer, engine_error(message))
    elif message["type"] == "result" and not job.answer.done():
        job.answer.set_result(protocol.hearing_from_dict(message["hearing"]))


def fail(future: asyncio.Future[Any], error: Exception) -> None:
    """Let a future that is still open end with this error."""
    if not future.done():
        future.set_exception(error)
        future.exception()  # looked at: nobody may be waiting for it any more


def engine_command(python: Path, root: Path, descriptor: int) -> Sequence[str]:
    """-I: no PYTHON* variable and no user site reaches the models' environment."""
    return [str(python), "-I", "-u", str(root / "engine" / "__main__.py"), str(descriptor)]


def engine_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that the engine's process gets."""
    passed_on = {name: environment[name] for name in PASSED_ON if name in environment}
    return {**passed_on, **ALWAYS_SET}


def engine_error(message: protocol.Message) -> EngineError:
    """The error of an ``error`` message."""
    code = message["code"] if message["code"] in CODES else "engine_failed"
    return EngineError(code, message["message"], retryable=message["retryable"])
