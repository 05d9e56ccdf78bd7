"""Turns at the engine: together, or alone."""

from __future__ import annotations

import asyncio

from utils.turns import Turns


def played(*, order: list[tuple[str, bool]]) -> list[str]:
    """What happens when jobs (name, alone) come in this order and each waits for a moment."""
    events: list[str] = []

    async def job(turns: Turns, name: str, alone: bool) -> None:
        await turns.wait(alone=alone)
        with turns.hold(alone=alone):
            events.append(f"+{name}")
            for _ in range(20):
                await asyncio.sleep(0)
            events.append(f"-{name}")

    async def play() -> None:
        turns = Turns()
        async with asyncio.TaskGroup() as group:
            for name, alone in order:
                group.create_task(job(turns, name, alone))
                await asyncio.sleep(0)

    asyncio.run(play())
    return events


def test_together_they_do_not_wait() -> None:
    assert played(order=[("a", False), ("b", False)]) == ["+a", "+b", "-a", "-b"]


def test_who_is_alone_waits_for_those_before_and_those_after_wait_for_it() -> None:
    events = played(order=[("a", False), ("b", False), ("c", True), ("d", False)])
    assert events == ["+a", "+b", "-a", "-b", "+c", "-c", "+d", "-d"]


def test_two_that_are_alone_do_not_meet() -> None:
    assert played(order=[("a", True), ("b", True)]) == ["+a", "-a", "+b", "-b"]


def test_who_stops_waiting_to_be_alone_lets_the_others_go_on() -> None:
    async def play() -> None:
        turns = Turns()
        with turns.hold(alone=False):
            waiting = asyncio.create_task(turns.wait(alone=True))
            await asyncio.sleep(0)
            behind = asyncio.create_task(turns.wait(alone=False))
            await asyncio.sleep(0)
            assert not behind.done()
            waiting.cancel()
            await asyncio.wait_for(behind, 10)

    asyncio.run(play())
