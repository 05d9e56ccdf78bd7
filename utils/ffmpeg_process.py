"""One run of ffmpeg: which program, its output line by line, and never a process left over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Sequence

import config
from speech.errors import WorkerError

TakeLine = Callable[[str], None]

_READ_BYTES = 1 << 16
_LONGEST_LINE_BYTES = 4096
"""A file's own tags are printed too, and may be of any length."""


def find_program() -> str:
    """The ffmpeg program: the configured one, the one on the PATH, or the imageio-ffmpeg package's.

    Raises:
        WorkerError: There is none.
    """
    program = config.FFMPEG or shutil.which("ffmpeg")
    if program:
        return program
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise _missing() from error


async def run(
    command: Sequence[str], take_log: TakeLine, take_progress: TakeLine, timeout_s: float
) -> int:
    """Run to the end, or kill the whole process group at a cancellation or the deadline.

    Args:
        command: The program and its arguments.
        take_log: Gets each line of standard error.
        take_progress: Gets each line of standard output.
        timeout_s: The deadline.

    Returns:
        The exit status.

    Raises:
        TimeoutError: At the deadline.
        WorkerError: The program cannot be started.
    """
    process = await _start(command)
    assert process.stdout is not None and process.stderr is not None
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(
                _read_lines(process.stdout, take_progress), _read_lines(process.stderr, take_log)
            )
            return await process.wait()
    finally:
        await _end(process)


async def _start(command: Sequence[str]) -> asyncio.subprocess.Process:
    """Start in a process group of its own. A cancellation in the middle leaves nothing behind."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={"LC_ALL": "C"},  # the worker's own environment holds credentials
        )
    )
    try:
        return await asyncio.shield(starting)
    except OSError as error:
        raise _missing() from error
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            await _end(await starting)
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the group, where it still runs, and read the pipes dry: that closes them."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


async def _read_lines(stream: asyncio.StreamReader, take: TakeLine) -> None:
    rest = b""
    while chunk := await stream.read(_READ_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[:_LONGEST_LINE_BYTES]
        for line in lines:
            take(line[:_LONGEST_LINE_BYTES].decode(errors="replace"))


def _missing() -> WorkerError:
    return WorkerError(
        "internal_error",
        "The worker has no working ffmpeg: install Debian's package ffmpeg or the Python package "
        "imageio-ffmpeg, or name the program in PARAKEET_FFMPEG.",
    )
