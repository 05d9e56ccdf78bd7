"""Has the channels of a recording heard at once, as one job with one progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from speech.request import Options
from speech.types import Audio, Hearing, Progress, Report
from utils import together

STAGES: Final = ("install", "load", "queue", "transcribe")
"""Of a channel, in their order. Whatever else comes, counts as the last of them."""


class Hear(Protocol):
    """The engine's way to hear one recording."""

    async def __call__(
        self, job_id: str, audio: Audio, options: Options, report: Report
    ) -> Hearing:
        """Its words."""


@dataclass(frozen=True, slots=True)
class Heard:
    """All channels."""

    hearings: tuple[Hearing, ...]
    timings_s: Mapping[str, float]
    """"transcribe" and "engine": from the begin of the first channel to the end of the last."""


async def hear(
    hear_one: Hear, job_id: str, audios: Sequence[Audio], options: Options, report: Report
) -> Heard:
    """Have every channel heard, without a diarizer.

    Args:
        hear_one: The engine's.
        job_id: The job's; each channel gets one that is made of it.
        audios: The channels.
        options: Of the request.
        report: Called from the engine's thread, with the progress of all channels as one.

    Raises:
        WorkerError: Of the first channel that failed. The others are cancelled.
    """
    # A channel's words alone are no conversation: nothing of it is told before the end.
    options = replace(options, diarize=False, channels="mix", stream=False)
    progress = JointProgress(report, len(audios))

    async def channel(number: int, audio: Audio) -> Hearing:
        hearing = await hear_one(
            f"{job_id}-channel-{number}", audio, options, lambda step: progress.note(number, step)
        )
        progress.note(number, Progress(STAGES[-1], 1.0))
        return hearing

    hearings = await together.all_of(channel(*one) for one in enumerate(audios))
    engine_s = progress.engine_s()
    if engine_s is None:  # nobody said when it began
        engine_s = max(hearing.timings_s.get("engine", 0.0) for hearing in hearings)
    return Heard(tuple(hearings), {"transcribe": engine_s, "engine": engine_s})


class JointProgress:
    """One progress out of several: the furthest stage, and the mean of the shares of it.

    It never goes back, also where one channel begins again because the engine died.
    """

    def __init__(self, report: Report, channels: int) -> None:
        """Args: report: is told of the joint progress; channels: how many there are."""
        self._report = report
        self._shares: list[float | None] = [None] * channels
        self._stage = 0
        self._begun_s: float | None = None
        self._lock = threading.Lock()

    def note(self, channel: int, progress: Progress) -> None:
        """Take one channel's progress."""
        stage = STAGES.index(progress.stage) if progress.stage in STAGES else len(STAGES) - 1
        with self._lock:
            if stage < self._stage:
                return
            if stage > self._stage:
                self._stage, self._shares = stage, [None] * len(self._shares)
            if stage == len(STAGES) - 1 and self._begun_s is None:
                self._begun_s = time.monotonic()
            share, before = progress.fraction, self._shares[channel]
            if share is not None:
                self._shares[channel] = max(share, before or 0.0)
            known = [share for share in self._shares if share is not None]
            joint = sum(known) / len(self._shares) if known else None
            self._report(replace(progress, stage=STAGES[stage], fraction=joint))

    def engine_s(self) -> float | None:
        """How long it is since the engine began with the first channel."""
        return None if self._begun_s is None else time.monotonic() - self._begun_s
