"""The diarizer: samples in, speaker turns out."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from engine.memory import reporting_out_of_memory
from speech.errors import EngineError
from speech.types import Diarization, Progress, Report, SpeakerTurn, report_nothing

SAMPLE_RATE_HZ: Final = 16000

# Where each step of pyannote's pipeline begins and ends on the way from 0 to 1, after the share of
# time on a CPU (segmentation 8 %, embeddings 90 %).
_STEPS: Final = {
    "segmentation": (0.0, 0.09),
    "speaker_counting": (0.09, 0.1),
    "embeddings": (0.1, 0.99),
    "discrete_diarization": (0.99, 1.0),
}

_TOO_FEW_EMBEDDINGS: Final = re.compile(r"n_samples=(\d+) should be >= n_clusters")
"""What scikit-learn's KMeans says."""

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]


class Diarizer:
    """A pyannote pipeline, ready to tell speakers apart.

    Args:
        pipeline: A ``pyannote.audio.pipelines.SpeakerDiarization`` with its parameters set.
    """

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    @classmethod
    def load(cls, directory: Path, device: str) -> Diarizer:
        """Load a pipeline from a local directory, without the hub and without telemetry.

        Args:
            directory: Holds ``config.yaml`` and the weights that it names. They are unpickled:
                they must come from a source that is trusted.
            device: ``cuda`` or ``cpu``.

        Raises:
            EngineError: ``diarization_unavailable``, if the directory holds no such pipeline;
                ``engine_out_of_memory``.
        """
        os.environ["PYANNOTE_METRICS_ENABLED"] = "false"  # on by default, read at every use
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about decoders for files; we hand in samples
            from pyannote.audio import Pipeline

        with reporting_out_of_memory("the diarization model itself does not fit"):
            try:
                pipeline: Any = Pipeline.from_pretrained(directory)
            except (OSError, KeyError, ValueError, TypeError, AttributeError, ImportError) as error:
                raise EngineError(
                    "diarization_unavailable",
                    f"{directory.name} cannot be loaded as a pyannote pipeline; its config.yaml or"
                    " its weights are missing, damaged or of another kind",
                ) from error
            pipeline.to(torch.device(device))
        return cls(pipeline)

    def diarize(
        self,
        samples: Samples,
        *,
        num_speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        report: Report = report_nothing,
    ) -> tuple[Diarization, tuple[str, ...]]:
        """Find who speaks when.

        Args:
            samples: Mono at 16 kHz, shape (samples,), -1 to 1. What is not finite is silence.
            num_speakers: How many there are, if known; the bounds have no meaning then.
            min_speakers: At least so many.
            max_speakers: At most so many.
            report: Called with the stage "diarize". What it raises ends the work and is raised
                here: this is how a caller cancels.

        Returns:
            The turns, by time, within the recording, and warnings where the number of speakers
            is not what was asked for.

        Raises:
            EngineError: ``engine_out_of_memory``.
        """
        if samples.size == 0:
            found = Diarization(turns=(), exclusive_turns=())
        else:
            with reporting_out_of_memory("send a shorter part of it, or leave diarization out"):
                output = self._run(
                    samples,
                    _progress_hook(report),
                    num_speakers=num_speakers,
                    min_speakers=min_speakers,
                    max_speakers=max_speakers,
                )
            duration_s = samples.size / SAMPLE_RATE_HZ
            found = Diarization(
                turns=_turns(output.speaker_diarization, duration_s),
                exclusive_turns=_turns(output.exclusive_speaker_diarization, duration_s),
            )
        speakers = len({turn.speaker for turn in found.turns})
        return found, _count_warnings(speakers, num_speakers, min_speakers, max_speakers)

    def _run(self, samples: Samples, hook: Callable[..., None], **speakers: int | None) -> Any:
        """Run the pipeline; if it cannot make so many speakers, with as many as it can.

        Where its own count is not what was asked for, pyannote clusters with k-means, which refuses
        to make more clusters than there are embeddings: up to three in a clip of 10 s.
        """
        try:
            return self._apply(samples, hook, **speakers)
        except ValueError as error:
            few = _TOO_FEW_EMBEDDINGS.search(str(error))
            if few is None:
                raise
            most = int(few[1])
            lowered = {
                name: most if wanted and name != "max_speakers" else wanted
                for name, wanted in speakers.items()
            }
        return self._apply(samples, hook, **lowered)

    def _apply(self, samples: Samples, hook: Callable[..., None], **speakers: int | None) -> Any:
        finite = np.where(np.isfinite(samples), samples, np.float32(0.0))
        waveform = torch.from_numpy(finite).unsqueeze(0)
        file = {"waveform": waveform, "sample_rate": SAMPLE_RATE_HZ, "uri": "recording"}
        with warnings.catch_warnings():
            # About the number of speakers, which ours say, and about arithmetic on short clips.
            warnings.simplefilter("ignore")
            return self._pipeline(file, hook=hook, **speakers)


def _progress_hook(report: Report) -> Callable[..., None]:
    """A hook for pyannote that reports a fraction which never falls."""
    highest = 0.0

    def hook(
        step: str, _artifact: object, *, total: int | None = None, completed: int = 0, **_: object
    ) -> None:
        nonlocal highest
        begin, end = _STEPS.get(step, (highest, highest))
        share = completed / total if total else 1.0  # without a total, the step is done
        highest = max(highest, begin + (end - begin) * min(1.0, share))
        report(Progress("diarize", highest))

    return hook


def _turns(annotation: Any, duration_s: float) -> tuple[SpeakerTurn, ...]:
    """Turns within the recording. pyannote works on whole frames of a padded last chunk."""
    turns = (
        SpeakerTurn(str(label), max(0.0, float(segment.start)), min(duration_s, float(segment.end)))
        for segment, _track, label in annotation.itertracks(yield_label=True)
    )
    kept = [turn for turn in turns if turn.start_s < turn.end_s]
    return tuple(sorted(kept, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker)))


def _count_warnings(
    found: int, num_speakers: int | None, min_speakers: int | None, max_speakers: int | None
) -> tuple[str, ...]:
    """What to say where the speakers found are not as many as asked for."""
    heard = f"{found} speaker was found" if found == 1 else f"{found} speakers were found"
    if num_speakers is not None:
        return () if found == num_speakers else (f"num_speakers was {num_speakers}, but {heard}",)
    if min_speakers is not None and found < min_speakers:
        return (f"min_speakers was {min_speakers}, but {heard}",)
    if max_speakers is not None and found > max_speakers:
        return (f"max_speakers was {max_speakers}, but {heard}",)
    return ()
