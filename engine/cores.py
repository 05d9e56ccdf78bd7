"""How many processors there are for the models, and who may use how many of them."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from engine.control_groups import control_groups


def available(root: Path = Path("/")) -> int:
    """Processors that this process may use: the container's share, not the host's.

    torch counts the host's, and 64 threads on a quota of 4 processors stand in each other's way.

    Args:
        root: Where ``proc`` and ``sys`` are mounted.
    """
    allowed = len(os.sched_getaffinity(0))
    quotas = [
        quota for folder in control_groups(root, "cpu") if (quota := _quota(folder)) is not None
    ]
    return max(1, min([allowed, *(math.ceil(quota) for quota in quotas)]))


def _quota(folder: Path) -> float | None:
    """Processors that a control group's quota allows; None for no limit."""
    try:
        if (folder / "cpu.max").is_file():  # version 2: "quota period" or "max period"
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


class Cores:
    """Shares the processors among the lanes that are at work.

    Two lanes with all threads each would fight for the processors, and small layers hardly gain
    from more than one: on two cores each has one while both work.

    Args:
        total: Threads for all lanes together.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._lock = threading.Lock()
        self._pass = threading.Lock()
        self.one_at_a_time = False
        self._busy = 0
        self._changed_s = time.monotonic()
        self._idle_s = 0.0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A lane works in this block."""
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A pass: with the lane's share, and alone where there is no memory for two at once."""
        with self._pass if self.one_at_a_time else nullcontext():
            self.take_share()
            yield

    def take_share(self) -> None:
        """Give the calling lane what is its share now; called before each pass."""
        torch.set_num_threads(max(1, self._total // max(1, self._busy)))

    def idle_s(self) -> float:
        """For how long no lane has had anything to do, since the start."""
        with self._lock:
            return self._idle_s + (0.0 if self._busy else time.monotonic() - self._changed_s)

    def _change(self, lanes: int) -> None:
        with self._lock:
            now_s = time.monotonic()
            if not self._busy:
                self._idle_s += now_s - self._changed_s
            self._changed_s = now_s
            self._busy += lanes
