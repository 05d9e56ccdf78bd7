"""A progress bar for one recording, in a terminal."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from speech.types import Progress, Report


@contextlib.contextmanager
def shown(about: str, stream: TextIO) -> Iterator[Report]:
    """A bar that is gone at the end of the block. Its report may be called from any thread."""
    bar = Bar(
        TextColumn(escape(about)),
        TextColumn("{task.fields[stage]}"),
        BarColumn(),
        TextColumn("{task.fields[percent]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[remaining]}"),
        console=Console(file=stream),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with bar:
        yield _Line(bar).report


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


class _Line:
    """What the bar shows. It never falls, but begins anew when the upload is done."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._reached: dict[bool, float] = {}
        self._lock = threading.Lock()
        self._task: TaskID = bar.add_task("", total=None, stage="starts", percent="", remaining="")

    def report(self, progress: Progress) -> None:
        """Show where the recording is."""
        with self._lock:
            stage, left_s = progress.stage, progress.remaining_s
            uploads = stage == "upload"
            reached = max(progress.fraction or 0.0, self._reached.get(uploads, 0.0))
            self._reached[uploads] = reached
            detail = "" if progress.detail is None else f" ({progress.detail})"
            self._bar.update(
                self._task,
                total=1.0,
                completed=reached,
                stage=escape(stage + detail),
                percent=f"{100 * reached:3.0f} %",
                remaining="" if left_s is None else f"about {_duration(left_s)} left",
            )
