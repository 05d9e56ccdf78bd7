"""Both models at work: jobs in, their hearings out, several at a time.

Each model has a lane (engine/lane.py), so that a recording is transcribed and diarized at the same
time, and recordings that arrive together share their passes (docs/decisions/0006-batches.md).
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile
import torch

from engine import weights
from engine.batches import cut
from engine.cores import Cores, available
from engine.faults import IMPORT_ERRORS
from engine.job import SAMPLE_RATE_HZ, Job
from engine.lane import Lane
from engine.light_imports import import_pyannote
from engine.memory import overlap_fits
from engine.parakeet import Parakeet, Samples
from engine.transcribing import Transcriber
from speech.errors import EngineError
from speech.protocol import EngineSettings
from speech.types import Progress

if TYPE_CHECKING:
    from engine.diarizer import Diarizer, Recording

log = logging.getLogger(__name__)

SHARED_DIARIZATION_S = 600.0
"""Recordings up to so much together are diarized side by side. Longer ones fill their batches."""


class Engine:
    """Takes jobs and answers them.

    Args:
        settings: What to load.

    Raises:
        EngineError: The speech model cannot be had. Without a diarizer, jobs that want no speakers
            are still served.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.names: Mapping[str, str] = {
            "asr": settings.asr_name,
            "diarization": settings.diarization_name,
        }
        self._settings = settings
        self._device = pick_device(settings.device)
        self.cores = Cores(settings.threads or available())
        self.cores.take_share()
        self._diarizer: Diarizer | EngineError | None = None
        # The lane loads its model itself: the first words need not wait for it.
        self._diarizing = Lane("diarize", self._diarize, self.cores, self._load_diarizer)
        speech = load_speech(settings, self._device)
        transcriber = Transcriber(speech, self.cores, self._device)
        self._transcribing = Lane("transcribe", transcriber.work, self.cores, self._own_stream)

    def take(self, job: Job) -> None:
        """Have a job heard; it is answered later, from another thread."""
        self._transcribing.put(job)
        if job.options.diarize:
            self._diarizing.put(job)

    def _diarize(self, jobs: list[Job]) -> None:
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
        with self.cores.turn():
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
            self.cores.take_share()  # the other lane may be at rest by now
            job.diarizing(progress)

        options = job.options
        return Recording(
            job.samples,
            num_speakers=options.num_speakers,
            min_speakers=options.min_speakers,
            max_speakers=options.max_speakers,
            report=report,
        )

    def _load_diarizer(self) -> None:
        with self.cores.at_work():
            self._own_stream()
            try:
                self._diarizer = load_diarizer(self._settings, self._device)
            except EngineError as error:
                log.warning("no speakers: %s", error.message)
                self._diarizer = error
            gc.freeze()  # libraries and models stay for good
            gc.enable()
            if self._device == "cuda" and not overlap_fits():
                self.cores.one_at_a_time = True

    def _own_stream(self) -> None:
        """Let this thread's work on a GPU run beside that of the other lane."""
        if self._device == "cuda":
            torch.cuda.synchronize()  # the weights were copied by another stream
            torch.cuda.set_stream(torch.cuda.Stream())


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


def load_speech(settings: EngineSettings, device: str) -> Parakeet:
    """The speech model from its fast checkpoint; from the original where that cannot be had.

    Raises:
        EngineError: ``model_unavailable``, ``engine_out_of_memory``.
    """
    if settings.fast_model is not None:
        try:
            return Parakeet.load(Path(settings.fast_model), device)
        except EngineError as error:
            log.warning("the original model is used: %s", error.message)
    return Parakeet.load(weights.speech_checkpoint(settings), device)


def read_recording(audio_path: str) -> Samples:
    """The samples of a mono WAV file at 16 kHz."""
    samples: Samples
    samples, rate_hz = soundfile.read(audio_path, dtype="float32")
    if rate_hz != SAMPLE_RATE_HZ or samples.ndim != 1:
        raise ValueError("the engine takes mono audio at 16 kHz")
    return samples


def pick_device(wanted: str) -> str:
    """Choose between "cuda" and "cpu".

    Raises:
        EngineError: CUDA was asked for by name and there is none.
    """
    if wanted == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise EngineError(
            "engine_start_failed",
            "PARAKEET_DEVICE is cuda, but torch sees no CUDA device. Give the worker a GPU with a "
            "driver for CUDA 12.8, or set PARAKEET_DEVICE to cpu.",
        )
    return "cpu"


def describe_device() -> dict[str, str | None]:
    """What the ``hello`` message says of the machine."""
    available = torch.cuda.is_available()
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda if available else None,
        "gpu": torch.cuda.get_device_name(0) if available else None,
    }
