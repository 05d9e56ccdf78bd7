"""One row of the table of measurements."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured, each run's value, and what was wanted."""

    what: str
    values: tuple[float, ...]
    unit: str
    target: str = ""
    baseline: tuple[float, ...] = ()
    """The same of what it is measured against, in the same run."""
    more_is_better: bool = False
    wanted_times: float | None = None
    """How many times better than the baseline it is to be."""

    @property
    def median(self) -> float:
        """Of the values."""
        return statistics.median(self.values)

    @property
    def times_better(self) -> float | None:
        """Than the baseline: 4 is a quarter of its seconds, or four times its speed."""
        if not self.baseline:
            return None
        ours, theirs = self.median, statistics.median(self.baseline)
        better, worse = (ours, theirs) if self.more_is_better else (theirs, ours)
        return better / worse if worse else None


def as_json(row: Row) -> dict[str, Any]:
    """For the file; without what the row does not have."""
    fields = {name: value for name, value in asdict(row).items() if value not in ((), None, False)}
    times = row.times_better
    return {**fields, "target": row.target, **({} if times is None else {"times_better": times})}


def save(out: Path, machine: Mapping[str, Any], rows: Sequence[Row], **more: Any) -> None:
    """Write the file of a suite."""
    saved = {"machine": machine, **more, "rows": [as_json(row) for row in rows]}
    out.write_text(json.dumps(saved, indent=2) + "\n")


HEADING = f"{'':<62} {'measured':>10} {'':<12} {'baseline':>10} {'times':>7}  {'wanted':<14} spread"


def as_line(row: Row) -> str:
    """A row of the table."""
    values = sorted(row.values)
    spread = f"{number(values[0])} to {number(values[-1])}" if len(values) > 1 else ""
    baseline = number(statistics.median(row.baseline)) if row.baseline else ""
    times = "" if row.times_better is None else f"{row.times_better:.2f}"
    return (
        f"{row.what:<62} {number(row.median):>10} {row.unit:<12} {baseline:>10} {times:>7}"
        f"  {row.target:<14} {spread}"
    ).rstrip()


def number(value: float) -> str:
    """With the digits that mean something."""
    if value and abs(value) < 0.01:
        return f"{value:.1e}"
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:.0f}"
