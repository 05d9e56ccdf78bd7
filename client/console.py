"""What a person at the command line sees beside the results: progress and errors, on stderr."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from client.conversation import printable
from speech.types import Progress, Report, report_nothing


@contextlib.contextmanager
def stderr_for_people(log: Path | None) -> Iterator[TextIO]:
    """The terminal's stderr; what libraries and the engine's process write there goes elsewhere.

    Args:
        log: Where to; None drops it.
    """
    kept = os.dup(2)
    with (
        os.fdopen(kept, "w", buffering=1, errors="replace") as people,
        log.open("wb") if log else tempfile.TemporaryFile() as others,
    ):
        os.dup2(others.fileno(), 2)
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        try:
            yield people
        finally:
            os.dup2(kept, 2)


class Console:
    """Progress and errors."""

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        """Args: stream: stderr; quiet: errors alone."""
        self._stream = stream
        self._quiet = quiet
        self._bars = stream.isatty()

    def error(self, about: str, code: str, message: str) -> None:
        """One line."""
        self.say(f"{about}: {code}: {message}")

    def say(self, text: str) -> None:
        """One line."""
        print(printable(text), file=self._stream)

    @contextlib.contextmanager
    def progress(self, about: str) -> Iterator[Report]:
        """Show how one recording gets on: a bar in a terminal, else a line for each stage."""
        if self._quiet:
            yield report_nothing
        elif self._bars:
            from client import progress_bar

            with progress_bar.shown(printable(about), self._stream) as report:
                yield report
        else:
            yield _Lines(about, self).report


class _Lines:
    """A line for each stage, the first time that it is heard of."""

    def __init__(self, about: str, console: Console) -> None:
        self._about = about
        self._console = console
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def report(self, progress: Progress) -> None:
        """May be called from any thread."""
        with self._lock:
            if progress.stage in self._told:
                return
            self._told.add(progress.stage)
        self._console.say(f"{self._about}: {progress.stage}")
