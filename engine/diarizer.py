"""The diarizer: samples in, speaker turns out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine import clustering, reconstruction
from engine.chunks import Track
from engine.diarization_progress import DONE, Pace, Rising, hook_of
from engine.diarization_stages import Arithmetic, stages_of
from engine.light_imports import import_pyannote
from engine.memory import reporting_out_of_memory
from engine.recorded import SAMPLE_RATE_HZ, Waveform
from engine.shared_passes import WHAT_HELPS, SharedPasses, set_up
from engine.speaker_turns import count_warnings, turns_of
from engine.voice_matching import Rule
from engine.voices import Known, Voices
from speech.errors import EngineError
from speech.types import Diarization, Report, Voice, report_nothing

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
        voices: Of people who may be in it, to call them by name.
        voiceprints: Whether the speakers' voiceprints are wanted.
        report: Called with the stage "diarize" and a fraction that never falls, always from the
            thread that asked for the diarization. What it raises ends the work on this recording:
            this is how a caller cancels.
    """

    samples: Waveform
    num_speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    voices: Sequence[Voice] = ()
    voiceprints: bool = False
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
        rule: When two voices are one person's; None takes that of community-1.
    """

    def __init__(
        self, pipeline: Any, arithmetic: Arithmetic | None = None, rule: Rule | None = None
    ) -> None:
        self._pipeline = pipeline
        self._device: torch.device = getattr(pipeline, "device", torch.device("cpu"))
        set_up(self._device)
        clustering.install(pipeline)
        reconstruction.install(pipeline)
        self._passes = SharedPasses(self._device)
        self._stages = self._passes.alone(partial(stages_of, pipeline, arithmetic))
        self._pace = Pace()
        self._voices = Voices(pipeline, self._stages, self._passes, rule or Rule())

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
                rule = Rule.of(directory)
            except (OSError, KeyError, ValueError, TypeError, AttributeError, ImportError) as error:
                raise EngineError(
                    "diarization_unavailable",
                    f"{directory.name} cannot be loaded as a pyannote pipeline; its config.yaml or"
                    " its weights are missing, damaged or of another kind",
                ) from error
            pipeline.to(torch.device(device))
            return cls(pipeline, arithmetic, rule)

    def diarize(
        self,
        samples: Waveform,
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
        recording = Recording(samples, num_speakers, min_speakers, max_speakers, report=report)
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
        audio_s = sum(recording.samples.size for recording in recordings) / SAMPLE_RATE_HZ
        tracks = [Track(Rising(each.report, self._pace, audio_s)) for each in recordings]
        try:
            known = self._known(tracks, recordings)
            pipelines = self._pipelines(tracks, recordings)
            return [
                self._answer(track, recording, pipelines.get(track), known.get(track))
                for track, recording in zip(tracks, recordings, strict=True)
            ]
        finally:
            for track in tracks:
                track.release()

    def _known(
        self, tracks: Sequence[Track], recordings: Sequence[Recording]
    ) -> dict[Track, Known]:
        """The known speakers of each recording, before the work on it: a sample may be no good."""
        known = {}
        for track, recording in zip(tracks, recordings, strict=True):
            if recording.voices:
                with track, reporting_out_of_memory("send shorter samples"):
                    known[track] = self._voices.enrol(recording.voices)
        return known

    def _pipelines(
        self, tracks: Sequence[Track], recordings: Sequence[Recording]
    ) -> dict[Track, Any]:
        """For each recording that has not failed, a pipeline that knows what its networks say."""
        if self._stages is None:
            return {}
        grid = self._stages.segmentation.grid
        for track, recording in zip(tracks, recordings, strict=True):
            if recording.samples.size and track.error is None:
                with track, reporting_out_of_memory(WHAT_HELPS):
                    track.cut(recording.samples, grid, self._device)
        heard = [track for track in tracks if track.count and track.error is None]
        return self._stages.pipelines(self._pipeline, heard, self._passes)

    def _answer(
        self, track: Track, recording: Recording, pipeline: Any | None, known: Known | None
    ) -> Answer | Exception:
        found = Diarization(turns=(), exclusive_turns=())
        said: tuple[str, ...] = known.warnings if known else ()
        if recording.samples.size and track.error is None:
            with track, reporting_out_of_memory(WHAT_HELPS):
                run = self._run(recording, pipeline, known)
                output = clustering.as_many_as_can_be(
                    partial(run, hook=hook_of(track)), recording.speakers
                )
                duration_s = recording.samples.size / SAMPLE_RATE_HZ
                found = Diarization(
                    turns=turns_of(output.speaker_diarization, duration_s),
                    exclusive_turns=turns_of(output.exclusive_speaker_diarization, duration_s),
                )
                if recording.voices or recording.voiceprints:
                    least = recording.num_speakers or recording.min_speakers or 1
                    found, unclear = self._voices.recognise(found, recording.samples, known, least)
                    said = (*said, *unclear)
                track.report(DONE, 1.0)  # pyannote stops early at silence
        if track.error:
            return track.error
        speakers = len({turn.speaker for turn in found.turns})
        return found, (*count_warnings(speakers, **recording.speakers), *said)

    def _run(
        self, recording: Recording, pipeline: Any | None, known: Known | None
    ) -> Callable[..., Any]:
        """The pipeline, whose networks have been run, or else in its own way with its networks."""
        used = pipeline or self._pipeline
        if known is not None:
            used = self._voices.knowing(used, known)
        if pipeline is not None:
            return partial(used.apply, {"sample_rate": SAMPLE_RATE_HZ, "uri": "recording"})
        finite = np.nan_to_num(recording.samples[:], nan=0.0, posinf=0.0, neginf=0.0)
        waveform = torch.from_numpy(finite).unsqueeze(0)
        file = {"waveform": waveform, "sample_rate": SAMPLE_RATE_HZ, "uri": "recording"}

        def run(**arguments: Any) -> Any:
            try:
                return used(file, **arguments)
            finally:
                set_up(self._device)

        return run
