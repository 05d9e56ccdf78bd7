"""The engine's serving loop: messages in, messages out.

The main thread reads recordings and hands them to the models' threads (engine/hearing.py). A reader
thread takes the messages, so that a cancellation is seen while a model runs, and ends the process
when the worker is gone.
"""

from __future__ import annotations

import gc
import logging
import os
import platform
import queue
import socket
import threading
import time
import traceback
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.faults import (
    IMPORT_ERRORS,
    MODEL_ERRORS,
    CancelledError,
    as_worker_error,
    is_poisonous,
)
from speech import protocol
from speech.errors import WorkerError
from speech.request import Options
from speech.types import Hearing, Progress

if TYPE_CHECKING:
    from engine.hearing import Engine

log = logging.getLogger(__name__)

MAX_REASON: Final = 500

PACKAGES: Final = ("torch", "nemo_toolkit", "pyannote.audio", "numpy", "huggingface-hub")


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
    threading.excepthook = end_on_fault
    channel = Channel(connection)
    start = channel.next_message()
    try:
        settings = protocol.settings_from_dict(start["settings"])
        engine = start_engine(settings, channel)
    except WorkerError as error:
        send_error(channel, None, error)
        end_process(1)
    while True:
        take(channel, engine, channel.next_message())


def end_on_fault(fault: threading.ExceptHookArgs) -> None:
    """A thread failed, which is a fault of ours. The worker starts another engine."""
    place = "".join(traceback.format_tb(fault.exc_traceback))
    log.error("%s: %s\n%s", fault.thread and fault.thread.name, fault.exc_type.__name__, place)
    end_process(1)


def start_engine(settings: protocol.EngineSettings, channel: Channel) -> Engine:
    """Import, say hello, load, say ready."""
    begin = time.monotonic()
    gc.disable()  # until both models are there: it finds nothing in what is imported, for 2 s
    read_ahead(settings)
    try:
        if settings.fast_model is None:
            import engine.nemo_model  # noqa: F401  a broken environment is known before the hello
        from engine.hearing import Engine, describe_device

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
    loaded = Engine(settings)
    channel.send("ready", models=dict(loaded.names), load_s=time.monotonic() - begin)
    return loaded


def read_ahead(settings: protocol.EngineSettings) -> None:
    """Have the kernel read the weights while torch is imported. Nobody waits for it."""
    if settings.fast_model is None:
        return
    for path in Path(settings.fast_model).glob("*.safetensors"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def take(channel: Channel, engine: Engine, message: protocol.Message) -> None:
    """Hand a job to the engine; it is answered here whatever happens to it."""
    # Not above: an environment without numpy has to be told of (``start_engine``).
    from engine import recorded
    from engine.job import Job

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
            remaining_s=progress.remaining_s,
            words=protocol.word_rows(progress.words),
        )

    def answer(outcome: Hearing | Exception) -> None:
        if isinstance(outcome, Hearing):
            hearing = protocol.hearing_to_dict(outcome)
            channel.send("result", id=job_id, hearing=hearing, idle_s=engine.cores.idle_s())
        elif isinstance(outcome, CancelledError):
            channel.send("cancelled", id=job_id)
        elif is_poisonous(outcome):  # the worker starts another engine, and tries the job again
            log.error("the GPU is of no use any more: %s", type(outcome).__name__)
            end_process(1)
        else:
            send_error(channel, job_id, as_worker_error(outcome, job_id))
        channel.forget(job_id)

    try:
        options: Options = protocol.options_from_dict(message["options"])
        samples = recorded.read(Path(message["audio_path"]))
        used = ("asr", "diarization") if options.diarize else ("asr",)
        models = {name: engine.names[name] for name in used}
        voices = [protocol.voice_from_dict(voice) for voice in message["voices"]]
        engine.take(Job(samples, options, models, voices, report, answer))
    except (WorkerError, *MODEL_ERRORS) as error:
        answer(error)


def send_error(channel: Channel, job_id: str | None, error: WorkerError) -> None:
    """Tell the worker of an error of a job, or of the engine itself (None)."""
    channel.send(
        "error",
        id=job_id,
        code=error.code,
        message=error.message,
        retryable=error.retryable,
    )
