"""In how many passes, and with which attention, a recording is heard. Pure.

The rule is NVIDIA's: full attention up to 24 minutes, local attention up to 3 hours. Beyond, and
where the memory does not allow it, the recording is heard in parts. What is tried first is decided
before the pass; should the memory run out all the same, the next way is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from engine.attention import FULL_ATTENTION_MAX_S, LOCAL_ATTENTION_MAX_S, Reach
from speech.request import AttentionChoice
from speech.types import AttentionUsed

PASS_S: Final = 600.0
"""Parts of recordings beyond 3 hours, heard with full attention: far more than any sentence needs,
and attention is about half of the encoder's work."""
WINDOW_S: Final = 60.0
SMALL_WINDOW_S: Final = 20.0
"""Parts where memory or throughput asks for them. The model was trained on up to 40 s."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to hear a recording."""

    attention: AttentionUsed
    longest_s: float
    """Of a pass."""
    why: str
    """The rule that it follows."""
    on_cpu: bool = False
    """Where the GPU has no memory even for that."""

    @property
    def reach(self) -> Reach:
        """The attention within a pass."""
        return "local" if self.attention == "local" else "full"


NeededBytes = Callable[[float, Reach], int]
"""What a pass over so many seconds needs beside the model."""


def ways(duration_s: float, choice: AttentionChoice, *, cpu_too: bool = False) -> tuple[Way, ...]:
    """The ways for a recording, the best first; each needs less memory than the one before it.

    Args:
        duration_s: Length of what is to be heard.
        choice: The request's option. A named one is obeyed for as long as memory lasts.
        cpu_too: Whether the last resort is the processor's own memory.
    """
    windows: tuple[Way, ...] = (
        Way("windows", WINDOW_S, "windows of up to a minute"),
        Way("windows", SMALL_WINDOW_S, "windows of up to 20 seconds"),
    )
    if cpu_too:
        windows += (Way("windows", WINDOW_S, "windows of up to a minute on the CPU", on_cpu=True),)
    local = Way("local", LOCAL_ATTENTION_MAX_S, "local attention up to 3 hours")
    passes = Way("full", PASS_S, "full attention in passes of up to 10 minutes beyond 3 hours")
    if choice == "windows":
        return windows
    if choice == "local":
        return (local, *windows)
    if choice == "full":
        asked = Way("full", LOCAL_ATTENTION_MAX_S, "full attention")
        return (asked, local, *windows) if duration_s <= asked.longest_s else (passes, *windows)
    if duration_s <= FULL_ATTENTION_MAX_S:
        return (
            Way("full", FULL_ATTENTION_MAX_S, "full attention up to 24 minutes"),
            local,
            *windows,
        )
    if duration_s <= LOCAL_ATTENTION_MAX_S:
        return (local, *windows)
    return (passes, *windows)


def first_fitting(
    courses: Sequence[Way], duration_s: float, free_bytes: int, needed: NeededBytes
) -> tuple[int, str]:
    """The first way whose longest pass fits; the last where none does.

    Args:
        courses: From ``ways``.
        duration_s: Length of what is to be heard.
        free_bytes: What a pass may take.
        needed: What it takes.

    Returns:
        The way's index, and why it was taken, as a sentence.
    """
    refused = ""
    for index, way in enumerate(courses):
        wanted = needed(min(duration_s, way.longest_s), way.reach)
        if way.on_cpu or wanted <= free_bytes or index == len(courses) - 1:
            break
        if not refused:
            refused = f": {way.why} would take {_gb(wanted)} of the {_gb(free_bytes)} that are free"
    reason = f"{way.why}{refused}"
    return index, reason[:1].upper() + reason[1:] + "."


def _gb(count_bytes: int) -> str:
    return f"{count_bytes / 1e9:.1f} GB"
