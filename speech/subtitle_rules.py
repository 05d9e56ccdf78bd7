"""What the rules of subtitles mean in the units in which they are kept, and which contradict.

Subtitles are timed in hundredths of a second, the finest that ASS files know, so that the rules
hold in every format alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from speech.request import SubtitleRules

HUNDREDTHS: Final = 100
LEAST_CHARS: Final = 12
"""Room for a word and who says it. Nothing narrower is a subtitle."""
BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "max_line_chars": (LEAST_CHARS, 100),
    "max_lines": (1, 4),
    "max_chars_per_s": (1, 100),
    "min_duration_s": (0, 60),
    "max_duration_s": (0.1, 60),
    "min_gap_s": (0, 10),
}
"""Of each rule that is a number. How long it takes to cut grows with what a subtitle may hold."""
_FUZZ: Final = 1e-6
"""1.1 s are 110 hundredths, whatever floats make of it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The rules as they are reckoned with. Times (``_cs``) are hundredths of a second."""

    line_chars: int
    lines: int
    cue_chars: int
    """Room in one subtitle: its lines, or what can be read while it may be shown at most."""
    chars_per_s: float
    min_cs: int
    max_cs: int
    gap_cs: int


def limits(rules: SubtitleRules) -> Limits:
    """The rules as they are reckoned with: least times rounded up, the greatest down.

    Args:
        rules: Without a contradiction.
    """
    max_cs = math.floor(rules.max_duration_s * HUNDREDTHS + _FUZZ)
    readable = math.floor(rules.max_chars_per_s * max_cs / HUNDREDTHS + _FUZZ)
    return Limits(
        line_chars=rules.max_line_chars,
        lines=rules.max_lines,
        cue_chars=min(rules.max_line_chars * rules.max_lines, readable),
        chars_per_s=rules.max_chars_per_s,
        min_cs=max(1, math.ceil(rules.min_duration_s * HUNDREDTHS - _FUZZ)),
        max_cs=max_cs,
        gap_cs=max(0, math.ceil(rules.min_gap_s * HUNDREDTHS - _FUZZ)),
    )


def contradiction(rules: SubtitleRules) -> str | None:
    """Why the rules cannot be kept, as the end of a sentence; None where they can be."""
    for name, (least, most) in BOUNDS.items():
        value = getattr(rules, name)
        if not least <= value <= most:  # as NaN is not, either
            return f"{name} must be between {least:g} and {most:g}; {value:g} came."
    found = limits(rules)
    if found.min_cs > found.max_cs:
        return (
            f"no hundredth of a second lies between min_duration_s ({rules.min_duration_s:g}) and "
            f"max_duration_s ({rules.max_duration_s:g})."
        )
    if found.cue_chars < LEAST_CHARS:
        return (
            f"at {rules.max_chars_per_s:g} characters a second (max_chars_per_s) nobody reads "
            f"{LEAST_CHARS} characters in {rules.max_duration_s:g} s (max_duration_s)."
        )
    return None
