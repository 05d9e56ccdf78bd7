"""``make bench``: measurements as a table on the terminal and in docs/benchmarks/<suite>.json.

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
from typing import Final

from benchmarks import decoding, jobs, starting, volume
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


SUITES: Final = {
    "spine": (starting.rows, decoding.rows, jobs.rows),
    "install": (volume.install_rows,),
    "volume": (volume.rows,),
}


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("suites", nargs="*", default=list(SUITES), help=" or ".join(SUITES))
    parser.add_argument("--runs", type=int, default=5, help="runs of each short measurement")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    if unknown := set(arguments.suites) - set(SUITES):
        parser.error(f"no suite {' '.join(unknown)}: there are {', '.join(SUITES)}")
    for suite in arguments.suites:
        run(suite, arguments.runs, arguments.out / f"{suite}.json")


def run(suite: str, runs: int, out: Path) -> None:
    """One suite."""
    machine = describe_machine()
    rows: list[Row] = []
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for measure in SUITES[suite]:
            for row in measure(Path(folder), runs):
                rows.append(row)
                print(as_line(row), flush=True)
    print(f"\n{machine}\n{time.monotonic() - begin:.0f} s in all", file=sys.stderr)
    saved = {"machine": asdict(machine), "rows": [asdict(row) for row in rows]}
    out.write_text(json.dumps(saved, indent=2) + "\n")


def as_line(row: Row) -> str:
    """A row of the table."""
    values = sorted(row.values)
    spread = f"{values[0]:.2f} to {values[-1]:.2f}" if len(values) > 1 else ""
    median = statistics.median(values)
    return f"{row.what:<66} {median:>9.2f} {row.unit:<14} {row.target:<12} {spread}"


if __name__ == "__main__":
    main()
