"""A recording between its arrival at the engine and its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.faults import CancelledError
from engine.recorded import SAMPLE_RATE_HZ, Waveform
from speech import coverage
from speech.coverage import Span
from speech.request import Options
from speech.types import Diarization, Hearing, Progress, Report, Transcript, Voice, Word

LookAgain = Callable[["Job", Transcript, Sequence[Span]], None]


@dataclass(slots=True, eq=False)
class Job:
    """One recording, heard by up to two models at the same time.

    Whatever comes first of a whole hearing, an error and a cancellation is its answer; there is
    only one.
    """

    samples: Waveform
    options: Options
    models: Mapping[str, str]
    """What hears it."""
    voices: Sequence[Voice]
    """Of people who may be in it."""
    report: Report
    """Called as the work goes on; raises ``CancelledError`` when the job is not wanted any more."""
    answer: Callable[[Hearing | Exception], None]
    """Called once, from any thread."""
    look_again: LookAgain | None = None
    """Has stretches of speech without words heard once more; ``repaired`` follows."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _answered: bool = False
    _begun_s: float | None = None
    """When the first model began with it, by the monotonic clock."""
    _transcript: Transcript | None = None
    _diarization: Diarization | None = None
    _warnings: tuple[str, ...] = ()
    _heard: float = 0.0
    """Share of it that the speech model is done with."""
    _second_look: Literal["due", "under way", "over"] = "due"
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
        return self.is_wanted()

    def is_wanted(self) -> bool:
        """Whether anybody waits for more of it: else it is answered by now."""
        if self._answered:
            return False
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
        if self._transcript is None:
            # The diarizer's estimate holds for the job: it is the one that takes longer.
            left_s = progress.remaining_s if self.options.diarize else None
            progress = Progress("transcribe", self._heard or None, remaining_s=left_s)
        self.report(progress)

    def heard(self, share: float) -> None:
        """The speech model is done with so much of it.

        Raises:
            CancelledError: It is not wanted any more, or answered.
        """
        self._heard = share
        self.diarizing(Progress("transcribe", share))

    def tell_words(self, words: Sequence[Word]) -> None:
        """Hand on what was heard, where the request wants it as it is heard.

        Raises:
            CancelledError: It is not wanted any more.
        """
        if self.options.stream and words and not self._answered:
            self.report(Progress("transcribe", self._heard or None, words=tuple(words)))

    def warn(self, text: str) -> None:
        """Tell the caller something beside the answer."""
        with self._lock:
            self._warnings += (text,)

    def transcribed(self, transcript: Transcript, seconds: float) -> None:
        """The speech model is done with it."""
        with self._lock:
            self._transcript = transcript
            self._timings_s["transcribe"] = seconds
        self._answer_if_whole()

    def diarized(self, diarization: Diarization, warnings: tuple[str, ...], seconds: float) -> None:
        """The diarizer is done with it."""
        with self._lock:
            self._diarization, self._warnings = diarization, self._warnings + warnings
            self._timings_s["diarize"] = seconds
        self._answer_if_whole()

    def repaired(self, transcript: Transcript, seconds: float) -> None:
        """The speech model has heard the stretches without words once more."""
        with self._lock:
            self._transcript, self._second_look = transcript, "over"
            self._timings_s["transcribe"] += seconds
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
        if self._looks_again(transcript, diarization):
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

    def _looks_again(self, transcript: Transcript, diarization: Diarization | None) -> bool:
        """Whether speech without words is being heard once more; that is done once."""
        if diarization is None or self.look_again is None:
            return False
        with self._lock:
            state = self._second_look
            if state == "due":
                self._second_look = "under way"
        if state != "due":
            return state == "under way"
        holes = coverage.holes(transcript.words, diarization.turns)
        if holes:
            self.look_again(self, transcript, holes)
        else:
            self._second_look = "over"
        return bool(holes)

    def _takes_answer(self) -> bool:
        """Whether the caller is the one to answer."""
        with self._lock:
            first, self._answered = not self._answered, True
        return first
