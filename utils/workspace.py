"""One private directory a job, and nothing left behind, not even by a worker that was killed."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import getpid
from pathlib import Path

import config

_PROC = Path("/proc")
_NAME = re.compile(r"(\d+)-(\d+)-")
_ID_CHARACTERS = 40
"""A job id may be of any length, a file's name may not."""


@contextmanager
def job_directory(job_id: str, *, root: Path | None = None) -> Iterator[Path]:
    """A fresh directory that only this user can read, removed at exit whatever happened.

    Its name carries the process' number and start time, so that ``sweep`` can tell whose it is.

    Args:
        job_id: Any text; it need not be unique.
        root: Holds the directories; None takes the configured one.
    """
    root = config.WORK_DIR if root is None else root
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    readable_id = re.sub(r"[^A-Za-z0-9]+", "-", job_id)[:_ID_CHARACTERS]
    pid = getpid()
    prefix = f"{pid}-{_start_time(pid) or 0}-{readable_id}-"
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def sweep(*, root: Path | None = None) -> int:
    """Remove the directories of processes that are no more. Called when a worker starts.

    Args:
        root: Holds the directories; None takes the configured one.

    Returns:
        How many were removed.
    """
    root = config.WORK_DIR if root is None else root
    if not _PROC.is_dir() or not root.is_dir():  # without /proc nobody can be proved dead
        return 0
    removed = 0
    for directory in root.iterdir():
        owner = _NAME.match(directory.name)
        if owner and _start_time(int(owner[1])) != int(owner[2]):
            shutil.rmtree(directory, ignore_errors=True)
            removed += 1
    return removed


def _start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None where no such process is.

    A process' number is used again after its end, number and start time together are not (proc(5):
    field 22 of stat; the program's name in field 2 may hold spaces and brackets).
    """
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
