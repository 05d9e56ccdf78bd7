"""A worker on this machine, through the SDK's own HTTP mode, for the demo and the checks."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 120.0


class WorkerStoppedError(Exception):
    """The worker ended before it answered. The message holds its last words."""


@dataclass(frozen=True, slots=True)
class LocalWorker:
    """A running worker."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def transcribe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The job as /runsync shows it: {"id", "status", "output" or "error"}.

        Raises:
            WorkerStoppedError: The worker ended meanwhile.
        """
        body = json.dumps({"input": request}).encode()
        call = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/runsync",
            body,
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(call) as answer:
                job: dict[str, Any] = json.load(answer)
        except urllib.error.URLError as error:
            raise WorkerStoppedError(last_words(self.log)) from error
        return job


@contextlib.contextmanager
def running(python: Path, log: Path, environment: Mapping[str, str]) -> Iterator[LocalWorker]:
    """Start ``handler.py`` as an HTTP server, and end it and its engine at exit.

    Args:
        python: The interpreter of the worker's environment.
        log: Where its output goes.
        environment: Added to this process's own.

    Raises:
        WorkerStoppedError: It does not start.
    """
    port = free_port()
    command = [str(python), "-u", str(ROOT / "handler.py"), "--rp_serve_api"]
    command += ["--rp_api_port", str(port), "--rp_api_host", "127.0.0.1"]
    # Its jobs' files lie in a folder that goes with it, even when it must be killed.
    with tempfile.TemporaryDirectory() as work, log.open("wb") as output:
        settings = {"RUNPOD_LOG_LEVEL": "ERROR", "PARAKEET_WORK_DIR": work, **environment}
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            await_port(process, port, log)
            yield LocalWorker(process, port, log)
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the worker's process group: kindly, and after a while not."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:  # the HTTP server waits for the job in hand
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def file_server(path: Path) -> Iterator[str]:
    """A URL of one file on this machine, so that a large one need not be sent as base64."""

    class OneFolder(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its base's name
            """Say nothing."""

    handler = functools.partial(OneFolder, directory=str(path.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{urllib.parse.quote(path.name)}"
        finally:
            server.shutdown()


def await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when something listens.

    Raises:
        WorkerStoppedError: The process ended, or took too long.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise WorkerStoppedError(last_words(log))


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def last_words(log: Path) -> str:
    """The end of the worker's log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-15:]) or "the worker said nothing"
