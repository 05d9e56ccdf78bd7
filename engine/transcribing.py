"""The speech model's rounds: recordings of like length share a pass, a bad one fails alone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.batches import cut
from engine.cores import Cores
from engine.faults import MODEL_ERRORS
from engine.job import SAMPLE_RATE_HZ, Job
from engine.memory import speech_batch_s
from engine.parakeet import Parakeet
from speech.errors import WorkerError
from speech.types import AttentionUsed

BOTH: Final[tuple[AttentionUsed, ...]] = ("full", "local")

WARM_UP_S: Final = ((1, 10.0), (1, 30.0), (8, 10.0))
"""(recordings, seconds) of the passes that a GPU is prepared for after its first answer."""


class Transcriber:
    """Works on rounds of jobs.

    Args:
        parakeet: Hears.
        cores: Shared with the diarizer.
        device: ``cuda`` or ``cpu``.
    """

    def __init__(self, parakeet: Parakeet, cores: Cores, device: str) -> None:
        self._parakeet, self._cores, self._device = parakeet, cores, device
        self._warm = device == "cpu"

    def work(self, jobs: list[Job]) -> None:
        """A round of the speech model: short recordings first, those of like length together."""
        for attention in BOTH:
            alike = [job for job in jobs if job.attention == attention]
            limit_s = speech_batch_s(self._device) if attention == "full" else 0.0
            for batch in cut([job.duration_s for job in alike], limit_s):
                self._transcribe_batch([alike[index] for index in batch])
        if not self._warm:
            self._warm_up()

    def _transcribe_batch(self, jobs: Sequence[Job]) -> None:
        jobs = [job for job in jobs if job.begin()]
        if not jobs:
            return
        begin_s = time.monotonic()
        try:
            with self._cores.turn():
                transcripts = self._parakeet.transcribe_all(
                    [job.samples for job in jobs], jobs[0].attention
                )
        except (WorkerError, *MODEL_ERRORS) as error:
            if len(jobs) == 1:
                jobs[0].fail(error)
            else:  # one of them is to blame, or there were too many
                for job in jobs:
                    self._transcribe_batch([job])
            return
        seconds = time.monotonic() - begin_s
        for job, transcript in zip(jobs, transcripts, strict=True):
            job.transcribed(transcript, seconds)

    def _warm_up(self) -> None:
        """Choose kernels and capture graphs for the usual shapes, once the first answer is out."""
        self._warm = True
        self._parakeet.network.prepare()
        for recordings, length_s in WARM_UP_S:
            silence = np.zeros(int(length_s * SAMPLE_RATE_HZ), dtype=np.float32)
            with contextlib.suppress(WorkerError, *MODEL_ERRORS):
                self._parakeet.transcribe_all([silence] * recordings, "full")
