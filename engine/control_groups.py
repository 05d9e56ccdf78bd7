"""The control groups that limit this process: a container's share of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def control_groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's control groups and of all above them, for one controller.

    Args:
        root: Where ``proc`` and ``sys`` are mounted.
        controller: "cpu" or "memory". In version 2 one folder has all controllers.
    """
    base = root / "sys" / "fs" / "cgroup"
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text().splitlines()
    except OSError:
        lines = []
    # In a container the listed path may be the host's.
    for line in [*lines, "0::/", f"0:{controller}:/"]:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        folder = base / controller if controllers else base
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts), -1, -1):
            yield folder.joinpath(*parts[:depth])
