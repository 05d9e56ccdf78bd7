"""The machine that a figure was taken on."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Machine:
    """What a figure was taken on."""

    commit: str
    cores: int
    memory_gb: float
    python: str
    load_before: float


def describe_machine() -> Machine:
    """This machine and this commit."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        commit=commit or "unknown",
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(pages / 1e9, 1),
        python=platform.python_version(),
        load_before=round(os.getloadavg()[0], 1),
    )
