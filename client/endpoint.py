"""A RunPod endpoint as Python code calls it.

    client = Client("endpoint-id")                       # RUNPOD_API_KEY is the key
    transcript = client.transcribe("meeting.m4a", num_speakers=2)
    transcript = await client.transcribe_async("https://...", language="de", formats=["srt"])

A file goes by the bucket of S3_ACCESS_KEY, S3_SECRET_KEY and S3_BUCKET where these are set, and is
removed from it afterwards; else inside the request. Whoever leaves early (Ctrl-C, a cancelled task,
``timeout_s``) cancels the job at the endpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Final, TypeVar

from client.calls import Calls
from client.errors import TranscriptionError
from client.transcript import Transcript
from client.upload import Upload, inline
from client.waiting import OnSegment, Watch
from speech.errors import SourceError
from speech.types import Report, report_nothing
from utils import local_file

T = TypeVar("T")
POLL_S: Final = 1.0
"""Between two looks at a job."""

Recording = str | PathLike[str] | None
"""A file of this machine, or an HTTP(S) URL; None where the options name the source."""


async def _whole(
    call: Callable[[], T],
    *,
    stop: Callable[[], None] | None = None,
    undo: Callable[[T], None] | None = None,
) -> T:
    """Call in a thread, and be there when it ends, even where the task is cancelled meanwhile.

    Args:
        call: What to do.
        stop: Called at a cancellation: ends the call early.
        undo: Called after a cancellation, with what the call gave all the same.
    """
    work = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        if stop:
            stop()
        with contextlib.suppress(TranscriptionError):
            given = await work
            if undo:
                await asyncio.to_thread(undo, given)
        raise


def _is_url(recording: Recording) -> bool:
    return isinstance(recording, str) and recording.startswith(("http://", "https://"))


def _upload(recording: Recording, report: Report) -> Upload | None:
    """How a file gets to the endpoint's worker by a bucket; None where it goes without.

    Raises:
        TranscriptionError: The file cannot be read.
    """
    if recording is None or _is_url(recording):
        return None
    try:
        local_file.readable_bytes(Path(recording))
    except SourceError as error:
        raise TranscriptionError(error.code, error.message) from error
    from utils import s3

    settings = s3.configured()
    if not (settings.access_key and settings.secret_key and settings.bucket):
        return None
    return Upload(Path(recording), settings, report)


def _request(
    recording: Recording, options: Mapping[str, Any], streams: bool, link: str | None
) -> dict[str, Any]:
    """What /run is sent.

    Raises:
        TranscriptionError: The recording does not fit into a request.
    """
    options = {**options, "stream": True} if streams else options
    if link is not None:
        return {"input": {**options, "audio_url": link}}
    if recording is None:
        return {"input": dict(options)}
    if _is_url(recording):
        return {"input": {**options, "audio_url": str(recording)}}
    return {"input": inline(Path(recording), options)}


class Client:
    """One endpoint. Its methods may be called from several threads, and for many jobs at once."""

    def __init__(
        self, endpoint_id: str, api_key: str | None = None, *, poll_s: float = POLL_S
    ) -> None:
        """Args: api_key: None takes RUNPOD_API_KEY; poll_s: between two looks at a job."""
        self._calls = Calls(endpoint_id, api_key)
        self._poll_s = poll_s

    def transcribe(
        self,
        recording: Recording = None,
        *,
        on_progress: Report = report_nothing,
        on_segment: OnSegment | None = None,
        timeout_s: float | None = None,
        **options: Any,
    ) -> Transcript:
        """Have a recording transcribed, and wait for it.

        Args:
            recording: A file or a URL.
            on_progress: Told where the job stands, the upload included.
            on_segment: Told of each segment as it is heard, on an endpoint that streams.
            timeout_s: How long the job may take, waiting included; None leaves that to RunPod.
            options: The request's other fields.

        Raises:
            TranscriptionError: With the worker's code, or one of the client's.
        """
        upload = _upload(recording, on_progress)
        try:
            request = _request(
                recording, options, on_segment is not None, upload.send() if upload else None
            )
            watch = Watch(on_progress, on_segment, timeout_s)
            job_id = self._calls.submit(request)
            try:
                while not self._look(job_id, watch):
                    time.sleep(self._poll_s)
            finally:
                if not watch.ended:
                    self._cancel(job_id)
        finally:
            if upload:
                upload.remove()
        return watch.transcript()

    async def transcribe_async(
        self,
        recording: Recording = None,
        *,
        on_progress: Report = report_nothing,
        on_segment: OnSegment | None = None,
        timeout_s: float | None = None,
        **options: Any,
    ) -> Transcript:
        """As ``transcribe``. The callbacks are called from other threads."""
        upload = _upload(recording, on_progress)
        try:
            url = await _whole(upload.send, stop=upload.stop) if upload else None
            streams = on_segment is not None
            request = await asyncio.to_thread(_request, recording, options, streams, url)
            watch = Watch(on_progress, on_segment, timeout_s)
            job_id = await _whole(lambda: self._calls.submit(request), undo=self._cancel)
            try:
                while not await asyncio.to_thread(self._look, job_id, watch):  # noqa: ASYNC110  no event tells
                    await asyncio.sleep(self._poll_s)
            finally:
                if not watch.ended:
                    await asyncio.to_thread(self._cancel, job_id)
        finally:
            if upload:
                await asyncio.to_thread(upload.remove)
        return await asyncio.to_thread(watch.transcript)

    def _look(self, job_id: str, watch: Watch) -> bool:
        """Look at a job once. Whether it has ended."""
        try:
            view = self._calls.look(job_id)
            if watch.streams:  # after the status: what a job that has ended streamed is all there
                while chunks := self._calls.chunks(job_id):
                    watch.add(chunks)
        except TranscriptionError as error:
            watch.missed(error)
        else:
            watch.take(view)
        if not watch.ended:
            watch.check_time()
        return watch.ended

    def _cancel(self, job_id: str) -> None:
        # Its caller is leaving, and has a reason that tells more than this one.
        with contextlib.suppress(TranscriptionError):
            self._calls.cancel(job_id)

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()
