"""Chunks of many recordings through a network together, each recording's fate its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from typing import Final, TypeVar

import torch

from engine.chunks import Array, Item, Kept, Track
from engine.memory import reporting_out_of_memory
from speech.errors import EngineError

Forward = Callable[[Sequence[Item]], Array]
"""A network: the results of some chunks, stacked in their order."""

Result = TypeVar("Result")

MAX_WORKERS: Final = 64

WHAT_HELPS: Final = "send a shorter part of it, or leave diarization out"


class SharedPasses:
    """Runs networks over the chunks of many recordings.

    On a CPU several passes run at a time, each in a thread of its own with one core: small layers
    hardly gain from a second one, and threads that wait for each other inside a layer burn time
    that other work could have. There are as many as torch has threads in the calling thread when
    a pass begins, and the results do not depend on it. On a GPU everything is done by the caller's
    thread, on its stream.

    Args:
        device: Of the networks.
    """

    def __init__(self, device: torch.device) -> None:
        self._pool = (
            ThreadPoolExecutor(MAX_WORKERS, "diarizer", torch.set_num_threads, (1,))
            if device.type == "cpu"
            else None
        )

    def alone(self, work: Callable[[], Result]) -> Result:
        """Do something once, as a pass is done."""
        return self._pool.submit(work).result() if self._pool else work()

    def run(
        self, step: str, work: Mapping[Track, Sequence[int]], forward: Forward, size: int
    ) -> dict[Track, list[Array]]:
        """Give chunks of each recording to a network.

        A recording that fails, or whose report raises, is left out from then on. Where a shared
        pass raises, its recordings are tried one by one; where memory runs out, half as many
        chunks at a time.

        Args:
            step: What the recordings are told that is done.
            work: The numbers of the chunks wanted of each recording.
            forward: The network.
            size: Chunks in one pass at most.

        Returns:
            The results of each recording that has not failed, in the order of its chunks.
        """
        items = [(track, index) for track, indices in work.items() for index in indices]
        found: dict[Item, Array] = {}
        done = dict.fromkeys(work, 0)
        for track in work:
            with track:
                track.report(step, 0.0)
        for batch, results in self._results(items, _Passes(forward, size), size):
            found |= results
            for track in dict.fromkeys(track for track, _index in batch):
                done[track] += sum(one is track for one, _index in batch)
                if track.error is None:
                    with track:
                        track.report(step, done[track] / len(work[track]))
        return {
            track: [found[track, index] for index in indices]
            for track, indices in work.items()
            if track.error is None
        }

    def _results(
        self, items: Sequence[Item], passes: _Passes, size: int
    ) -> Iterator[tuple[Sequence[Item], dict[Item, Array]]]:
        """Batches, as they are done, and what came of each."""
        if self._pool is None:
            for batch in _cut(items, size):
                yield batch, passes.of(batch)
            return
        share = -(-len(items) // torch.get_num_threads())
        pending: dict[Future[dict[Item, Array]], Sequence[Item]] = {}
        for batch in _cut(items, max(1, min(size, share))):
            while len(pending) >= torch.get_num_threads():
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield pending.pop(future), future.result()
            pending[self._pool.submit(passes.of, batch)] = batch
        for future in as_completed(pending):
            yield pending[future], future.result()


class _Passes:
    """One network, with the number of chunks that there is memory for."""

    def __init__(self, forward: Forward, most: int) -> None:
        self._forward, self._most = forward, most

    def of(self, batch: Sequence[Item]) -> dict[Item, Array]:
        """The results of the chunks whose recordings have not failed."""
        found: dict[Item, Array] = {}
        for part in _cut(batch, self._most):
            found |= self._of_part(part)
        return found

    def _of_part(self, batch: Sequence[Item]) -> dict[Item, Array]:
        """One pass; where it raises, smaller ones."""
        batch = [item for item in batch if item[0].error is None]
        if not batch:
            return {}
        attempt = Kept()
        with attempt, reporting_out_of_memory(WHAT_HELPS):
            return dict(zip(batch, self._forward(batch), strict=True))
        if len(batch) > 1 and _is_out_of_memory(attempt.error):
            self._most = min(self._most, len(batch) // 2)
            return self.of(batch)
        tracks = dict.fromkeys(track for track, _index in batch)
        if len(tracks) == 1:
            batch[0][0].error = attempt.error
            return {}
        found: dict[Item, Array] = {}
        for track in tracks:
            found |= self._of_part([item for item in batch if item[0] is track])
        return found


def _is_out_of_memory(error: Exception | None) -> bool:
    return isinstance(error, EngineError) and error.code == "engine_out_of_memory"


def _cut(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]
