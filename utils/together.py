"""Several pieces of asynchronous work at once, of which none outlives a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

One = TypeVar("One")
Other = TypeVar("Other")


async def all_of(work: Iterable[Coroutine[Any, Any, One]]) -> list[One]:
    """Do everything at once.

    The first failure cancels what is still under way, waits for its end and is raised itself: who
    catches a ``WorkerError`` need not know of groups.

    Args:
        work: The coroutines.

    Returns:
        Their results, in their order.

    Raises:
        Exception: What the first of them to fail has raised.
    """
    failed: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as failures:
        failed = failures.exceptions[0]
    if failed is not None:
        raise failed
    return [task.result() for task in tasks]


async def both(
    one: Coroutine[Any, Any, One], other: Coroutine[Any, Any, Other]
) -> tuple[One, Other]:
    """Do two things of different kinds at once; see ``all_of``."""
    work: list[Coroutine[Any, Any, Any]] = [one, other]
    first, second = await all_of(work)
    return first, second
