"""``make bench``: the spine's numbers as a table on the terminal and in docs/benchmarks/spine.json.

Each row is a median over several runs, beside a baseline of the same run where one makes sense:
these figures move with the machine, their ratios hardly do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import decoding, jobs, starting
from benchmarks.rows import Row

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


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each short measurement")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks" / "spine.json")
    arguments = parser.parse_args()
    machine = describe_machine()
    rows: list[Row] = []
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for measure in (starting.rows, decoding.rows, jobs.rows):
            for row in measure(Path(folder), arguments.runs):
                rows.append(row)
                print(as_line(row), flush=True)
    print(f"\n{machine}\n{time.monotonic() - begin:.0f} s in all", file=sys.stderr)
    saved = {"machine": asdict(machine), "rows": [asdict(row) for row in rows]}
    arguments.out.write_text(json.dumps(saved, indent=2) + "\n")


def as_line(row: Row) -> str:
    """A row of the table."""
    values = sorted(row.values)
    spread = f"{values[0]:.2f} to {values[-1]:.2f}" if len(values) > 1 else ""
    median = statistics.median(values)
    return f"{row.what:<66} {median:>9.2f} {row.unit:<14} {row.target:<12} {spread}"


if __name__ == "__main__":
    main()
