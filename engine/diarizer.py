"""The diarizer: samples in, speaker turns out."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from engine import clustering, reconstruction
from engine.chunks import SAMPLE_RATE_HZ, Samples, Track
from engine.diarization_progress import hook_of, rising
from engine.diarization_stages import Arithmetic, stages_of
from engine.light_imports import import_pyannote
from engine.memory import reporting_out_of_memory
from engine.shared_passes import WHAT_HELPS, SharedPasses, set_up
from engine.speaker_turns import count_warnings, turns_of
from speech.errors import EngineError
from speech.types import Diarization, Report, report_nothing

_TOO_FEW_EMBEDDINGS: Final = re.compile(r"n_samples=(\d+) should be >= n_clusters")
"""What scikit-learn's KMeans says."""

Answer = tuple[Diarization, tuple[str, ...]]
"""Turns by time within the recording; warnings where there are not as many speakers as asked."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What is to be diarized, and how.

    Attributes:
        samples: Mono at 16 kHz, shape (samples,), -1 to 1. What is not finite is silence.
        num_speakers: How many there are, if known; the bounds have no meaning then.
        min_speakers: At least so many.
        max_speakers: At most so many.
        report: Called with the stage "diarize" and a fraction that never falls, always from the
            thread that asked for the diarization. What it raises ends the work on this recording:
            this is how a caller cancels.
    """

    samples: Samples
    num_speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    report: Report = report_nothing

    @property
    def speakers(self) -> dict[str, int | None]:
        """The arguments of pyannote's pipeline."""
        return {
            "num_speakers": self.num_speakers,
            "min_speakers": self.min_speakers,
            "max_speakers": self.max_speakers,
        }


