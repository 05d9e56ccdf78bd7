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
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Final

from speech.errors import EngineError, WorkerError
from speech.request import Options
from speech.spoken import Scored
from speech.types import Audio, Hearing, Progress, Report, Voice
from utils import scoring_process
from utils.engine_launch import Launch, Launcher, Timeouts
from utils.engine_process import BrokenEnvironmentError, EngineGoneError, EngineProcess
from utils.turns import Turns

log = logging.getLogger(__name__)

INSTALL: Final = "install"
"""The stage of what comes before an engine can be started."""

MAX_DEATHS: Final = 2
"""A recording on which the engine died this often is not tried again."""


class EngineClient:
    """Starts the engine, gives it recordings, and brings it back when it dies."""

    def __init__(
        self,
        launcher: Launcher,
        root: Path,
        timeouts: Timeouts,
    ) -> None:
        """Start the thread, and in it the engine.

        Args:
            launcher: Provides the models' environment and the models.
            root: The folder that holds ``engine/`` and ``speech/``.
            timeouts: How long it may take.
        """
        self._launcher = launcher
        self._root = root
        self._timeouts = timeouts
        self._starting: asyncio.Task[EngineProcess] | None = None
        self._python: Path | None = None
        self._start_progress: Progress = Progress("load")
        self._runs = itertools.count(1)
        self._watches: set[asyncio.Task[None]] = set()
        self._turns = Turns()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)
        self._thread.start()
        self._loop.call_soon_threadsafe(self._ensure_started)

    async def hear(
        self,
        job_id: str,
        audio: Audio,
        options: Options,
        report: Report,
        voices: Sequence[Voice] = (),
    ) -> Hearing:
        """Words and turns of one recording.

        Args:
            job_id: For the log.
            audio: The recording.
            options: The request's options.
            report: Called from the engine's thread.
            voices: Of people who may be in it.

        Raises:
            EngineError: The engine cannot start, died twice on this recording, or refused it.
        """
        work = self._hear(job_id, audio, options, report, voices)
        future: Future[Hearing] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return await asyncio.wrap_future(future)

    async def score(self, asked: Mapping[str, object]) -> Scored:
        """Have a result scored in the environment of the engine that gave it, beside that engine.

        Args:
            asked: See ``scoring_process.question``.
        """
        assert self._python is not None, "a result comes from an engine"
        return await scoring_process.score(self._python, self._root, asked)

    def close(self) -> None:
        """End the engine and the thread."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # Everything below runs on the engine's loop.

    async def _hear(
        self, job_id: str, audio: Audio, options: Options, report: Report, voices: Sequence[Voice]
    ) -> Hearing:
        deaths = 0
        cold = not self._is_ready()
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
            # A recording on which an engine died goes on alone: one that kills engines must not
            # take those beside it along a second time.
            alone = deaths > 0
            await self._turns.wait(alone=alone)
            try:
                with self._turns.hold(alone=alone):
                    hearing = await engine.hear(run_id, audio, options, note, voices)
                return replace(hearing, cold=cold)
            except asyncio.CancelledError:
                watch = self._loop.create_task(self._kill_if_stuck(engine, run_id))
                self._watches.add(watch)  # the loop itself holds tasks weakly
                watch.add_done_callback(self._watches.discard)
                raise
            except EngineGoneError as error:
                # A job that only waited is not to blame for the engine's end.
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
        begin_s = self._loop.time()
        while True:
            starting = self._ensure_started()
            while not starting.done():
                installing = self._start_progress.stage == INSTALL
                report(self._start_progress)
                if installing and self._loop.time() - begin_s > self._timeouts.bootstrap_s:
                    raise still_installing(self._start_progress)
                interval_s = self._timeouts.bootstrap_report_s if installing else 1.0
                await asyncio.wait({starting}, timeout=interval_s)
            engine = starting.result()
            if not engine.gone.done():
                return engine

    def _is_ready(self) -> bool:
        task = self._starting
        return task is not None and task.done() and not _failed(task)

    def _ensure_started(self) -> asyncio.Task[EngineProcess]:
        task = self._starting
        if task is None or (task.done() and (_failed(task) or task.result().gone.done())):
            task = self._starting = self._loop.create_task(self._start())
            task.add_done_callback(_failed)  # looked at: there may be no job yet to tell
        return task

    async def _start(self) -> EngineProcess:
        while True:
            self._note_start(Progress(INSTALL, detail="looking at the volume"))
            launch = await asyncio.to_thread(self._launcher.provide, self._note_start)
            try:
                return await self._start_once(launch)
            except BrokenEnvironmentError as error:
                if not await asyncio.to_thread(self._launcher.reject, str(error)):
                    raise start_failed() from error

    async def _start_once(self, launch: Launch) -> EngineProcess:
        self._note_start(Progress("load", detail="starting the engine"))
        self._python = launch.python
        engine = await EngineProcess.start(launch.python, self._root, launch.settings)
        try:
            hello = await asyncio.wait_for(asyncio.shield(engine.hello), self._timeouts.hello_s)
            log.info("engine: torch %s, GPU %s", hello["torch"], hello["gpu"] or "none")
            self._note_start(Progress("load", detail="loading the models"))
            ready = await asyncio.wait_for(asyncio.shield(engine.ready), self._timeouts.ready_s)
            log.info("engine ready after %.1f s: %s", ready["load_s"], ready["models"])
        except (EngineGoneError, TimeoutError) as error:
            engine.kill()
            if engine.ended_without_hello():
                raise BrokenEnvironmentError(str(error)) from error
            raise start_failed() from error
        except asyncio.CancelledError:
            engine.kill()
            raise
        return engine

    def _note_start(self, progress: Progress) -> None:
        self._start_progress = progress

    async def _kill_if_stuck(self, engine: EngineProcess, run_id: str) -> None:
        # A job that only waited is dropped at its turn; killing the engine for it would hit the
        # job that runs.
        await asyncio.wait({engine.gone}, timeout=self._timeouts.cancel_s)
        if run_id in engine.begun and not engine.gone.done():
            log.warning("the engine has not let go of job %s; it is restarted", run_id)
            engine.kill()

    async def _end(self) -> None:
        if self._starting is not None:
            if not self._starting.done():
                self._starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, WorkerError):
                engine = await self._starting
                engine.kill()
                await engine.gone
        # What still reads of an engine that was killed: asyncio reports tasks that never end.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def start_failed() -> EngineError:
    """The engine's process did not get as far as its models."""
    return EngineError(
        "engine_start_failed",
        "The engine did not start: it ended or did not answer in time. The worker's log has its "
        "last words; `python bootstrap.py --check` examines its environment.",
        retryable=True,
    )


def still_installing(progress: Progress) -> EngineError:
    """What a job is told that has waited long enough."""
    percent = "" if progress.fraction is None else f", {100 * progress.fraction:.0f} % done"
    return EngineError(
        "bootstrap_timeout",
        f"The worker is still preparing its models ({progress.detail}{percent}). It goes on; send "
        "the job again in some minutes.",
        retryable=True,
    )


def _failed(task: asyncio.Task[EngineProcess]) -> bool:
    return task.cancelled() or task.exception() is not None
