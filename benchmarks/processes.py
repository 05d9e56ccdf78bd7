"""What the kernel knows of a process: its age, its memory at the highest, its processor time."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def age_s(pid: int | str = "self") -> float:
    """Seconds since the kernel started a process (proc_pid_stat(5), field 22)."""
    ticks = int(_stat(pid)[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / TICKS_A_SECOND


def cpu_s(pid: int | str = "self") -> float:
    """Seconds of processor time of a process and all of its threads, without its children."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def peak_mb(pid: int | str = "self") -> float:
    """The highest resident memory of a process and of those that it started, in 10^6 bytes."""
    return sum(_peak_kb(each) for each in _family(pid)) * 1024 / 1e6


def reset_peak(pid: int | str = "self") -> None:
    """Begin anew with the highest resident memory of a process (proc_pid_clear_refs(5))."""
    (PROC / str(pid) / "clear_refs").write_text("5")


def children(pid: int | str) -> list[int]:
    """The processes that a process has started, whichever of its threads did."""
    found: list[int] = []
    for task in (PROC / str(pid) / "task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def _family(pid: int | str) -> Iterator[int | str]:
    yield pid
    for child in children(pid):
        yield from _family(child)


def _peak_kb(pid: int | str) -> int:
    with contextlib.suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0  # it has ended


def _stat(pid: int | str) -> list[str]:
    """The fields of the process from the third on."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
