"""The one error of those who call the worker."""

from __future__ import annotations


class TranscriptionError(Exception):
    """No transcript came, or it could not be written.

    Args:
        code: The worker's own (``speech.errors.CODES``), or one of the client's:
            "endpoint_refused", "endpoint_unreachable", "job_failed", "job_lost", "cancelled",
            "timed_out", "upload_failed", "recording_too_large", "output_exists", "output_failed".
        message: What was wrong and what to do.
        retryable: Whether the same request may succeed later.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
