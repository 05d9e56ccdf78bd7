"""One row of the table of measurements."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured, each run's value, and what was wanted."""

    what: str
    values: tuple[float, ...]
    unit: str
    target: str = ""
