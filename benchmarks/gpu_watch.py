"""What a card does while others work on it: memory in use, and the share of time it is idle."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import torch

SAMPLE_S: Final = 0.1


@dataclass(slots=True)
class Seen:
    """Samples of one stretch of time."""

    used_bytes: list[int] = field(default_factory=list)
    busy_percent: list[int] = field(default_factory=list)

    @property
    def peak_gb(self) -> float:
        """Of the whole card."""
        return max(self.used_bytes, default=0) / 1e9

    @property
    def idle_percent(self) -> float | None:
        """None where the driver's library cannot be asked."""
        if not self.busy_percent:
            return None
        return 100 - sum(self.busy_percent) / len(self.busy_percent)


@contextmanager
def watching(device: str) -> Iterator[Seen]:
    """Look at the card within; at nothing where there is none."""
    seen, over = Seen(), threading.Event()

    def look() -> None:
        while device == "cuda" and not over.wait(SAMPLE_S):
            free, total = torch.cuda.mem_get_info()
            seen.used_bytes.append(total - free)
            try:
                seen.busy_percent.append(torch.cuda.utilization())
            except (ModuleNotFoundError, RuntimeError):  # no NVML here
                seen.busy_percent.clear()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
