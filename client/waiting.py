"""What a job's statuses mean, one after another, until it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from client.chunks import Assembly, result_of
from client.errors import TranscriptionError
from client.receipts import complete
from client.transcript import Segment, Transcript, of_answer, segment
from speech.errors import CODES
from speech.types import Progress, Report

FINAL: Final = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
PATIENCE_S: Final = 60.0
"""An endpoint that does not answer for so long is given up."""
_ERROR_CHARACTERS: Final = 500

OnSegment = Callable[[Segment], None]


class Watch:
    """One job under way."""

    def __init__(
        self, on_progress: Report, on_segment: OnSegment | None, timeout_s: float | None
    ) -> None:
        self._on_progress = on_progress
        self._on_segment = on_segment
        self._timeout_s = timeout_s
        self._begin_s = self._heard_s = time.monotonic()
        self._assembly = Assembly()
        self._shown: Progress | None = None
        self._end: Mapping[str, Any] | None = None

    @property
    def streams(self) -> bool:
        """Whether somebody wants segments as they are heard."""
        return self._on_segment is not None

    @property
    def ended(self) -> bool:
        """Whether the job has ended, in whatever way."""
        return self._end is not None

    def take(self, view: Mapping[str, Any]) -> None:
        """Note a status."""
        self._heard_s = time.monotonic()
        if view["status"] in FINAL:
            self._end = view
        elif (progress := progress_of(view)) not in (None, self._shown):
            self._shown = progress
            assert progress is not None
            self._on_progress(progress)

    def add(self, chunks: Sequence[Any]) -> None:
        """Note what the job has streamed."""
        for chunk in chunks:
            entry = self._assembly.add(chunk)
            if entry is not None and self._on_segment is not None:
                self._on_segment(segment(entry))

    def missed(self, error: TranscriptionError) -> None:
        """A status could not be had.

        Raises:
            TranscriptionError: That will not change, or has been so for too long.
        """
        silent_s = time.monotonic() - self._heard_s
        if not error.retryable or silent_s > PATIENCE_S:
            raise error

    def check_time(self) -> None:
        """Compare with the time that the caller gives the job.

        Raises:
            TranscriptionError: It is over.
        """
        waited_s = time.monotonic() - self._begin_s
        if self._timeout_s is not None and waited_s > self._timeout_s:
            raise TranscriptionError(
                "timed_out",
                f"The job had not ended after {self._timeout_s:g} s, and was cancelled.",
                retryable=True,
            )

    def transcript(self) -> Transcript:
        """The answer of a job that has ended; fetched, where it lies elsewhere. May block.

        Raises:
            TranscriptionError: It failed, or was ended.
        """
        assert self._end is not None
        streamed = self._assembly.result()
        output = result_of(self._end.get("output")) if streamed is None else streamed
        failed = isinstance(output, Mapping) and output.get("success") is False
        if self._end["status"] != "COMPLETED" or failed:
            raise failure(self._end, output)
        if isinstance(output, str):  # response_format: text
            output = {"text": output}
        if not isinstance(output, Mapping):
            raise TranscriptionError(
                "job_failed",
                "The job ended without an answer: RunPod loses those that are too large, and keeps "
                "none for longer than half an hour.",
            )
        return of_answer(complete(dict(output)))


def progress_of(view: Mapping[str, Any]) -> Progress | None:
    """What a status says of a job that has not ended; None where it says nothing."""
    if view["status"] == "IN_QUEUE":
        return Progress("queue", detail="waiting for a worker")
    update = view.get("output")
    if not isinstance(update, Mapping) or "stage" not in update:
        return None
    percent = update.get("percent")
    return Progress(
        str(update["stage"]),
        None if percent is None else percent / 100,
        update.get("detail"),
        remaining_s=update.get("remaining_s"),
    )


def failure(view: Mapping[str, Any], output: Any) -> TranscriptionError:
    """Why a job has no transcript. RunPod keeps the worker's code in the output."""
    said = output if isinstance(output, Mapping) else {}
    if "error_code" in said:
        message = said.get("message") or view.get("error") or "No reason was given."
        retryable = bool(said.get("retryable"))
        return TranscriptionError(str(said["error_code"]), str(message), retryable=retryable)
    error = str(view.get("error") or "")[:_ERROR_CHARACTERS]
    code, colon, message = error.partition(": ")
    if colon and code in CODES:  # all that RunPod keeps of a failure on an endpoint that streams
        return TranscriptionError(code, message)
    if view["status"] == "CANCELLED":
        return TranscriptionError("cancelled", "The job was cancelled.", retryable=True)
    if view["status"] == "TIMED_OUT":
        return TranscriptionError(
            "timed_out", error or "RunPod ended the job: its time was over.", retryable=True
        )
    return TranscriptionError("job_failed", error or "The job failed without a reason.")
