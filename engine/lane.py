"""One thread for one model: it gathers what comes at the same time, and works on it together."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from engine.cores import Cores

GATHER_S: Final = 0.005
"""How long the first recording waits for others: nothing beside the time that any takes, and enough
for a worker that hands over what it has fetched in parallel."""

Item = TypeVar("Item")


class Lane(Generic[Item]):
    """Work on whatever waits, a round after the other.

    Args:
        name: Of the thread.
        work: Called in the lane's thread with all items of a round, the oldest first. It answers
            for each; what it raises ends the thread.
        cores: Shared by all lanes.
        begin: Called in the lane's thread before the first round.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[Item]], None],
        cores: Cores,
        begin: Callable[[], None] | None = None,
    ) -> None:
        self._work, self._cores, self._begin = work, cores, begin
        self._waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def put(self, item: Item) -> None:
        """Have one more item worked on."""
        self._waiting.put(item)

    def _run(self) -> None:
        if self._begin:
            self._begin()
        while True:
            items = self._gather()
            with self._cores.at_work():
                self._work(items)

    def _gather(self) -> list[Item]:
        """The next item, waiting for it, and all that come within a moment."""
        items = [self._waiting.get()]
        until_s = time.monotonic() + GATHER_S
        with contextlib.suppress(queue.Empty):
            while (left_s := until_s - time.monotonic()) > 0:
                items.append(self._waiting.get(timeout=left_s))
            while True:
                items.append(self._waiting.get_nowait())
        return items
