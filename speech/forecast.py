"""How far a job is, by a percentage that never falls, and how long it will still take.

The estimate comes from the engine where it knows (its steps and their pace), else from how long
earlier jobs of like length took on this worker. Where neither is known none is given: a guess that
is wrong by a factor is worse than none.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from speech.types import Progress

WEIGHTS: Final = {
    "download": 5.0,
    "decode": 5.0,
    "install": 40.0,
    "load": 10.0,
    "queue": 1.0,
    "transcribe": 25.0,
    "diarize": 60.0,
    "label": 1.0,
    "score": 1.0,
}
"""About how long the stages take beside one another, where nothing better is known."""
SOMETIMES: Final = ("install", "load", "score")
"""Stages that most jobs do not have."""
IN_ENGINE: Final = ("transcribe", "diarize")
MOST: Final = 99.0
"""A job is at 100 percent when it is answered."""
MIN_SHARE: Final = 0.1
"""Of a stage: from then on its own pace tells how long the rest takes."""
MIN_AUDIO_S: Final = 0.01
"""What is shorter teaches nothing."""
REMEMBERED: Final = 64
FIRST_TEACHES_S: Final = 120.0
"""A new engine is slower by seconds: its first job teaches something only if it is long."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands as a whole."""

    percent: int
    remaining_s: float | None


class Pace:
    """How long earlier jobs were in the engine."""

    def __init__(self) -> None:
        self._past: deque[tuple[bool, float, float]] = deque(maxlen=REMEMBERED)
        self._is_first = True

    def note(self, audio_s: float, engine_s: float, *, diarized: bool) -> None:
        """A job is through."""
        first, self._is_first = self._is_first, False
        teaches = not first or audio_s >= FIRST_TEACHES_S
        if teaches and audio_s >= MIN_AUDIO_S and engine_s > 0:
            self._past.append((diarized, audio_s, engine_s))

    def expect_s(self, audio_s: float, *, diarized: bool) -> float | None:
        """As long, for its length, as the job whose length was most alike, the newest of such."""
        alike = [
            (abs(math.log(past_s / audio_s)), -number, engine_s / past_s)
            for number, (kind, past_s, engine_s) in enumerate(self._past)
            if kind == diarized and audio_s >= MIN_AUDIO_S
        ]
        return audio_s * min(alike)[2] if alike else None


class Forecast:
    """Follows one job.

    Args:
        pace: Of the worker; learns from the job.
        now_s: When the job began, by a clock that only goes forward.
        diarized: Whether the job wants speakers.
    """

    def __init__(self, pace: Pace, now_s: float, *, diarized: bool) -> None:
        self._pace, self._diarized = pace, diarized
        self._begin_s = self._stage_begin_s = now_s
        self._engine_begin_s: float | None = None
        self._stage = ""
        self._stage_from = self._percent = 0.0
        self._audio_s: float | None = None

    def note(self, progress: Progress, now_s: float) -> Standing:
        """Take the newest progress."""
        if progress.audio_s is not None:
            self._audio_s = progress.audio_s
        if progress.stage != self._stage:
            self._enter(progress.stage, now_s)
        remaining_s = self._remaining_s(progress, now_s)
        elapsed_s = now_s - self._begin_s
        if remaining_s is None or elapsed_s <= 0:
            percent = self._by_weights(progress.fraction or 0.0)
        else:
            percent = 100 * elapsed_s / (elapsed_s + remaining_s)
        self._percent = min(MOST, max(self._percent, percent))
        return Standing(int(self._percent), remaining_s)

    def _enter(self, stage: str, now_s: float) -> None:
        if stage in IN_ENGINE and self._engine_begin_s is None:
            self._engine_begin_s = now_s
        if self._stage in IN_ENGINE and stage not in IN_ENGINE and self._audio_s is not None:
            engine_s = now_s - (self._engine_begin_s or now_s)
            self._pace.note(self._audio_s, engine_s, diarized=self._diarized)
        self._stage, self._stage_begin_s, self._stage_from = stage, now_s, self._percent

    def _by_weights(self, share: float) -> float:
        """So far into what this stage is of the way from where it began to the end."""
        stages = list(WEIGHTS)
        if self._stage not in stages:
            return self._percent
        later = stages[stages.index(self._stage) + 1 :]
        if not self._diarized:
            later = [stage for stage in later if stage != "diarize"]
        own = WEIGHTS[self._stage]
        rest = sum(WEIGHTS[stage] for stage in later if stage not in SOMETIMES)
        return self._stage_from + (MOST - self._stage_from) * share * own / (own + rest)

    def _remaining_s(self, progress: Progress, now_s: float) -> float | None:
        if progress.stage in IN_ENGINE:
            return self._remaining_in_engine_s(progress, now_s)
        if progress.stage in ("label", "score"):
            return None
        rest_s = self._expected_s()
        stage_s = progress.remaining_s
        if stage_s is None and progress.stage in ("download", "decode"):
            stage_s = self._at_own_pace_s(progress.fraction, now_s - self._stage_begin_s)
        if progress.stage == "queue":  # it ends when others are done: not to be known
            stage_s = 0.0 if self._audio_s is not None else None
        return None if rest_s is None or stage_s is None else rest_s + stage_s

    def _remaining_in_engine_s(self, progress: Progress, now_s: float) -> float | None:
        if progress.remaining_s is not None:
            return progress.remaining_s
        elapsed_s = now_s - (self._engine_begin_s or now_s)
        if not self._diarized:
            own_s = self._at_own_pace_s(progress.fraction, elapsed_s)
            if own_s is not None:
                return own_s
        expected_s = self._expected_s()
        # One that has taken longer than was expected may take any time.
        return expected_s - elapsed_s if expected_s and expected_s > elapsed_s else None

    def _expected_s(self) -> float | None:
        if self._audio_s is None:
            return None
        return self._pace.expect_s(self._audio_s, diarized=self._diarized)

    def _at_own_pace_s(self, share: float | None, elapsed_s: float) -> float | None:
        if share is None or share < MIN_SHARE:
            return None
        return elapsed_s * (1 - share) / share
