"""The speech model's rounds: what is of like length shares a pass, a bad recording fails alone.

A recording is heard in one part or in several (engine/plan.py, engine/passes.py). Where memory
runs out it takes the next way that needs less (engine/courses.py).
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np

from engine.batches import cut
from engine.cores import Cores
from engine.courses import Course, LookBack, Task
from engine.faults import MODEL_ERRORS, CancelledError, is_out_of_memory
from engine.job import Job
from engine.memory import speech_batch_s, speech_pass_bytes
from engine.parakeet import Parakeet
from engine.recorded import SAMPLE_RATE_HZ
from speech.errors import WorkerError
from speech.types import Transcript

log = logging.getLogger(__name__)

WARM_UP_S: Final = ((1, 10.0), (1, 30.0), (8, 10.0))
"""(recordings, seconds) of the passes that a GPU is prepared for after its first answer."""


class Transcriber:
    """Works on rounds of jobs.

    Args:
        parakeet: Hears.
        cores: Shared with the diarizer.
        device: ``cuda`` or ``cpu``.
        load_spare: Loads the model on the CPU, for what the GPU has no memory for; None where
            that is not wanted.
    """

    def __init__(
        self,
        parakeet: Parakeet,
        cores: Cores,
        device: str,
        load_spare: Callable[[], Parakeet] | None = None,
    ) -> None:
        self._parakeet, self._cores, self._device = parakeet, cores, device
        self._load_spare = load_spare
        self._spare: Parakeet | None = None
        self._warm = device == "cpu"

    def work(self, items: Sequence[Job | LookBack]) -> None:
        """A round of the speech model: short parts first, those of like length together."""
        tasks = [task for item in items for task in self._tasks(item)]
        while tasks:
            tasks = [task for batch in self._batches(tasks) for task in self._hear(batch)]
        if not self._warm:
            self._warm_up()

    def _tasks(self, item: Job | LookBack) -> Sequence[Task]:
        """What is to be heard of a job."""
        if isinstance(item, LookBack):
            return item.tasks
        try:
            if item.begin():
                needed = partial(self._parakeet.network.pass_bytes, 1)
                free_bytes = speech_pass_bytes(self._device)
                cpu_too = self._load_spare is not None
                return Course(item, free_bytes, needed, cpu_too=cpu_too).begin()
        except (WorkerError, *MODEL_ERRORS) as error:
            item.fail(error)
        return ()

    def _batches(self, tasks: Sequence[Task]) -> list[list[Task]]:
        batches: list[list[Task]] = []
        for reach, on_cpu in (("full", False), ("local", False), ("full", True)):
            alike = [task for task in tasks if (task.reach, task.on_cpu) == (reach, on_cpu)]
            device = "cpu" if on_cpu else self._device
            limit_s = speech_batch_s(device) if alike and reach == "full" else 0.0
            found = cut([task.part.duration_s for task in alike], limit_s)
            batches += [[alike[index] for index in batch] for batch in found]
        return batches

    def _hear(self, batch: Sequence[Task]) -> list[Task]:
        """A pass. What it leaves to do: parts of a recording that has to be heard another way."""
        batch = [task for task in batch if task.whole.wants(task) and task.job.is_wanted()]
        if not batch:
            return []
        begin_s = time.monotonic()
        try:
            transcripts = self._pass(batch)
        except (WorkerError, *MODEL_ERRORS) as error:
            if len(batch) > 1:  # one of them is to blame, or there were too many
                return [left for task in batch for left in self._hear([task])]
            if is_out_of_memory(error):
                log.warning("out of memory in a pass of %.0f s", batch[0].part.duration_s)
            return [*batch[0].whole.failed(batch[0], error)]
        seconds = (time.monotonic() - begin_s) / len(batch)
        for task, transcript in zip(batch, transcripts, strict=True):
            try:
                task.whole.done(task, transcript, seconds)
            except CancelledError as error:
                task.job.fail(error)
        return []

    def _pass(self, batch: Sequence[Task]) -> list[Transcript]:
        hotwords = [task.job.options.hotwords for task in batch]
        with self._cores.turn():
            return self._ear(on_cpu=batch[0].on_cpu).transcribe_all(
                [task.samples() for task in batch],
                batch[0].reach,
                hotwords if any(hotwords) else (),
            )

    def _ear(self, *, on_cpu: bool) -> Parakeet:
        """What hears a batch."""
        if not on_cpu or self._load_spare is None:
            return self._parakeet
        if self._spare is None:
            log.warning("the GPU is out of memory: the model is loaded on the CPU too")
            self._spare = self._load_spare()
        return self._spare

    def _warm_up(self) -> None:
        """Choose kernels and capture graphs for the usual shapes, once the first answer is out."""
        self._warm = True
        self._parakeet.network.prepare()
        for recordings, length_s in WARM_UP_S:
            silence = np.zeros(int(length_s * SAMPLE_RATE_HZ), dtype=np.float32)
            with contextlib.suppress(WorkerError, *MODEL_ERRORS):
                self._parakeet.transcribe_all([silence] * recordings, "full")
