"""A recording between its arrival at the engine and its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.faults import CancelledError
from speech.request import Options
from speech.types import AttentionUsed, Diarization, Hearing, Progress, Report, Transcript, Voice

if TYPE_CHECKING:
    from engine.parakeet import Samples

SAMPLE_RATE_HZ = 16000


@dataclass(slots=True, eq=False)
class Job:
    """One recording, heard by up to two models at the same time.

    Whatever comes first of a whole hearing, an error and a cancellation is its answer; there is
    only one.
    """

    samples: Samples
    options: Options
    attention: AttentionUsed
    models: Mapping[str, str]
    """What hears it."""
    voices: Sequence[Voice]
    """Of people who may be in it."""
    report: Report
    """Called as the work goes on; raises ``CancelledError`` when the job is not wanted any more."""
    answer: Callable[[Hearing | Exception], None]
    """Called once, from any thread."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _answered: bool = False
    _begun_s: float | None = None
    """When the first model began with it, by the monotonic clock."""
    _transcript: Transcript | None = None
    _diarization: Diarization | None = None
    _warnings: tuple[str, ...] = ()
    _timings_s: dict[str, float] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """Length of the recording."""
        return self.samples.size / SAMPLE_RATE_HZ

    def begin(self) -> bool:
        """A model is to begin with it. Whether it still should: else it is answered by now."""
        if self._answered:
            return False
        with self._lock:
            if self._begun_s is None:
                self._begun_s = time.monotonic()
        try:
            self.diarizing(Progress("diarize", 0.0))
        except CancelledError as error:
            self.fail(error)
            return False
        return True

    def diarizing(self, progress: Progress) -> None:
        """Hand the diarizer's progress on, but not before the transcript is there.

        Both models work at once; a caller sees one stage after the other.

        Raises:
            CancelledError: It is not wanted any more, or answered.
        """
        if self._answered:
            raise CancelledError
        self.report(Progress("transcribe") if self._transcript is None else progress)

    def transcribed(self, transcript: Transcript, seconds: float) -> None:
        """The speech model is done with it."""
        with self._lock:
            self._transcript = transcript
            self._timings_s["transcribe"] = seconds
        self._answer_if_whole()

    def diarized(self, diarization: Diarization, warnings: tuple[str, ...], seconds: float) -> None:
        """The diarizer is done with it."""
        with self._lock:
            self._diarization, self._warnings = diarization, warnings
            self._timings_s["diarize"] = seconds
        self._answer_if_whole()

    def fail(self, error: Exception) -> None:
        """It cannot be heard, or is not wanted any more."""
        if self._takes_answer():
            self.answer(error)

    def _answer_if_whole(self) -> None:
        with self._lock:
            transcript, diarization, begun_s = self._transcript, self._diarization, self._begun_s
        if transcript is None or (diarization is None and self.options.diarize):
            return
        if begun_s is None or not self._takes_answer():
            return
        self._timings_s["engine"] = time.monotonic() - begun_s
        self.answer(
            Hearing(
                transcript=transcript,
                diarization=diarization,
                models=self.models,
                warnings=self._warnings,
                timings_s=self._timings_s,
            )
        )

    def _takes_answer(self) -> bool:
        """Whether the caller is the one to answer."""
        with self._lock:
            first, self._answered = not self._answered, True
        return first
