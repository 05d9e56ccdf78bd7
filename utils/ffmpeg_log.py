"""What ffmpeg's log says of its input. Works for the log of ffmpeg 5 to 9 at ``level+info``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_LINE = re.compile(r"(?:\[[^\]]* @ 0x[0-9a-f]+\] )*\[(info|warning|error|fatal|panic)\] (.*)")
_CONTAINER = re.compile(r"Input #0, ([\w,]+), from ")
_DURATION = re.compile(r"  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")
_STREAM = re.compile(r"  Stream #0:\d+\S*: (Audio|Video|Subtitle)")
_MOST_KEPT = 100
"""Of streams and of problems: a broken file makes a problem of each of its packets."""


@dataclass(slots=True)
class FFmpegLog:
    """What is known so far; fed line by line."""

    container: str | None = None
    """ffmpeg's name of the format; None until the file could be opened."""
    stated_s: float | None = None
    """How long the container says that it is."""
    is_estimate: bool = False
    """Whether ffmpeg has only divided the file's size by its bit rate."""
    streams: list[str] = field(default_factory=list)
    """The kinds of the input's streams, cover pictures and data tracks left out."""
    problems: list[str] = field(default_factory=list)
    """Warnings and errors."""
    is_past_input: bool = False

    def add(self, line: str) -> None:
        """Take one line of standard error."""
        parts = _LINE.match(line)
        if parts is None:
            return
        level, text = parts.groups()
        if level != "info":
            self.is_estimate |= "Estimating duration from bitrate" in text
            if len(self.problems) < _MOST_KEPT:
                self.problems.append(text)
        elif not self.is_past_input:
            self._add_input(text)

    def says(self, *signs: str) -> bool:
        """Whether one of the problems contains one of the signs."""
        return any(sign in problem for problem in self.problems for sign in signs)

    def _add_input(self, text: str) -> None:
        self.is_past_input = text.startswith("Stream mapping:")
        if self.container is None and (container := _CONTAINER.match(text)):
            self.container = container[1]
        if self.stated_s is None and (duration := _DURATION.match(text)):
            hours, minutes, seconds = duration.groups()
            self.stated_s = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        stream = _STREAM.match(text)
        if stream and "(attached pic)" not in text and len(self.streams) < _MOST_KEPT:
            self.streams.append(stream[1])
