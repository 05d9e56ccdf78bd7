"""What models raise, and what the caller is told of it."""

from __future__ import annotations

import logging
import traceback
from typing import Final

from speech.errors import EngineError, WorkerError

log = logging.getLogger(__name__)


class CancelledError(Exception):
    """The worker no longer wants this recording's answer."""


MODEL_ERRORS: Final = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    OSError,
    ArithmeticError,
    AssertionError,
)
"""On an odd recording. Anything else ends the process; the worker restarts it."""

_POISONED: Final = ("CUDA error", "CUDNN_STATUS_EXECUTION_FAILED", "device-side assert")
"""After such an error every further call of this process fails, whatever it is for."""

IMPORT_ERRORS: Final = (
    *MODEL_ERRORS,
    ImportError,
    AttributeError,
    NameError,
    SyntaxError,
    EOFError,
)
"""What files that are missing, cut short or of different versions make of an import."""

FAILED_TEXT: Final = (
    "The models raised an error on this recording. Try again; if it fails again, try another "
    "format of the recording, and look at the worker's log."
)


def is_out_of_memory(error: Exception) -> bool:
    """Whether less work at once may help."""
    return isinstance(error, EngineError) and error.code == "engine_out_of_memory"


def is_poisonous(error: Exception) -> bool:
    """Whether the GPU can do nothing more for this process."""
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _POISONED)


def as_worker_error(error: Exception, job_id: str) -> WorkerError:
    """What the caller is told; what is not ours is logged by kind and place.

    Its text is not logged: it may hold paths or what was said.
    """
    if isinstance(error, WorkerError):
        return error
    place = "".join(traceback.format_tb(error.__traceback__))
    log.error("job %s: %s\n%s", job_id, type(error).__name__, place)
    return EngineError("engine_failed", FAILED_TEXT, retryable=True)
