"""This machine: the worker's own pipeline and engine, without RunPod's package and without HTTP."""

from __future__ import annotations

import asyncio
import base64
import itertools
import mimetypes
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import launching
import pipeline
import presentation
from client.items import Item
from speech.forecast import Forecast, Pace
from speech.recording import Recording, named
from speech.request import FileSource, UrlSource
from speech.types import Progress, Report
from utils import local_file, validation, workspace
from utils.engine_client import EngineClient
from volume import programs

MAX_EMBEDDED_BYTES: Final = 5_000_000
"""A page has the recording in it up to this size."""


class ThisMachine:
    """One engine for all recordings. It starts with the first, and ends with the block."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        """Args: fields: the request's, without its source."""
        self._fields = fields
        self._engine: EngineClient | None = None
        self._numbers = itertools.count(1)
        self._pace = Pace()

    async def __aenter__(self) -> Self:
        """Remove what a process that was killed has left."""
        workspace.sweep()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the engine, and an install that is under way."""
        if self._engine is not None:
            await asyncio.to_thread(self._engine.close)
        programs.end_all()

    async def transcribe(self, item: Item, report: Report) -> dict[str, Any]:
        """The answer, files included.

        Raises:
            WorkerError: With the worker's code.
        """
        source: FileSource | UrlSource
        if item.path is not None:
            local_file.readable_bytes(item.path)  # before an engine starts for nothing
            source = FileSource(item.path)
        else:
            source = UrlSource(item.url or "")
        request = validation.parse_request(self._fields, source)
        if self._engine is None:
            self._engine = launching.start_engine()
        job_id = f"local-{next(self._numbers)}"
        report = _Standing(report, self._pace, diarized=request.options.diarize).report
        with workspace.job_directory(job_id) as directory:
            result = await pipeline.run(request, self._engine, job_id, directory, report)
        recording = describe(item, wanted="html" in request.presentation.formats)
        shown = presentation.show(result, request.presentation, recording)
        return presentation.answer(shown, request.presentation, job_id)


class _Standing:
    """Makes progress of the whole job out of that of its stages."""

    def __init__(self, report: Report, pace: Pace, *, diarized: bool) -> None:
        self._report = report
        self._forecast = Forecast(pace, time.monotonic(), diarized=diarized)
        self._lock = threading.Lock()

    def report(self, progress: Progress) -> None:
        """May be called from any thread."""
        with self._lock:
            standing = self._forecast.note(progress, time.monotonic())
            self._report(
                replace(progress, fraction=standing.percent / 100, remaining_s=standing.remaining_s)
            )


def describe(item: Item, *, wanted: bool) -> Recording:
    """What files say of the recording.

    Args:
        item: The recording.
        wanted: Whether a page is among the files, which plays it.
    """
    if item.path is None:
        return named(item.about, audio_src=item.url)
    return named(item.path.name, audio_src=_data_uri(item.path) if wanted else None)


def _data_uri(path: Path) -> str | None:
    kind = mimetypes.guess_type(path.name)[0]
    if kind is None or path.stat().st_size > MAX_EMBEDDED_BYTES:
        return None
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
