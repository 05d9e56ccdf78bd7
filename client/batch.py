"""One recording after another: heard, then printed or written; an error in one stops no other."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from client import conversation
from client.console import Console
from client.errors import TranscriptionError
from client.files import Folder, texts_of
from client.items import Item
from speech.errors import WorkerError
from speech.types import Report

FOR_ENDPOINTS: Final = ("output", "webhook", "stream")
"""Fields of the request that mean nothing on this machine."""

_ENGINE: Final = ("engine_", "bootstrap_")
"""How the codes begin of what the engine's log tells more about."""


class Place(Protocol):
    """Where recordings are heard."""

    async def transcribe(self, item: Item, report: Report) -> dict[str, Any]:
        """The answer to one of them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command line asks for."""

    items: Sequence[Item]
    fields: Mapping[str, Any]
    """The request's, without its source."""
    formats: Sequence[str]
    """None prints the conversation."""
    folder: Folder | None
    """None is stdout."""
    endpoint: str | None
    """None is this machine."""
    timeout_s: float | None
    quiet: bool
    log: Path | None


async def transcribe_all(plan: Plan, console: Console) -> int:
    """One recording after another. How many failed."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    failed, engine_failed = 0, False
    async with _place(plan) as place:
        for item in plan.items:
            try:
                await transcribe_one(plan, item, place, console)
            except (WorkerError, TranscriptionError) as error:
                console.error(item.about, error.code, error.message)
                failed += 1
                engine_failed |= error.code.startswith(_ENGINE)
    if engine_failed and plan.log is None and plan.endpoint is None:
        console.say("--log FILE keeps what the engine says")
    return failed


async def transcribe_one(plan: Plan, item: Item, place: Place, console: Console) -> None:
    """Have one recording heard, and print or write what was said.

    Raises:
        WorkerError: It was not.
        TranscriptionError: It was not, or could not be written.
    """
    if plan.folder and plan.formats:
        plan.folder.check(item.stem, plan.formats)
    with console.progress(item.about) as report:
        if item.is_result:
            answer = await asyncio.to_thread(present_again, item, plan.fields)
        else:
            answer = await place.transcribe(item, report)
    for warning in answer.get("warnings") or ():
        console.say(f"{item.about}: warning: {warning}")
    if "counts" in answer:
        console.say(f"{item.about}: this is the beginning; the whole is where output says")
    if not plan.formats:
        if len(plan.items) > 1:
            print(f"{conversation.printable(item.about)}:")
        print(*conversation.lines(answer), sep="\n", flush=True)
        return
    texts = texts_of(answer, plan.formats)
    if plan.folder is None:
        print(*texts.values(), sep="", end="", flush=True)
    else:
        for path in plan.folder.write(item.stem, texts):
            print(path, flush=True)
    if missing := [name for name in plan.formats if name not in texts]:
        raise TranscriptionError(
            "output_failed", f"The answer came without {', '.join(missing)}; its warnings say why."
        )


def present_again(item: Item, fields: Mapping[str, Any]) -> dict[str, Any]:
    """An earlier result, in what form is asked for now.

    Raises:
        WorkerError: It is none, or cannot give that.
        TranscriptionError: As above.
    """
    from client import again

    if given := [name for name in FOR_ENDPOINTS if name in fields]:
        raise TranscriptionError("invalid_input", f"{given[0]} is for recordings.")
    assert item.path is not None
    return again.present(item.path, fields)


def _place(plan: Plan) -> AbstractAsyncContextManager[Place]:
    if plan.endpoint is not None:
        from client.remote import AnEndpoint

        return AnEndpoint(plan.endpoint, plan.fields, plan.timeout_s)
    from client.local import ThisMachine

    return ThisMachine(plan.fields)
