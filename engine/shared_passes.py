"""Chunks of many recordings through a network together, each recording's fate its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from typing import Final, TypeVar

import torch

from engine.chunks import Array, Item, Kept, Track
from engine.cores import available
from engine.memory import reporting_out_of_memory
from speech.errors import EngineError

Forward = Callable[[Sequence[Item]], Array]
"""A network: the results of some chunks, stacked in their order."""

Result = TypeVar("Result")

WHAT_HELPS: Final = "send a shorter part of it, or leave diarization out"


# What a chunk of 10 s takes on a GPU, by its largest tensors in fp32. The segmentation network's
# first convolution puts out 80 x 15,975 numbers, and two copies of them live at a time, with the
# LSTM's 589 x 256 a few times over. The ResNet34's first block has 32 x 80 x 998, four at a time.
SEGMENTATION_BYTES: Final = 3 * 80 * 15_975 * 4
EMBEDDING_BYTES: Final = 5 * 32 * 80 * 998 * 4

# An LSTM takes its time for each of 589 frames however many chunks there are, so a GPU gets many.
# The ResNet has 45 GFLOP for each chunk and fills any GPU with a few dozen.
MOST_SEGMENTED: Final = 512
MOST_EMBEDDED: Final = 64


@dataclass(frozen=True, slots=True)
class Sizes:
    """Chunks in one pass of each network, and in one piece of work for the embeddings."""

    segmented: int
    embedded: int
    gathered: int
    """Chunks whose features are computed together; they go through the network by ``embedded``."""


CPU_SIZES: Final = Sizes(segmented=6, embedded=2, gathered=16)
"""Measured, CPU milliseconds a chunk in one thread for 1, 2, 4, 8 and 16 chunks in a pass:

segmentation (community-1's shapes)  36.5  33.0  29.0  28.3  33.5; 27.1 for 6
ResNet34, as published                381   433   549   613
ResNet34, bfloat16                     93    89    98   120
the demo's ResNet, as published       6.1   5.6   6.2   6.3   (and 7.1 for 32, 10.3 for 64)

Tensors of more than 32 MB come from the kernel page by page, each time."""


def choose_sizes(device: torch.device) -> Sizes:
    """What the networks are given at once: by the memory that is free on a GPU."""
    if device.type != "cuda":
        return CPU_SIZES
    free, _total = torch.cuda.mem_get_info(device)
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return sizes_within(free + held)


def sizes_within(free_bytes: int) -> Sizes:
    """What a third of this memory holds: the speech model may be at work as well."""
    room = free_bytes // 3
    segmented = max(1, min(MOST_SEGMENTED, room // SEGMENTATION_BYTES))
    embedded = max(1, min(MOST_EMBEDDED, room // EMBEDDING_BYTES))
    return Sizes(segmented, embedded, gathered=embedded)


def set_up(device: torch.device) -> None:
    """Let a GPU's convolutions and LSTMs round their factors to TF32, as torch does by itself.

    pyannote turns this off for the whole process wherever its own entry points are called. The
    matrix products of plain linear layers and of mel filter banks stay in full precision.
    """
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = True


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
        self._pool = _single_core_workers(available()) if device.type == "cpu" else None

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


def _single_core_workers(count: int) -> ThreadPoolExecutor:
    """Threads in which torch uses one core.

    The number that a thread sets for itself is also that of all threads which have not asked torch
    for anything yet. So they all start here, and then it is what it was.
    """
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, "diarizer", torch.set_num_threads, (1,))
    everybody = threading.Barrier(count)
    wait([pool.submit(everybody.wait) for _ in range(count)])
    torch.set_num_threads(threads)
    return pool


class _Passes:
    """One network, with the number of chunks that there is memory for."""

    def __init__(self, forward: Forward, most: int) -> None:
        self._forward, self._most = forward, most

    def of(self, batch: Sequence[Item]) -> dict[Item, Array]:
        """The results of the chunks whose recordings have not failed."""
        found: dict[Item, Array] = {}
        rest = batch
        while rest:
            part, rest = rest[: self._most], rest[self._most :]
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
