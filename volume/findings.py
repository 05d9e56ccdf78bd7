"""What a check found, and how a person or a program reads it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

State = Literal["ok", "warning", "problem"]

WORDS: Final[dict[State, str]] = {"ok": "ok", "warning": "WARNING", "problem": "PROBLEM"}
WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. Never a secret, nor the value of a variable that may hold one."""

    name: str
    """Of the check."""
    state: State
    """A problem stops production; a warning costs time, money or surprises."""
    found: str
    """What is there."""
    advice: str = ""
    """What to do about it."""


def as_text(findings: Sequence[Finding]) -> str:
    """A table for people: the state, the check, what was found, and below it the advice."""
    name_width = max((len(finding.name) for finding in findings), default=0)
    left = " " * (max(map(len, WORDS.values())) + name_width + 4)
    lines: list[str] = []
    for finding in findings:
        head = f"{WORDS[finding.state]:7}  {finding.name:{name_width}}  "
        lines += _wrapped(finding.found, head, left)
        if finding.advice:
            lines += _wrapped(finding.advice, f"{left}-> ", f"{left}   ")
    counts = [sum(finding.state == state for finding in findings) for state in WORDS]
    total = f"problems: {counts[2]}, warnings: {counts[1]}, ok: {counts[0]}"
    return "\n".join([*lines, "", total])


def as_json(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """The same for programs: one object a check, with the fields of ``Finding``."""
    return [asdict(finding) for finding in findings]


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
