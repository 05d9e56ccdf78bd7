"""Turns at the engine: many jobs at once, or one alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """For one event loop. Who wants to be alone goes before those who come later."""

    def __init__(self) -> None:
        self._together = 0
        self._waiting_alone = 0
        self._alone = False
        self._changed = asyncio.Event()

    async def wait(self, *, alone: bool) -> None:
        """Return when a turn is free; nothing may be awaited between this and ``hold``.

        Args:
            alone: Whether nobody else may hold one meanwhile.
        """
        self._waiting_alone += alone
        try:
            while self._alone or (self._together if alone else self._waiting_alone):
                self._changed.clear()
                await self._changed.wait()
        finally:
            self._waiting_alone -= alone
            self._changed.set()

    @contextmanager
    def hold(self, *, alone: bool) -> Iterator[None]:
        """Hold a turn for the block."""
        self._alone = alone
        self._together += not alone
        try:
            yield
        finally:
            self._alone = False
            self._together -= not alone
            self._changed.set()
