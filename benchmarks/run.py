"""``make bench``: measurements as a table on the terminal and in docs/benchmarks/<suite>.json.

Each row is a median over several runs, beside a baseline of the same run where one makes sense:
these figures move with the machine, their ratios hardly do. Suites with such rows are drawn, too,
in docs/benchmarks/<suite>.svg.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks import (
    arithmetic,
    decoding,
    estimates,
    formats,
    jobs,
    labelling,
    lengths,
    page,
    plots,
    speed_jobs,
    speed_start,
    speed_worker,
    starting,
    trust,
    volume,
)
from benchmarks.machine import describe_machine
from benchmarks.rows import HEADING, Row, as_line, save

ROOT = Path(__file__).resolve().parent.parent


SUITES: Final = {
    "spine": (starting.rows, decoding.rows, jobs.rows),
    "install": (volume.install_rows,),
    "volume": (volume.rows,),
    "speed": (
        speed_start.start_rows,
        speed_start.embedding_rows,
        speed_jobs.conversation_rows,
        speed_jobs.clip_rows,
        speed_worker.idle_rows,
        speed_worker.handler_rows,
    ),
    "lengths": (lengths.rows,),
    "labelling": (labelling.rows,),
    "trust": (trust.rows,),
    "arithmetic": (arithmetic.rows,),
    "formats": (formats.rows,),
    "page": (page.rows,),
    "estimates": (estimates.rows,),
}


def draw_speed(rows: Sequence[Row]) -> str:
    """Bars of all rows that have a target against the baseline."""
    return plots.bars([row for row in rows if row.wanted_times], "speed")


PLOTS: Final[dict[str, Callable[[Sequence[Row]], str]]] = {
    "speed": draw_speed,
    "lengths": lengths.plot,
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
    print(HEADING)
    with tempfile.TemporaryDirectory() as folder:
        for measure in SUITES[suite]:
            for row in measure(Path(folder), runs):
                rows.append(row)
                print(as_line(row), flush=True)
    print(f"\n{machine}\n{time.monotonic() - begin:.0f} s in all", file=sys.stderr)
    save(out, asdict(machine), rows)
    if suite in PLOTS:
        out.with_suffix(".svg").write_text(PLOTS[suite](rows))


if __name__ == "__main__":
    main()
