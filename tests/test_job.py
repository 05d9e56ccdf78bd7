"""A recording with two models at once: one answer, one stage after the other."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from engine.cores import Cores
from engine.faults import CancelledError
from engine.job import Job
from engine.lane import Lane
from speech.errors import EngineError
from speech.request import Options
from speech.types import Diarization, Hearing, Progress, SpeakerTurn, Transcript

TRANSCRIPT = Transcript(text="Yes.", words=(), chars=(), attention="full")
DIARIZATION = Diarization(turns=(SpeakerTurn("A", 0.0, 1.0),), exclusive_turns=())


class Told:
    """What the engine tells the worker of a job."""

    def __init__(self, *, diarize: bool = True) -> None:
        self.answers: list[Hearing | Exception] = []
        self.stages: list[tuple[str, float | None]] = []
        self.cancelled = False
        self.job = Job(
            np.zeros(32000, dtype=np.float32),
            Options(diarize=diarize),
            {"asr": "a", "diarization": "b"},
            (),
            self.report,
            self.answers.append,
        )

    def report(self, progress: Progress) -> None:
        if self.cancelled:
            raise CancelledError
        self.stages.append((progress.stage, progress.fraction))


def test_it_is_answered_when_both_models_are_done() -> None:
    told = Told()
    assert told.job.begin()
    assert told.job.begin()
    told.job.diarized(DIARIZATION, ("few",), 2.0)
    assert not told.answers
    told.job.transcribed(TRANSCRIPT, 1.0)
    (hearing,) = told.answers
    assert isinstance(hearing, Hearing)
    assert hearing.transcript == TRANSCRIPT
    assert hearing.diarization == DIARIZATION
    assert hearing.warnings == ("few",)
    assert {"transcribe": 1.0, "diarize": 2.0}.items() <= hearing.timings_s.items()
    assert hearing.timings_s["engine"] >= 0


def test_without_speakers_the_transcript_is_enough() -> None:
    told = Told(diarize=False)
    told.job.begin()
    told.job.transcribed(TRANSCRIPT, 1.0)
    assert [type(answer) for answer in told.answers] == [Hearing]


def test_the_first_error_is_the_only_answer() -> None:
    told = Told()
    told.job.begin()
    error = EngineError("engine_failed", "no")
    told.job.fail(error)
    told.job.fail(EngineError("engine_failed", "again"))
    told.job.transcribed(TRANSCRIPT, 1.0)
    told.job.diarized(DIARIZATION, (), 1.0)
    assert told.answers == [error]
    assert not told.job.begin()
    with pytest.raises(CancelledError):  # the other model lets go of it
        told.job.diarizing(Progress("diarize", 0.5))


def test_one_that_is_cancelled_before_its_turn_is_answered_so() -> None:
    told = Told()
    told.cancelled = True
    assert not told.job.begin()
    assert [type(answer) for answer in told.answers] == [CancelledError]


def test_diarization_shows_only_after_the_transcript() -> None:
    told = Told()
    told.job.begin()
    told.job.diarizing(Progress("diarize", 0.4))
    told.job.transcribed(TRANSCRIPT, 1.0)
    told.job.diarizing(Progress("diarize", 0.6))
    assert told.stages == [("transcribe", None), ("transcribe", None), ("diarize", 0.6)]


def test_a_lane_takes_what_came_together_in_one_round() -> None:
    rounds: list[list[int]] = []
    busy, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def work(items: list[int]) -> None:
        rounds.append(items)
        busy.set()
        go_on.wait()
        if items[-1] == 3:
            done.set()

    lane = Lane("test", work, Cores(1))
    lane.put(0)
    busy.wait()
    for item in (1, 2, 3):
        lane.put(item)
    go_on.set()
    assert done.wait(60)
    assert rounds == [[0], [1, 2, 3]]
