"""Progress updates of one job: in order, throttled, and finished before the result.

The SDK's own ``progress_update`` starts a thread and a connection an update. They overtake one
another and the result, and a job whose last word is a late update stays IN_PROGRESS for ever
(runpod-python#250). So updates go through one task here, and ``drain`` waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from speech.forecast import Forecast, Pace, Standing
from speech.types import Progress

Send = Callable[[dict[str, object]], Awaitable[None]]

DRAIN_TIMEOUT_S = 10.0
"""How long a result waits for an update that is under way."""


class ProgressPoster:
    """Posts the newest progress of a job, at most once an interval."""

    def __init__(self, send: Send, interval_s: float, forecast: Forecast | None = None) -> None:
        """Take what it works with.

        Args:
            send: Delivers one update.
            interval_s: The least time between two.
            forecast: Of this job.
        """
        self._send = send
        self._interval_s = interval_s
        self._forecast = forecast or Forecast(Pace(), time.monotonic(), diarized=True)
        self._loop = asyncio.get_running_loop()
        self._newest: tuple[Progress, Standing] | None = None
        self._changed = asyncio.Event()
        self._draining = asyncio.Event()
        self._task = self._loop.create_task(self._post_newest())

    def report(self, progress: Progress) -> None:
        """Note where the job stands. May be called from any thread; never blocks."""
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is told any more
            self._loop.call_soon_threadsafe(self._note, progress)

    async def drain(self) -> None:
        """Send nothing more, and return when nothing is under way."""
        self._draining.set()
        self._changed.set()
        _, unfinished = await asyncio.wait({self._task}, timeout=DRAIN_TIMEOUT_S)
        if unfinished:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _note(self, progress: Progress) -> None:
        # Each is noted, though few are posted: a stage's begin must not be missed.
        self._newest = progress, self._forecast.note(progress, time.monotonic())
        self._changed.set()

    async def _post_newest(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._draining.is_set():
                return
            newest, self._newest = self._newest, None
            if newest is not None:
                await self._send(as_update(*newest))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._draining.wait(), self._interval_s)


def as_update(progress: Progress, standing: Standing) -> dict[str, object]:
    """What a caller who polls the job's status sees.

    ``percent`` and ``remaining_s`` are of the whole job; ``stage_percent`` is of its stage.
    """
    update: dict[str, object] = {"stage": progress.stage, "percent": standing.percent}
    if progress.fraction is not None:
        update["stage_percent"] = round(100 * progress.fraction)
    if progress.detail is not None:
        update["detail"] = progress.detail
    if progress.done_bytes is not None:
        update["done_bytes"] = progress.done_bytes
    if progress.total_bytes is not None:
        update["total_bytes"] = progress.total_bytes
    if standing.remaining_s is not None:
        update["remaining_s"] = round(standing.remaining_s, 1)
    return update
