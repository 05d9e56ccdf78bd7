"""Texts to read: plain, and Markdown. A paragraph is what one speaker says in one go.

Where no speakers are known, a pause of ``PAUSE_S`` begins a paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from formats import clean
from speech.recording import Recording
from speech.types import Result, Segment

PAUSE_S: Final = 2.0
_MARKUP: Final = re.compile(r"([\\`*_\[\]<>&|~#$])")
"""What begins something within a line of Markdown, GitHub's tables and formulas included."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """What one speaker says in one go."""

    speaker: str | None
    start_s: float
    text: str


def paragraphs(segments: Sequence[Segment]) -> Iterator[Paragraph]:
    """The segments of each turn, as one."""
    begin = 0
    for index, segment in enumerate(segments):
        following = segments[index + 1] if index + 1 < len(segments) else None
        if following is not None and following.speaker == segment.speaker:
            pause_s = following.start_s - segment.end_s
            if segment.speaker is not None or pause_s < PAUSE_S:
                continue
        parts = [clean.text(one.text) for one in segments[begin : index + 1]]
        text = " ".join(part for part in parts if part)
        if text:
            yield Paragraph(segment.speaker, segments[begin].start_s, text)
        begin = index + 1


def txt(result: Result, segments: Sequence[Segment]) -> str:
    """Paragraphs with the speaker's name, and an empty line between; lines are not wrapped.

    Args:
        result: Of which the text is taken where there are no segments.
        segments: Of the result.
    """
    lines = [
        one.text if one.speaker is None else f"{clean.name(one.speaker)}: {one.text}"
        for one in paragraphs(segments)
    ]
    if not segments and result.text.strip():
        lines = [clean.text(result.text)]
    return "".join(f"{line}\n" for line in "\n\n".join(lines).split("\n")) if lines else ""


def md(result: Result, segments: Sequence[Segment], recording: Recording) -> str:
    """Markdown: the title, who speaks for how long, and paragraphs with names and times.

    Args:
        result: Its speakers, and its text where there are no segments.
        segments: Of the result.
        recording: Of which the title is.
    """
    blocks = [f"# {escaped(clean.name(recording.title))}"]
    if result.speakers:
        rows = [
            f"| {escaped(clean.name(one.id))} | {clock(one.talk_time_s)} | {one.turns} |"
            for one in result.speakers
        ]
        blocks.append("\n".join(("| Speaker | Time | Turns |", "|:---|---:|---:|", *rows)))
    for one in paragraphs(segments):
        who = "" if one.speaker is None else f"**{escaped(clean.name(one.speaker))}** "
        blocks.append(f"{who}({clock(one.start_s)}) {escaped(one.text)}")
    if not segments and result.text.strip():
        blocks.append(f"\u200b{escaped(clean.text(result.text))}")
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Text of which Markdown takes nothing for markup, within a line."""
    return _MARKUP.sub(r"\\\1", text)


def clock(seconds: float) -> str:
    """As hours, minutes and seconds, rounded down."""
    whole = int(max(0.0, seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
