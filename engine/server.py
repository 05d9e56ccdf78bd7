"""The engine's serving loop: messages in, one recording at a time, messages out.

The main thread owns the models. A reader thread takes the messages, so that a cancellation is seen
while a model runs, and ends the process when the worker is gone.
"""

from __future__ import annotations

import logging
import os
import platform
import queue
import socket
import threading
import time
import traceback
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from speech import protocol
from speech.errors import EngineError, WorkerError
from speech.types import Options, Progress

if TYPE_CHECKING:
    from engine.hearing import Models

log = logging.getLogger(__name__)

MODEL_ERRORS: Final = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    OSError,
    ArithmeticError,
    AssertionError,
)
"""What models raise on an odd recording. Anything else ends the process; the worker restarts it."""

IMPORT_ERRORS: Final = (
    *MODEL_ERRORS,
    ImportError,
    AttributeError,
    NameError,
    SyntaxError,
    EOFError,
)
"""What files that are missing, cut short or of different versions make of an import."""

MAX_REASON: Final = 500

PACKAGES: Final = ("torch", "nemo_toolkit", "pyannote.audio", "numpy", "huggingface-hub")


class CancelledError(Exception):
    """The worker no longer wants this recording's answer."""


class Channel:
    """The worker's end of the line, as the engine sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._inbox: queue.Queue[protocol.Message] = queue.Queue()
        self._cancelled: set[str] = set()
        threading.Thread(target=self._read, name="reader", daemon=True).start()

    def send(self, kind: str, **fields: Any) -> None:
        """Send one message. Ends the process when the worker is gone."""
        line = protocol.encode({"type": kind, **fields})
        try:
            with self._sending:
                self._connection.sendall(line)
        except OSError:
            end_process(0)

    def next_message(self) -> protocol.Message:
        """The next message, waiting for it. Cancellations are never among them."""
        return self._inbox.get()

    def is_cancelled(self, job_id: str) -> bool:
        """Whether the worker has cancelled this job."""
        return job_id in self._cancelled

    def forget(self, job_id: str) -> None:
        """The job is answered; its cancellation, if any, is history."""
        self._cancelled.discard(job_id)

    def _read(self) -> None:
        with self._connection.makefile("rb") as lines:
            for line in lines:
                message = protocol.decode(line)
                if message["type"] == "cancel":
                    self._cancelled.add(message["id"])
                elif message["type"] == "stop":
                    break
                else:
                    self._inbox.put(message)
        end_process(0)


def end_process(status: int) -> None:
    """End at once: an orderly exit of torch and NeMo costs 4 to 8 s and frees nothing more."""
    os._exit(status)


def serve(connection: socket.socket) -> None:
    """Load the models that the ``start`` message names, then answer jobs. Never returns."""
    channel = Channel(connection)
    start = channel.next_message()
    try:
        settings = protocol.settings_from_dict(start["settings"])
        models = load_models(settings, channel)
    except WorkerError as error:
        send_error(channel, None, error)
        end_process(1)
    while True:
        answer(channel, models, channel.next_message())


def load_models(settings: protocol.EngineSettings, channel: Channel) -> Models:
    """Import, say hello, load, say ready."""
    begin = time.monotonic()
    try:
        from engine.hearing import Models, describe_device

        versions = {name: metadata.version(name) for name in PACKAGES}
    except IMPORT_ERRORS as error:
        channel.send("broken", reason=f"{type(error).__name__}: {error}"[:MAX_REASON])
        end_process(1)
    channel.send(
        "hello",
        python=platform.python_version(),
        versions=versions,
        import_s=time.monotonic() - begin,
        **describe_device(),
    )
    models = Models.load(settings)
    channel.send("ready", models=dict(models.names), load_s=time.monotonic() - begin)
    return models


def answer(channel: Channel, models: Models, message: protocol.Message) -> None:
    """One job, whatever happens to it."""
    job_id: str = message["id"]

    def report(progress: Progress) -> None:
        if channel.is_cancelled(job_id):
            raise CancelledError
        channel.send(
            "progress",
            id=job_id,
            stage=progress.stage,
            fraction=progress.fraction,
            detail=progress.detail,
        )

    try:
        options: Options = protocol.options_from_dict(message["options"])
        hearing = models.hear(message["audio_path"], options, report)
        channel.send("result", id=job_id, hearing=protocol.hearing_to_dict(hearing))
    except CancelledError:
        channel.send("cancelled", id=job_id)
    except WorkerError as error:
        send_error(channel, job_id, error)
    except MODEL_ERRORS as error:
        # The text may hold paths or what was said, so only its kind and place are logged.
        place = "".join(traceback.format_tb(error.__traceback__))
        log.error("job %s: %s\n%s", job_id, type(error).__name__, place)
        send_error(channel, job_id, EngineError("engine_failed", FAILED_TEXT, retryable=True))
    finally:
        channel.forget(job_id)


FAILED_TEXT: Final = (
    "The models raised an error on this recording. Try again; if it fails again, try another "
    "format of the recording, and look at the worker's log."
)


def send_error(channel: Channel, job_id: str | None, error: WorkerError) -> None:
    """Tell the worker of an error of a job, or of the engine itself (None)."""
    channel.send(
        "error",
        id=job_id,
        code=error.code,
        message=error.message,
        retryable=error.retryable,
    )
