"""Both models at work: jobs in, their hearings out, several at a time.

Each model has a lane (engine/lane.py), so that a recording is transcribed and diarized at the same
time, and recordings that arrive together share their passes (docs/decisions/0006-batches.md).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from engine import weights
from engine.cores import Cores, available
from engine.courses import LookBack
from engine.diarizing import Diarizing, name_of, usual_kind
from engine.job import Job
from engine.lane import Lane
from engine.memory import overlap_fits
from engine.parakeet import Parakeet
from engine.transcribing import Transcriber
from speech.coverage import Span
from speech.errors import EngineError
from speech.protocol import EngineSettings
from speech.types import Transcript

log = logging.getLogger(__name__)


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
            "diarization": name_of(settings, usual_kind(settings)),
        }
        self._device = pick_device(settings.device)
        self.cores = Cores(settings.threads or available())
        self.cores.take_share()
        self._speakers = Diarizing(settings, self.cores, self._device)
        # The lane loads its model itself: the first words need not wait for it.
        self._diarizing = Lane("diarize", self._speakers.work, self.cores, self._load_diarizer)
        speech = load_speech(settings, self._device)
        spare = self._device != "cpu" and settings.cpu_fallback
        transcriber = Transcriber(
            speech,
            self.cores,
            self._device,
            partial(load_speech, settings, "cpu") if spare else None,
        )
        self._transcribing: Lane[Job | LookBack] = Lane(
            "transcribe", transcriber.work, self.cores, self._own_stream
        )

    def take(self, job: Job) -> None:
        """Have a job heard; it is answered later, from another thread."""
        job.look_again = self._look_again
        self._transcribing.put(job)
        if job.options.diarize:
            self._diarizing.put(job)

    def _look_again(self, job: Job, heard: Transcript, holes: Sequence[Span]) -> None:
        self._transcribing.put(LookBack(job, heard, holes))

    def _load_diarizer(self) -> None:
        with self.cores.at_work():
            self._own_stream()
            self._speakers.load()
            if self._device == "cuda" and not overlap_fits():
                self.cores.one_at_a_time = True

    def _own_stream(self) -> None:
        """Let this thread's work on a GPU run beside that of the other lane."""
        if self._device == "cuda":
            torch.cuda.synchronize()  # the weights were copied by another stream
            torch.cuda.set_stream(torch.cuda.Stream())


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
