"""Both models together: a WAV file in, words and turns out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import soundfile
import torch

from engine import weights
from engine.attention import choose_attention
from engine.diarizer import Diarizer
from engine.parakeet import Parakeet
from speech.errors import EngineError
from speech.protocol import EngineSettings
from speech.types import Diarization, Hearing, Options, Progress, Report

SAMPLE_RATE_HZ = 16000


@dataclass(frozen=True, slots=True)
class Models:
    """Everything that stays loaded between jobs."""

    parakeet: Parakeet
    diarizer: Diarizer | EngineError
    """The error, where its weights cannot be had: jobs without speakers are still served."""
    names: Mapping[str, str]

    @classmethod
    def load(cls, settings: EngineSettings) -> Self:
        """Load what the settings name.

        Raises:
            EngineError: The speech model cannot be had.
        """
        if settings.threads:
            torch.set_num_threads(settings.threads)
        device = pick_device(settings.device)
        parakeet = Parakeet.load(weights.speech_checkpoint(settings), device)
        diarizer: Diarizer | EngineError
        try:
            diarizer = Diarizer.load(weights.diarization_directory(settings), device)
        except EngineError as error:
            diarizer = error
        names = {"asr": settings.asr_name, "diarization": settings.diarization_name}
        return cls(parakeet, diarizer, names)

    def hear(self, audio_path: str, options: Options, report: Report) -> Hearing:
        """Transcribe, and diarize where asked.

        Args:
            audio_path: A mono WAV file at 16 kHz.
            options: The request's options.
            report: Called as the work goes on; may raise to end it.
        """
        samples, rate_hz = soundfile.read(audio_path, dtype="float32")
        if rate_hz != SAMPLE_RATE_HZ or samples.ndim != 1:
            raise ValueError("the engine takes mono audio at 16 kHz")
        if options.diarize and isinstance(self.diarizer, EngineError):
            raise self.diarizer
        attention = choose_attention(len(samples) / rate_hz, options.attention)

        report(Progress("transcribe", 0.0))
        begin = time.monotonic()
        transcript = self.parakeet.transcribe(samples, attention)
        timings_s = {"transcribe": time.monotonic() - begin}
        report(Progress("transcribe", 1.0))

        diarization: Diarization | None = None
        warnings: tuple[str, ...] = ()
        if options.diarize:
            begin = time.monotonic()
            diarization, warnings = self._diarize(samples, options, report)
            timings_s["diarize"] = time.monotonic() - begin
        used = ("asr", "diarization") if options.diarize else ("asr",)
        return Hearing(
            transcript=transcript,
            diarization=diarization,
            models={name: self.names[name] for name in used},
            warnings=warnings,
            timings_s=timings_s,
        )

    def _diarize(
        self, samples: np.ndarray, options: Options, report: Report
    ) -> tuple[Diarization, tuple[str, ...]]:
        if isinstance(self.diarizer, EngineError):
            raise self.diarizer
        return self.diarizer.diarize(
            samples,
            num_speakers=options.num_speakers,
            min_speakers=options.min_speakers,
            max_speakers=options.max_speakers,
            report=report,
        )


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
