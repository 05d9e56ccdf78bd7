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

_PHASES: Final = {"segmentation": (0.0, 0.2), "embeddings": (0.21, 0.9), "clustering": (0.9, 1.0)}
"""What takes time, and where each begins and ends on the way from 0 to 1, as long as nothing
better is known. What follows the embeddings is one: pyannote names steps there that are over in no
time, because the networks have been run before."""
DONE: Final = "done"
"""Told once all is over."""
_MIN_SHARE: Final = 0.1
"""Of a phase: from then on it tells itself how long the rest of it takes."""


_FIRST_S: Final = 120.0
"""The first passes of a process are slower by a second or so, which counts less in long ones."""


class Pace:
    """Seconds that each phase took of a second of audio, in the newest recording."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._is_first = True

    def teaches(self, audio_s: float) -> bool:
        """A recording begins. Whether others will take as long; the first tells only if long."""
        first, self._is_first = self._is_first, False
        return audio_s >= _FIRST_S or (audio_s > 0 and not first)


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
        self._teaches = pace.teaches(audio_s)
        self._begin_s = self._phase_begin_s = time.monotonic()
        self._phase = "segmentation"
        self._highest = 0.0

    def __call__(self, step: str, share: float) -> None:
        """Take a step's progress.

        Raises:
            CancelledError: Nobody wants the rest; from ``report``.
        """
        now_s = time.monotonic()
        if step == DONE:
            if self._phase == "clustering":  # else pyannote found nobody, and stopped early
                self._through(now_s)
            self._report(Progress("diarize", 1.0, remaining_s=0.0))
            return
        share = min(1.0, share)
        if step == "embeddings" and self._phase == "segmentation":
            self._enter("embeddings", now_s)
        if step == "embeddings" and share == 1.0 and self._phase == "embeddings":
            self._enter("clustering", now_s)
        self._tell(share if step == self._phase else 0.0, now_s)

    def _enter(self, phase: str, now_s: float) -> None:
        self._through(now_s)
        self._phase, self._phase_begin_s = phase, now_s

    def _through(self, now_s: float) -> None:
        if self._teaches:
            self._pace.phases[self._phase] = (now_s - self._phase_begin_s) / self._audio_s

    def _tell(self, share: float, now_s: float) -> None:
        left_s = self._left_s(share, now_s)
        begin, end = _PHASES[self._phase]
        fraction = begin + (end - begin) * share
        passed_s = now_s - self._begin_s
        if left_s is not None and passed_s > 0:
            fraction = passed_s / (passed_s + left_s)
        self._highest = max(self._highest, fraction)
        self._report(Progress("diarize", self._highest, remaining_s=left_s))

    def _left_s(self, share: float, now_s: float) -> float | None:
        """None as long as a phase that is still to come has never been through."""
        phases = list(_PHASES)
        left_s = self._left_of_phase_s(share, now_s)
        for later in phases[phases.index(self._phase) + 1 :]:
            if left_s is None or later not in self._pace.phases:
                return None
            left_s += self._pace.phases[later] * self._audio_s
        return left_s

    def _left_of_phase_s(self, share: float, now_s: float) -> float | None:
        passed_s = now_s - self._phase_begin_s
        own_s = passed_s / share if share >= _MIN_SHARE else None
        pace = self._pace.phases.get(self._phase)
        if pace is None:
            return None if own_s is None else own_s * (1 - share)
        known_s = pace * self._audio_s
        if own_s is None:
            return max(0.0, known_s - passed_s)
        # The speech model works beside the first phase, but not to its end: the more of it is
        # over, the more its own pace counts.
        return (share * own_s + (1 - share) * known_s) * (1 - share)
