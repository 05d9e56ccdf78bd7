"""What the rules of subtitles mean in the units in which they are kept, and which contradict.

Subtitles are timed in hundredths of a second, the finest that ASS files know, so that the rules
hold in every format alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from speech.request import SubtitleRules

HUNDREDTHS: Final = 100
LEAST_CHARS: Final = 12
"""Room for a word and who says it. Nothing narrower is a subtitle."""
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
    """What makes it impossible to keep the rules, in one sentence; None where nothing does."""
    numbers = (
        ("max_line_chars", rules.max_line_chars, LEAST_CHARS),
        ("max_lines", rules.max_lines, 1),
        ("max_chars_per_s", rules.max_chars_per_s, 0),
        ("min_duration_s", rules.min_duration_s, 0),
        ("max_duration_s", rules.max_duration_s, 0),
        ("min_gap_s", rules.min_gap_s, 0),
    )
    for name, value, least in numbers:
        if not math.isfinite(value) or value < least:
            return f"{name} must be a number of {least} or more; {value:g} came."
    found = limits(rules)
    if found.min_cs > found.max_cs:
        return (
            f"min_duration_s ({rules.min_duration_s:g}) is more than max_duration_s "
            f"({rules.max_duration_s:g})."
        )
    if found.cue_chars < LEAST_CHARS:
        return (
            f"At {rules.max_chars_per_s:g} characters a second (max_chars_per_s) nobody reads "
            f"{LEAST_CHARS} characters in {rules.max_duration_s:g} s (max_duration_s)."
        )
    return None
