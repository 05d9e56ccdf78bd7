"""Progress updates: in order, throttled, none after the drain."""

from __future__ import annotations

import asyncio
import threading

from speech.types import Progress
from utils.progress import ProgressPoster


def test_updates_arrive_in_order_and_the_newest_wins() -> None:
    sent: list[object] = []

    async def scenario() -> None:
        first_is_out = asyncio.Event()
        may_go_on = asyncio.Event()

        async def send(update: dict[str, object]) -> None:
            sent.append(update["stage_percent"])
            first_is_out.set()
            await may_go_on.wait()

        poster = ProgressPoster(send, interval_s=0)
        poster.report(Progress("transcribe", 0.0))
        await first_is_out.wait()
        for percent in range(1, 100):  # while the first post is under way
            poster.report(Progress("transcribe", percent / 100))
        await asyncio.sleep(0)  # the reports reach the loop
        may_go_on.set()
        while len(sent) < 2:  # noqa: ASYNC110  the second post is what is waited for
            await asyncio.sleep(0)
        await poster.drain()

    asyncio.run(scenario())
    assert sent == [0, 99]


def test_nothing_is_sent_after_the_drain() -> None:
    async def scenario() -> list[str]:
        order = []

        async def send(update: dict[str, object]) -> None:
            await asyncio.sleep(0.01)
            order.append(str(update["stage"]))

        poster = ProgressPoster(send, interval_s=0)
        poster.report(Progress("download"))
        while not order:  # noqa: ASYNC110  the first post is what is waited for
            await asyncio.sleep(0)
        poster.report(Progress("decode"))
        await poster.drain()
        order.append("result")
        poster.report(Progress("late"))
        await asyncio.sleep(0.05)  # time in which a late update would be sent
        return order

    order = asyncio.run(scenario())
    assert order[0] == "download"
    assert order[-1] == "result"


def test_an_update_under_way_is_finished_before_the_drain_returns() -> None:
    async def scenario() -> list[str]:
        events = []
        begun = asyncio.Event()

        async def send(update: dict[str, object]) -> None:
            events.append(f"begin {update['stage']}")
            begun.set()
            await asyncio.sleep(0.05)
            events.append(f"end {update['stage']}")

        poster = ProgressPoster(send, interval_s=60)
        poster.report(Progress("decode", 0.5))
        await begun.wait()
        await poster.drain()
        return [*events, "drained"]

    assert asyncio.run(scenario()) == ["begin decode", "end decode", "drained"]


def test_reports_may_come_from_any_thread() -> None:
    async def scenario() -> dict[str, object]:
        sent: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()

        async def send(update: dict[str, object]) -> None:
            sent.set_result(update)

        poster = ProgressPoster(send, interval_s=60)
        progress = Progress("diarize", 0.25, "embeddings")
        await asyncio.to_thread(poster.report, progress)
        update = await sent
        await poster.drain()
        return update

    update = asyncio.run(scenario())
    assert update["stage"] == "diarize"
    assert update["stage_percent"] == 25
    assert update["detail"] == "embeddings"


def test_a_report_after_the_loop_has_ended_is_dropped() -> None:
    async def scenario() -> ProgressPoster:
        async def send(update: dict[str, object]) -> None:
            raise AssertionError(f"nobody is there to be told {update}")

        poster = ProgressPoster(send, interval_s=0)
        await poster.drain()
        return poster

    poster = asyncio.run(scenario())
    thread = threading.Thread(target=poster.report, args=(Progress("late"),))
    thread.start()
    thread.join()
    assert not thread.is_alive()
