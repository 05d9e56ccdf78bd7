"""How far a bootstrap is, in terms that a waiting job can be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """Where a bootstrap stands."""

    name: str
    """What is being done, in a few words."""
    fraction: float | None = None
    """Share of the whole bootstrap that is done, 0 to 1."""
    done_bytes: int | None = None
    total_bytes: int | None = None
    remaining_s: float | None = None
    """An estimate."""
    worker: str | None = None
    """Who does it, where that is another worker."""


Tell = Callable[[Step], None]
