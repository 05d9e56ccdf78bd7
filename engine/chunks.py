"""Recordings cut into the overlapping chunks that pyannote's networks hear."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import torch

from engine.recorded import SAMPLE_RATE_HZ, Waveform

Array = np.ndarray[Any, np.dtype[Any]]
StepReport = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Grid:
    """Where chunks begin: every ``step`` samples, each ``window`` samples long."""

    window: int
    step: int

    @classmethod
    def of(cls, inference: Any) -> Grid:
        """That of a ``pyannote.audio.Inference``, which gives its durations in seconds.

        Raises:
            ValueError: They are no whole numbers of samples; pyannote then rounds each chunk.
        """
        window, step = (
            seconds * SAMPLE_RATE_HZ for seconds in (inference.duration, inference.step)
        )
        if abs(window - round(window)) > 1e-6 or abs(step - round(step)) > 1e-6:
            raise ValueError("chunks of no whole number of samples")
        return cls(round(window), round(step))

    def count(self, samples: int) -> int:
        """Chunks of a recording. The last one is filled up with silence, as pyannote does."""
        return 1 + max(0, -(-(samples - self.window) // self.step))


class Kept:
    """A ``with`` block whose exception is kept in ``error`` and goes no further.

    What ends the process goes through. The first exception stays.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> bool:
        """Keep what was raised."""
        if not isinstance(error, Exception):
            return False
        self.error = self.error or error
        return True


class Track(Kept):
    """One recording on its way through passes that it shares with others.

    What only this recording can be to blame for happens in ``with track:``. A track with an error
    has failed, and the others go on without it.

    Args:
        report: Given the name of a step and the share of it that is done.
    """

    def __init__(self, report: StepReport) -> None:
        super().__init__()
        self.report = report
        self.size = self.count = 0
        self._samples: Waveform = np.empty(0, dtype=np.float32)
        self._grid = Grid(1, 1)
        self._device = torch.device("cpu")

    def cut(self, samples: Waveform, grid: Grid, device: torch.device) -> None:
        """Cut a recording into chunks.

        Args:
            samples: Mono at 16 kHz, at least one. What is not finite is silence.
            grid: Where to cut.
            device: Of the networks.
        """
        self.size, self.count = samples.size, grid.count(samples.size)
        self._samples, self._grid, self._device = samples, grid, device

    def waveform(self, first: int, last: int) -> torch.Tensor:
        """What chunks ``first`` to ``last`` hear, in one piece, where the networks are.

        It is read when it is needed: a day of sound is 5 GB as numbers.
        """
        begin = first * self._grid.step
        end = last * self._grid.step + self._grid.window
        padded = torch.zeros(end - begin)
        samples = self._samples[begin : min(end, self.size)]
        padded.numpy()[: samples.size] = samples
        return padded.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0).to(self._device)

    def chunks(self, first: int, last: int) -> torch.Tensor:
        """Chunks ``first`` to ``last``, shape (chunks, window)."""
        return self.waveform(first, last).unfold(0, self._grid.window, self._grid.step)

    def release(self) -> None:
        """Give the memory back, also where an error's traceback still holds the track."""
        self._samples = np.empty(0, dtype=np.float32)


Item = tuple[Track, int]
"""A chunk of a recording, by its number."""


def runs(batch: Sequence[Item], longest_gap: int) -> Iterator[tuple[Track, list[int]]]:
    """Chunks of one recording that lie near each other, in their order.

    Args:
        batch: The chunks of a recording are together and by number.
        longest_gap: Between the numbers of neighbours in a run.
    """
    run: tuple[Track, list[int]] | None = None
    for track, index in batch:
        if run and run[0] is track and index - run[1][-1] <= longest_gap:
            run[1].append(index)
        else:
            if run:
                yield run
            run = track, [index]
    if run:
        yield run
