"""The diarizer that needs no token: samples in, turns of at most four speakers out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.chunks import Kept
from engine.memory import reporting_out_of_memory
from engine.recorded import SAMPLE_RATE_HZ
from engine.sortformer_model import StreamingSortformer, load
from engine.sortformer_turns import diarization_of
from engine.speaker_turns import count_warnings
from speech.types import Diarization, Progress

if TYPE_CHECKING:
    from engine.diarizer import Recording

WHAT_HELPS: Final = "leave diarization out, or take a larger GPU"

Answer = tuple[Diarization, tuple[str, ...]]
"""Turns by time within the recording; warnings where there are not as many speakers as asked."""


class Sortformer:
    """A streaming Sortformer, ready to tell speakers apart.

    Args:
        network: What hears.
    """

    def __init__(self, network: StreamingSortformer) -> None:
        self._network = network

    @classmethod
    def load(cls, checkpoint: Path, device: str) -> Sortformer:
        """Load a ``.nemo`` file.

        Args:
            checkpoint: The file. It is unpickled: it must come from a source that is trusted.
            device: ``cuda`` or ``cpu``.

        Raises:
            EngineError: ``diarization_unavailable``, if it is no such checkpoint;
                ``engine_out_of_memory``.
        """
        return cls(load(checkpoint, device))

    def diarize(self, recording: Recording) -> Answer:
        """Find who speaks when in one recording.

        Raises:
            EngineError: ``engine_out_of_memory``.
            Exception: What its ``report`` raises, or the model.
        """
        asked = (recording.num_speakers, recording.min_speakers, recording.max_speakers)
        with reporting_out_of_memory(WHAT_HELPS):
            probabilities = self._network.probabilities(
                recording.samples, lambda share: recording.report(Progress("diarize", share))
            )
        duration_s = recording.samples.size / SAMPLE_RATE_HZ
        most = recording.num_speakers or recording.max_speakers
        found = diarization_of(probabilities, self._network.frame_ticks, duration_s, most)
        speakers = len({turn.speaker for turn in found.turns})
        return found, count_warnings(speakers, *asked)

    def diarize_all(self, recordings: Sequence[Recording]) -> list[Answer | Exception]:
        """Find who speaks when in several recordings, one after the other.

        Returns:
            For each recording what ``diarize`` returns, or what it would raise.
        """
        return [self._outcome(recording) for recording in recordings]

    def _outcome(self, recording: Recording) -> Answer | Exception:
        kept = Kept()
        with kept:
            return self.diarize(recording)
        assert kept.error is not None  # else it has returned
        return kept.error
