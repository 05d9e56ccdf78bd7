"""The errors of the worker: one small tree.

    WorkerError                     a code, a message for the caller, and whether a retry can help
    +-- RequestError                the request itself is wrong
    +-- SourceError                 the recording cannot be had
    |   +-- RefusedAddressError     an address that this worker never connects to
    +-- AudioError                  the recording cannot be decoded
    +-- EngineError                 the models cannot answer
    +-- DeliveryError               the result cannot be put where it should go

Foreign errors are translated where they are raised, with ``raise ... from``. ``CODES`` is the whole
list of codes; README's table is held against it by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, str]] = {
    "invalid_input": "The request is wrong; the message names the field and what is allowed.",
    "source_too_large": "The recording is larger than the worker accepts.",
    "source_empty": "The recording holds no bytes.",
    "source_not_found": "Nothing is at the URL or key (404).",
    "source_forbidden": "Access was refused (401 or 403): usually an expired URL.",
    "source_unreachable": "The server failed, stopped in the middle, or did not answer in time.",
    "url_refused": "The URL leads to a private, loopback or link-local address, or is not HTTP(S).",
    "s3_not_configured": "An S3 key came, but the worker has no bucket or credentials.",
    "not_media": "The bytes are no audio or video that ffmpeg can read.",
    "no_audio": "The file has no audio stream.",
    "audio_damaged": "The recording breaks off or is damaged.",
    "audio_too_long": "The recording is longer than the worker accepts.",
    "audio_too_short": "No audio is between start and end.",
    "decode_timeout": "Decoding took longer than allowed.",
    "diarization_unavailable": "Speakers were asked for, but the diarizer's weights cannot be had.",
    "model_unavailable": "The speech model's weights cannot be had.",
    "bootstrap_failed": "The models' environment could not be installed, or does not start.",
    "volume_full": "The volume has no room for the models or their environment.",
    "bootstrap_timeout": "The worker is still installing; send the job again.",
    "gpu_unusable": "The GPU, or its driver, cannot run the models.",
    "engine_start_failed": "The engine did not start.",
    "engine_out_of_memory": "The recording needs more memory than there is.",
    "engine_crashed": "The engine died twice on this recording.",
    "engine_failed": "The models raised an error on this recording.",
    "output_refused": "The place for the result refused it: usually an expired URL. The result "
    "comes back in the answer, which names this code under output.",
    "output_unreachable": "The place for the result failed or did not answer; as above.",
    "result_too_large": "Not even the text alone fits into what RunPod accepts.",
    "internal_error": "A fault of the worker.",
}


class WorkerError(Exception):
    """An error that the caller is told of.

    Args:
        code: A key of ``CODES``.
        message: What was wrong, what came, and what to do. Never a secret, path or URL's query.
        retryable: Whether the same request may succeed later.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        if code not in CODES:
            raise ValueError(f"{code!r} is not in speech.errors.CODES")
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


class RequestError(WorkerError):
    """The request itself is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid_input", message)


class SourceError(WorkerError):
    """The recording cannot be had."""


class RefusedAddressError(SourceError):
    """An address that this worker never connects to. Retrying never helps."""

    def __init__(self, message: str) -> None:
        super().__init__("url_refused", message)


class AudioError(WorkerError):
    """The recording cannot be decoded."""


class EngineError(WorkerError):
    """The models cannot answer."""


class DeliveryError(WorkerError):
    """The result cannot be put where it should go."""
