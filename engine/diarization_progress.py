"""How far the diarization of a recording is, and how long the rest takes.

A step's share of the time depends on the networks and the machine: on a CPU the segmentation takes
6 % with community-1's networks and 75 % with those of the demo. So each recording teaches the pace
of the steps, and the next one's progress is in proportion to the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from engine.chunks import Track
from speech.types import Progress, Report

_STEPS: Final = {
    "segmentation": (0.0, 0.2),
    "speaker_counting": (0.2, 0.21),
    "embeddings": (0.21, 0.99),
    "discrete_diarization": (0.99, 1.0),
}
"""Where each step begins and ends on the way from 0 to 1, as long as nothing better is known."""
_LONG: Final = ("segmentation", "embeddings")
_MIN_SHARE: Final = 0.1
"""Of a step: from then on it tells itself how long the rest of it takes."""


class Pace:
    """Seconds that each long step took of a second of audio, in the newest recording."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}

    def note(self, step: str, seconds: float, audio_s: float) -> None:
        """A recording is through a step."""
        if step in _LONG and audio_s > 0:
            self.steps[step] = seconds / audio_s


def hook_of(track: Track) -> Callable[..., None]:
    """A hook for pyannote that reports for a track."""

    def hook(
        step: str, _artifact: object, *, total: int | None = None, completed: int = 0, **_: object
    ) -> None:
        track.report(step, completed / total if total else 1.0)  # without a total, it is done

    return hook


class Rising:
    """Turns steps of the pipeline and their shares into a fraction of the whole that never falls.

    Args:
        report: Told of the stage "diarize".
        pace: Of the recordings before; learns from this one.
        audio_s: Of all recordings that share the passes.
    """

    def __init__(self, report: Report, pace: Pace, audio_s: float) -> None:
        self._report, self._pace, self._audio_s = report, pace, audio_s
        self._begin_s = self._step_begin_s = time.monotonic()
        self._step = ""
        self._highest = 0.0

    def __call__(self, step: str, share: float) -> None:
        """Take a step's progress.

        Raises:
            CancelledError: Nobody wants the rest; from ``report``.
        """
        now_s = time.monotonic()
        if step != self._step:
            if self._step:
                self._pace.note(self._step, now_s - self._step_begin_s, self._audio_s)
            self._step, self._step_begin_s = step, now_s
        share = min(1.0, share)
        left_s = self._left_s(step, share, now_s)
        begin, end = _STEPS.get(step, (self._highest, self._highest))
        fraction = begin + (end - begin) * share
        if left_s is not None and now_s > self._begin_s:
            passed_s = now_s - self._begin_s
            fraction = passed_s / (passed_s + left_s)
        self._highest = max(self._highest, fraction)
        self._report(Progress("diarize", self._highest, remaining_s=left_s))

    def _left_s(self, step: str, share: float, now_s: float) -> float | None:
        if step not in _LONG:
            step, share = ("embeddings", 0.0) if step == "speaker_counting" else (_LONG[-1], 1.0)
        left_s = self._left_of_step_s(step, share, now_s)
        for later in _LONG[_LONG.index(step) + 1 :]:
            if left_s is None or later not in self._pace.steps:
                return None
            left_s += self._pace.steps[later] * self._audio_s
        return left_s

    def _left_of_step_s(self, step: str, share: float, now_s: float) -> float | None:
        if share >= _MIN_SHARE:
            return (now_s - self._step_begin_s) * (1 - share) / share
        known = self._pace.steps.get(step)
        return None if known is None else known * self._audio_s * (1 - share)
