"""The diarizer's rounds: recordings that wait together are diarized side by side."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engine import weights
from engine.batches import cut
from engine.cores import Cores
from engine.faults import IMPORT_ERRORS
from engine.job import Job
from engine.light_imports import import_pyannote
from speech.errors import EngineError
from speech.protocol import EngineSettings
from speech.types import Progress

if TYPE_CHECKING:
    from engine.diarizer import Diarizer, Recording

log = logging.getLogger(__name__)

SHARED_DIARIZATION_S: Final = 600.0
"""Recordings up to so much together are diarized side by side. Longer ones fill their batches."""


class Diarizing:
    """Works on rounds of jobs.

    Args:
        settings: What to load.
        cores: Shared with the speech model.
        device: ``cuda`` or ``cpu``.
    """

    def __init__(self, settings: EngineSettings, cores: Cores, device: str) -> None:
        self._settings, self._cores, self._device = settings, cores, device
        self._diarizer: Diarizer | EngineError | None = None

    def load(self) -> None:
        """Load the diarizer; called in the lane's thread before its first round."""
        try:
            self._diarizer = load_diarizer(self._settings, self._device)
        except EngineError as error:
            log.warning("no speakers: %s", error.message)
            self._diarizer = error
        gc.freeze()  # libraries and models stay for good
        gc.enable()

    def work(self, jobs: list[Job]) -> None:
        """A round of the diarizer."""
        if self._diarizer is None or isinstance(self._diarizer, EngineError):
            for job in jobs:
                job.fail(self._diarizer or EngineError("diarization_unavailable", "no diarizer"))
            return
        for batch in cut([job.duration_s for job in jobs], SHARED_DIARIZATION_S):
            self._diarize_batch(self._diarizer, [jobs[index] for index in batch])

    def _diarize_batch(self, diarizer: Diarizer, jobs: Sequence[Job]) -> None:
        jobs = [job for job in jobs if job.begin()]
        begin_s = time.monotonic()
        with self._cores.turn():
            outcomes = diarizer.diarize_all([self._recording(job) for job in jobs])
        seconds = time.monotonic() - begin_s
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Exception):
                job.fail(outcome)
            else:
                job.diarized(*outcome, seconds)

    def _recording(self, job: Job) -> Recording:
        from engine.diarizer import Recording  # pyannote is imported by now

        def report(progress: Progress) -> None:
            self._cores.take_share()  # the other lane may be at rest by now
            job.diarizing(progress)

        options = job.options
        return Recording(
            job.samples,
            num_speakers=options.num_speakers,
            min_speakers=options.min_speakers,
            max_speakers=options.max_speakers,
            report=report,
        )


def load_diarizer(settings: EngineSettings, device: str) -> Diarizer:
    """The diarizer, with pyannote, whose import takes longer than the first words.

    Raises:
        EngineError: ``diarization_unavailable``, ``engine_out_of_memory``.
    """
    directory = weights.diarization_directory(settings)
    try:
        import_pyannote()
        from engine.diarizer import Diarizer
    except IMPORT_ERRORS as error:
        raise EngineError(
            "diarization_unavailable", f"pyannote.audio cannot be imported: {type(error).__name__}"
        ) from error
    return Diarizer.load(directory, device)
