"""The engine as the worker sees it: always there, restarted when it dies.

It lives on an event loop in a thread of its own. The SDK may run, replace or block its loop as it
likes: the engine is started before it, and answers no matter who asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from speech.errors import EngineError, WorkerError
from speech.protocol import EngineSettings
from speech.types import Audio, Hearing, Options, Progress, Report
from utils.engine_process import EngineGoneError, EngineProcess

log = logging.getLogger(__name__)

MAX_DEATHS: Final = 2
"""A recording on which the engine died this often is not tried again."""

ProvidePython = Callable[[Report], Path]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long an engine may take."""

    hello_s: float
    """From its start to its handshake."""
    ready_s: float
    """From its handshake to loaded models."""
    cancel_s: float
    """To let go of a job that was cancelled while it worked on it. Then it is stuck, and killed."""


class EngineClient:
    """Starts the engine, gives it recordings, and brings it back when it dies."""

    def __init__(
        self,
        provide_python: ProvidePython,
        root: Path,
        settings: EngineSettings,
        timeouts: Timeouts,
    ) -> None:
        """Start the thread, and in it the engine.

        Args:
            provide_python: Returns the interpreter of the models' environment, after installing
                that environment if need be. May block and raise WorkerError.
            root: The folder that holds ``engine/`` and ``speech/``.
            settings: Passed on to the engine.
            timeouts: How long it may take.
        """
        self._provide_python = provide_python
        self._root = root
        self._settings = settings
        self._timeouts = timeouts
        self._starting: asyncio.Task[EngineProcess] | None = None
        self._start_progress: Progress = Progress("load")
        self._runs = itertools.count(1)
        self._watches: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)
        self._thread.start()
        self._loop.call_soon_threadsafe(self._ensure_started)

    async def hear(self, job_id: str, audio: Audio, options: Options, report: Report) -> Hearing:
        """Words and turns of one recording.

        Args:
            job_id: For the log.
            audio: The recording.
            options: The request's options.
            report: Called from the engine's thread.

        Raises:
            EngineError: The engine cannot start, died twice on this recording, or refused it.
        """
        work = self._hear(job_id, audio, options, report)
        future: Future[Hearing] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the engine and the thread."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # Everything below runs on the engine's loop.

    async def _hear(self, job_id: str, audio: Audio, options: Options, report: Report) -> Hearing:
        deaths = 0
        while True:
            engine = await self._started(report)
            begun = False

            def note(progress: Progress) -> None:
                nonlocal begun
                begun = True
                report(progress)

            report(Progress("queue"))
            # RunPod gives a job that is retried its old id, and the engine may still be at it.
            run_id = f"{job_id}#{next(self._runs)}"
            try:
                return await engine.hear(run_id, audio, options, note)
            except asyncio.CancelledError:
                watch = self._loop.create_task(self._kill_if_stuck(engine, run_id))
                self._watches.add(watch)  # the loop itself holds tasks weakly
                watch.add_done_callback(self._watches.discard)
                raise
            except EngineGoneError as error:
                # A job that only waited behind the one on which the engine died is not to blame.
                deaths += begun
                log.warning("job %s: %s; deaths so far: %d", job_id, error, deaths)
                if deaths >= MAX_DEATHS:
                    raise EngineError(
                        "engine_crashed",
                        f"The engine died {deaths} times while it worked on this recording. Try a "
                        "shorter part of it (start, end), or another format.",
                    ) from error

    async def _started(self, report: Report) -> EngineProcess:
        """The running engine; starts one when there is none."""
        while True:
            starting = self._ensure_started()
            while not starting.done():
                report(self._start_progress)
                await asyncio.wait({starting}, timeout=1.0)
            engine = starting.result()
            if not engine.gone.done():
                return engine

    def _ensure_started(self) -> asyncio.Task[EngineProcess]:
        task = self._starting
        if task is None or (task.done() and (_failed(task) or task.result().gone.done())):
            task = self._starting = self._loop.create_task(self._start())
            task.add_done_callback(_failed)  # looked at: there may be no job yet to tell
        return task

    async def _start(self) -> EngineProcess:
        python = await asyncio.to_thread(self._provide_python, self._note_start)
        self._note_start(Progress("load", detail="starting the engine"))
        engine = await EngineProcess.start(python, self._root, self._settings)
        try:
            hello = await asyncio.wait_for(asyncio.shield(engine.hello), self._timeouts.hello_s)
            log.info("engine: torch %s, GPU %s", hello["torch"], hello["gpu"] or "none")
            self._note_start(Progress("load", detail="loading the models"))
            ready = await asyncio.wait_for(asyncio.shield(engine.ready), self._timeouts.ready_s)
            log.info("engine ready after %.1f s: %s", ready["load_s"], ready["models"])
        except (EngineGoneError, TimeoutError) as error:
            engine.kill()
            raise EngineError(
                "engine_start_failed",
                "The engine did not start: it ended or did not answer in time. The worker's log "
                "has its last words; `python bootstrap.py --check` examines its environment.",
                retryable=True,
            ) from error
        return engine

    def _note_start(self, progress: Progress) -> None:
        self._start_progress = progress

    async def _kill_if_stuck(self, engine: EngineProcess, run_id: str) -> None:
        # A job that only waited is dropped at its turn; killing the engine for it would hit the
        # job that runs.
        await asyncio.wait({engine.gone}, timeout=self._timeouts.cancel_s)
        if engine.working_on == run_id and not engine.gone.done():
            log.warning("the engine has not let go of job %s; it is restarted", run_id)
            engine.kill()

    async def _end(self) -> None:
        if self._starting is None:
            return
        if not self._starting.done():
            self._starting.cancel()
        with contextlib.suppress(asyncio.CancelledError, WorkerError):
            engine = await self._starting
            engine.kill()
            await engine.gone


def _failed(task: asyncio.Task[EngineProcess]) -> bool:
    return task.cancelled() or task.exception() is not None
