"""How far a bootstrap is, in terms that a waiting job can be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace


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


def within(tell: Tell, begin: float, end: float) -> Tell:
    """Tells a part's steps as steps of the whole, of which it is the share from begin to end."""

    def tell_whole(step: Step) -> None:
        fraction = begin + (end - begin) * (step.fraction or 0.0)
        tell(replace(step, fraction=fraction))

    return tell_whole
