r"""``make bench-gpu``: equality, then figures, on one NVIDIA card, in less than eight minutes.

It needs Python 3.11 or 3.12, PyTorch for the card, this repository, and the packages of
``benchmarks/gpu_wheels.txt`` on PYTHONPATH: no network, no model hub, no environments of ``make``.
Where pip and a network are (any machine), collect them beside the repository:

    for r in $(grep -v '^#' benchmarks/gpu_wheels.txt); do
      python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 \
        --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
        --platform manylinux1_x86_64 -d wheels "$r" \
      || python3 -m pip wheel -q --no-deps -w wheels "$r"
    done

and on the machine with the card:

    python3 -m pip install -q --no-index --no-deps --no-compile --target /tmp/site wheels/*.whl
    PYTHONPATH=/tmp/site make bench-gpu      # or: python3 -m benchmarks.gpu

The models are stand-ins of true size (``benchmarks/true_size.py``), made there in a minute. What
was measured is written after each row, so that a run that is cut short leaves what it had. The
status is 1 if something that must be equal is not, or a part failed. ``--device cpu --small`` runs
everything with small models, to see that it runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any, Final

import torch

from benchmarks import gpu_ceilings, gpu_checks, gpu_rows, true_size, under_test
from benchmarks.engine_run import EngineFailedError
from benchmarks.gpu_rows import FULL, SMALL, Setting
from benchmarks.machine import ROOT, describe_machine
from benchmarks.plots import bars
from benchmarks.rows import HEADING, Row, as_line, save

LIMIT_S: Final = 460.0
PACKAGES: Final = ("torch", "nemo_toolkit", "pyannote.audio", "numpy", "lightning")

FAILURES: Final = (
    EngineFailedError,
    CalledProcessError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OSError,
    ArithmeticError,
    AssertionError,
)
"""On a machine that is lent for minutes, the rest is still to be measured."""

Part = tuple[str, float, Callable[[Setting], Iterator[Row]]]
PARTS: Final[tuple[Part, ...]] = (
    ("engine", 120.0, gpu_rows.engine_rows),
    ("baseline", 110.0, gpu_rows.baseline_rows),
    ("model", 30.0, gpu_rows.model_rows),
)
"""With the seconds that each needs at most: one for which there is no time is left out."""


@dataclass(slots=True)
class Results:
    """All that is known so far."""

    out: Path
    machine: dict[str, Any]
    begun_s: float = field(default_factory=time.monotonic)
    checks: list[dict[str, Any]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Parts for which there was no time."""
    failed: list[str] = field(default_factory=list)

    def write(self) -> None:
        """The file and its plot."""
        took_s = round(time.monotonic() - self.begun_s, 1)
        parts = {"left_out": self.left_out, "failed": self.failed}
        save(self.out, self.machine, self.rows, took_s=took_s, **parts, checks=self.checks)
        if drawn := [row for row in self.rows if row.times_better]:
            self.out.with_suffix(".svg").write_text(bars(drawn, self.out.stem))


def main() -> None:
    """Check, measure, print, save."""
    arguments = parse()
    os.environ["PYANNOTE_METRICS_ENABLED"] = "false"
    card = torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu"
    name = re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-")
    results = Results(arguments.out / f"gpu-{name}.json", describe(card))
    with tempfile.TemporaryDirectory() as folder:
        setting = prepare(arguments, Path(folder))
        say(results, "models are there")
        check(setting, results)
        print(f"\n{HEADING}")
        for row in gpu_ceilings.rows(arguments.device, small=arguments.small):
            note(row, results)
        for part, needs_s, rows in PARTS:
            measure(part, needs_s * (0.2 if arguments.small else 1), rows, setting, results)
    say(results, f"written to {results.out.name}")
    equal = bool(results.checks) and all(one["holds"] for one in results.checks)
    sys.exit(0 if equal and not results.failed else 1)


def parse() -> argparse.Namespace:
    """The command line."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("make bench-gpu", description=__doc__, formatter_class=plain)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--small", action="store_true", help="small models, seconds of audio")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="for all of it")
    return parser.parse_args()


def describe(card: str) -> dict[str, Any]:
    """The machine, the card and the versions, which are not those of production's lock."""
    found = {**asdict(describe_machine()), "card": card, "python": platform.python_version()}
    if torch.cuda.is_available() and card != "cpu":
        memory = torch.cuda.get_device_properties(0).total_memory
        found |= {"card_memory_gb": round(memory / 1e9, 1), "cuda": torch.version.cuda}
    return {**found, "versions": {name: metadata.version(name) for name in PACKAGES}}


def prepare(arguments: argparse.Namespace, folder: Path) -> Setting:
    """Make the models, and the fast checkpoint of one."""
    python = Path(sys.executable)
    isolated = not os.environ.get("PYTHONPATH")
    models = true_size.stand_ins(python, small=arguments.small)
    return Setting(
        python=python,
        models=models,
        fast=under_test.fast_checkpoint(python, models, isolated=isolated),
        device=arguments.device,
        isolated=isolated,
        plan=SMALL if arguments.small else FULL,
        folder=folder,
        limit_s=arguments.limit_s,
    )


def check(setting: Setting, results: Results) -> None:
    """What must be equal."""
    try:
        for one in gpu_checks.checks(setting.models, setting.fast, setting.device, setting.folder):
            results.checks.append({**asdict(one), "holds": one.holds})
            print(one.line(), flush=True)
            results.write()
    except FAILURES:
        traceback.print_exc()
        results.failed.append("checks")
    say(results, "checked")


def measure(
    part: str,
    needs_s: float,
    rows: Callable[[Setting], Iterator[Row]],
    setting: Setting,
    results: Results,
) -> None:
    """One part, if there is time for it. Should it fail, the others still have their time."""
    if time.monotonic() - results.begun_s + needs_s > setting.limit_s:
        results.left_out.append(part)
        say(results, f"no time is left for: {part}")
        results.write()
        return
    try:
        for row in rows(setting):
            note(row, results)
    except FAILURES:
        traceback.print_exc()
        results.failed.append(part)
        results.write()
    say(results, f"measured: {part}")


def note(row: Row, results: Results) -> None:
    """Print a row, and keep it."""
    results.rows.append(row)
    print(as_line(row), flush=True)
    results.write()


def say(results: Results, what: str) -> None:
    """On stderr, with the time so far."""
    print(f"[{time.monotonic() - results.begun_s:.0f} s] {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
