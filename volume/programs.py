"""Programs that the bootstrap runs: bounded in time, ended with it, with a clean environment."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from volume.errors import BootstrapError, EndingError

DIE_WITH_PARENT: Final = (
    "import ctypes,os,signal,sys;"
    "parent=os.getppid();"
    "ctypes.CDLL(None).prctl(1,signal.SIGKILL,0,0,0);"
    "os.getppid()==parent or os._exit(1);"
    "os.execvp(sys.argv[1],sys.argv[1:])"
)
"""PR_SET_PDEATHSIG, then the program: a worker killed with -9 leaves no installer running on."""

PASSED_ON: Final = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "no_proxy", "all_proxy", "HF_ENDPOINT",
    "UV_CACHE_DIR", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX",
    "UV_FIND_LINKS", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES",
    "UV_OFFLINE", "UV_INSECURE_HOST", "UV_CONCURRENT_DOWNLOADS", "UV_CONFIG_FILE",
)  # fmt: skip
"""Nothing else is inherited: a PYTHONPATH, PIP_*, VIRTUAL_ENV or UV_PRERELEASE of the image would
change what is installed or how it is imported, and a step needs no secret of the worker's."""

LAST_LINES: Final = 20

NO_ROOM: Final = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))

_running: set[subprocess.Popen[bytes]] = set()
_ending = threading.Event()


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a step of the bootstrap gets."""
    kept = {name: environment[name] for name in PASSED_ON if name in environment}
    return {
        **kept,
        "UV_PYTHON_DOWNLOADS": "never",  # it must rest on this image's Python
        "UV_NO_PROGRESS": "1",
        "NO_VCS_VERSION": "1",  # else NeMo runs git at import
        "PYANNOTE_METRICS_ENABLED": "false",
    }


def bound(command: Sequence[str]) -> list[str]:
    """The command line that ends with the process that starts it."""
    return [sys.executable, "-I", "-S", "-c", DIE_WITH_PARENT, *command]


@contextlib.contextmanager
def started(
    command: Sequence[str], more: Mapping[str, str] | None = None, stderr: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program with pipes, killed at the end of the block, or by ``end_all``.

    Args:
        command: The program and its arguments.
        more: Further variables of its environment.
        stderr: As for Popen; None is our own.

    Raises:
        EndingError: This process is to end, whatever else the block raises: programs that are
            killed for that reason have not failed.
    """
    with subprocess.Popen(
        bound(command),
        env={**clean_environment(os.environ), **(more or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
    ) as process:
        _running.add(process)
        try:
            if _ending.is_set():
                raise EndingError
            yield process
        except BootstrapError as error:
            if _ending.is_set():
                raise EndingError from error
            raise
        finally:
            _running.discard(process)
            process.kill()


class Lines:
    """The lines that a program writes into a pipe. Nothing else may read from it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._descriptor = pipe.fileno()
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)
        self._read = bytearray()

    def read(self, until_s: float) -> bytes:
        """The next whole line; empty at the end.

        Args:
            until_s: How long to wait for it, by the monotonic clock.

        Raises:
            TimeoutError: It did not come.
        """
        while b"\n" not in self._read:
            if not self._poll.poll(1000 * max(0.0, until_s - time.monotonic())):
                raise TimeoutError
            piece = os.read(self._descriptor, 1 << 16)
            if not piece:
                return b""
            self._read += piece
        line, _, rest = self._read.partition(b"\n")
        self._read = rest
        return bytes(line) + b"\n"


def run(
    command: Sequence[str],
    *,
    timeout_s: float,
    more: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, well or not.

    Raises:
        BootstrapError: It took too long.
        EndingError: This process is to end.
    """
    with started(command, more, subprocess.PIPE) as process:
        try:
            out, err = process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise BootstrapError(
                "bootstrap_failed",
                f"{_name(command)} did not end within {timeout_s:.0f} s",
                retryable=True,
            ) from error
    if _ending.is_set():
        raise EndingError
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def require(
    command: Sequence[str], *, timeout_s: float, more: Mapping[str, str] | None = None
) -> str:
    """Run a program that must end well; what it wrote to stdout.

    Raises:
        BootstrapError: ``bootstrap_failed``, with its last lines, or ``volume_full``.
    """
    done = run(command, timeout_s=timeout_s, more=more)
    if done.returncode != 0:
        text = (done.stderr or done.stdout).decode(errors="replace")
        lines = text.strip().splitlines()[-LAST_LINES:]
        raise BootstrapError(
            "volume_full" if any(words in text for words in NO_ROOM) else "bootstrap_failed",
            f"{_name(command)} failed with status {done.returncode}:\n" + "\n".join(lines),
            retryable=True,
        )
    return done.stdout.decode(errors="replace")


def end_all() -> None:
    """This process is to end: kill what it runs, and start nothing any more.

    Threads that wait for a program would keep the process alive, a whole install long.
    """
    _ending.set()
    for process in tuple(_running):
        process.kill()


def pause(seconds: float) -> None:
    """Wait, but not for long when this process is to end.

    Raises:
        EndingError: It is.
    """
    if _ending.wait(seconds):
        raise EndingError


def _name(command: Sequence[str]) -> str:
    return " ".join(Path(part).name for part in command[:3] if not part.startswith("-"))


def uv() -> str:
    """The uv program beside this interpreter, or the one on the PATH.

    Raises:
        BootstrapError: There is none.
    """
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise BootstrapError(
            "bootstrap_failed", "uv is not installed. Install it with `pip install uv`."
        )
    return found