class Diarizer:
    """A pyannote pipeline, ready to tell speakers apart.

    Its networks are run in our own way, which gives the same results sooner
    (engine/diarization_stages.py); everything after them is pyannote's ``apply``.

    Args:
        pipeline: A ``pyannote.audio.pipelines.SpeakerDiarization`` with its parameters set.
        arithmetic: See ``stages_of``.
    """

    def __init__(self, pipeline: Any, arithmetic: Arithmetic | None = None) -> None:
        self._pipeline = pipeline
        self._device: torch.device = getattr(pipeline, "device", torch.device("cpu"))
        set_up(self._device)
        clustering.install(pipeline)
        reconstruction.install(pipeline)
        self._passes = SharedPasses(self._device)
        self._stages = self._passes.alone(partial(stages_of, pipeline, arithmetic))

    @classmethod
    def load(cls, directory: Path, device: str, arithmetic: Arithmetic | None = None) -> Diarizer:
        """Load a pipeline from a local directory, without the hub and without telemetry.

        Args:
            directory: Holds ``config.yaml`` and the weights that it names. They are unpickled:
                they must come from a source that is trusted.
            device: ``cuda`` or ``cpu``.
            arithmetic: See ``stages_of``.

        Raises:
            EngineError: ``diarization_unavailable``, if the directory holds no such pipeline;
                ``engine_out_of_memory``.
        """
        os.environ["PYANNOTE_METRICS_ENABLED"] = "false"  # on by default, read at every use
        with reporting_out_of_memory("the diarization model itself does not fit"):
            try:
                pipeline: Any = import_pyannote().Pipeline.from_pretrained(directory)
            except (OSError, KeyError, ValueError, TypeError, AttributeError, ImportError) as error:
                raise EngineError(
                    "diarization_unavailable",
                    f"{directory.name} cannot be loaded as a pyannote pipeline; its config.yaml or"
                    " its weights are missing, damaged or of another kind",
                ) from error
            pipeline.to(torch.device(device))
            return cls(pipeline, arithmetic)

    def diarize(
        self,
        samples: Samples,
        *,
        num_speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        report: Report = report_nothing,
    ) -> Answer:
        """Find who speaks when in one recording. The arguments are those of ``Recording``.

        Raises:
            EngineError: ``engine_out_of_memory``.
            Exception: What ``report`` raises, or the models.
        """
        recording = Recording(samples, num_speakers, min_speakers, max_speakers, report)
        (outcome,) = self.diarize_all([recording])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def diarize_all(self, recordings: Sequence[Recording]) -> list[Answer | Exception]:
        """Find who speaks when in several recordings, which share the passes of the networks.

        The turns are those that each would have alone.

        Returns:
            For each recording what ``diarize`` returns, or what it would raise.
        """
        tracks = [Track(rising(recording.report)) for recording in recordings]
        try:
            pipelines = self._pipelines(tracks, recordings)
            return [
                self._answer(track, recording, pipelines.get(track))
                for track, recording in zip(tracks, recordings, strict=True)
            ]
        finally:
            for track in tracks:
                track.release()

    def _pipelines(
        self, tracks: Sequence[Track], recordings: Sequence[Recording]
    ) -> dict[Track, Any]:
        """For each recording that has not failed, a pipeline that knows what its networks say."""
        if self._stages is None:
            return {}
        grid = self._stages.segmentation.grid
        for track, recording in zip(tracks, recordings, strict=True):
            if recording.samples.size:
                with track, reporting_out_of_memory(WHAT_HELPS):
                    track.cut(recording.samples, grid, self._device)
        heard = [track for track in tracks if track.count and track.error is None]
        return self._stages.pipelines(self._pipeline, heard, self._passes)

    def _answer(
        self, track: Track, recording: Recording, pipeline: Any | None
    ) -> Answer | Exception:
        found = Diarization(turns=(), exclusive_turns=())
        if recording.samples.size and track.error is None:
            with track, reporting_out_of_memory(WHAT_HELPS):
                run = partial(pipeline.apply, _file(track)) if pipeline else self._stock(recording)
                output = _cluster(partial(run, hook=hook_of(track)), recording.speakers)
                track.report("discrete_diarization", 1.0)  # pyannote stops early at silence
                duration_s = recording.samples.size / SAMPLE_RATE_HZ
                found = Diarization(
                    turns=turns_of(output.speaker_diarization, duration_s),
                    exclusive_turns=turns_of(output.exclusive_speaker_diarization, duration_s),
                )
        if track.error:
            return track.error
        speakers = len({turn.speaker for turn in found.turns})
        return found, count_warnings(speakers, **recording.speakers)

    def _stock(self, recording: Recording) -> Callable[..., Any]:
        """The pipeline in its own way, networks included."""
        finite = np.where(np.isfinite(recording.samples), recording.samples, np.float32(0.0))
        waveform = torch.from_numpy(finite).unsqueeze(0)
        file = {"waveform": waveform, "sample_rate": SAMPLE_RATE_HZ, "uri": "recording"}

        def run(**arguments: Any) -> Any:
            try:
                return self._pipeline(file, **arguments)
            finally:
                set_up(self._device)

        return run


def _cluster(run: Callable[..., Any], speakers: dict[str, int | None]) -> Any:
    """Run the pipeline; if it cannot make so many speakers, with as many as it can.

    Where its own count is not what was asked for, pyannote clusters with k-means, which refuses
    to make more clusters than there are embeddings: up to three in a clip of 10 s.
    """
    with warnings.catch_warnings():
        # About the number of speakers, which ours say, and about arithmetic on short clips.
        warnings.simplefilter("ignore")
        try:
            return run(**speakers)
        except ValueError as error:
            few = _TOO_FEW_EMBEDDINGS.search(str(error))
            if few is None:
                raise
            most = int(few[1])
            lowered = {
                name: most if wanted and name != "max_speakers" else wanted
                for name, wanted in speakers.items()
            }
        return run(**lowered)


def _file(track: Track) -> dict[str, Any]:
    """A recording in pyannote's form."""
    waveform = track.waveform[None, : track.size]
    return {"waveform": waveform, "sample_rate": SAMPLE_RATE_HZ, "uri": "recording"}
