"""Rounds of the speech model: who shares a pass, and who fails."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.attention import Reach
from engine.cores import Cores
from engine.faults import CancelledError
from engine.job import Job
from engine.parakeet import Parakeet
from engine.tdt import Emission
from engine.transcribing import Transcriber
from speech.errors import EngineError
from speech.request import AttentionChoice, Options
from speech.types import Hearing, Progress

BAD = 0.75
"""A sample of this value is more than the network below can take."""


class Ear:
    """A network that says how loud the first sample is, in hundredths."""

    pieces: Sequence[str] = [f"\u2581{hundredths}" for hundredths in range(100)]
    frame_s = 0.08
    device = torch.device("cpu")

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.passes: list[int] = []

    def prepare(self) -> None:
        """Nothing to find out."""

    def pass_bytes(self, batch: int, seconds: float, reach: Reach) -> int:
        return round(1e6 * batch * seconds * (1.2 if reach == "full" else 1))

    def hear(
        self,
        samples: Tensor,
        lengths: Tensor,
        reach: Reach,
        hotwords: Sequence[Sequence[str]] = (),
    ) -> list[list[Emission]]:
        self.passes.append(len(lengths))
        if (samples == BAD).any():
            raise self.error
        return [[Emission(round(100 * float(row[0])), 0, 1, 1.0)] for row in samples]


class Jobs:
    """Jobs whose answers are kept by their loudness."""

    def __init__(self) -> None:
        self.answers: dict[float, Hearing | Exception] = {}

    def job(
        self, loudness: float, *, cancelled: bool = False, attention: AttentionChoice = "full"
    ) -> Job:
        samples = np.full(32000, loudness, dtype=np.float32)

        def report(_: Progress) -> None:
            if cancelled:
                raise CancelledError

        def answer(outcome: Hearing | Exception) -> None:
            assert loudness not in self.answers
            self.answers[loudness] = outcome

        return Job(samples, Options(diarize=False, attention=attention), {}, (), report, answer)

    def texts(self) -> dict[float, str]:
        return {k: a.transcript.text for k, a in self.answers.items() if isinstance(a, Hearing)}


def test_a_round_shares_a_pass_and_each_gets_its_own_answer() -> None:
    ear, jobs = Ear(RuntimeError()), Jobs()
    Transcriber(Parakeet(ear), Cores(1), "cpu").work([jobs.job(k / 100) for k in range(5)])
    assert jobs.texts() == {k / 100: str(k) for k in range(5)}
    assert ear.passes == [5]


@pytest.mark.parametrize(
    "error", [RuntimeError("of the model"), EngineError("engine_out_of_memory", "too many")]
)
def test_one_bad_recording_fails_alone(error: Exception) -> None:
    ear, jobs = Ear(error), Jobs()
    loudness = [0.1, 0.2, BAD, 0.4]
    Transcriber(Parakeet(ear), Cores(1), "cpu").work([jobs.job(k) for k in loudness])
    assert jobs.texts() == {0.1: "10", 0.2: "20", 0.4: "40"}
    assert jobs.answers[BAD] is error


def test_one_that_is_not_wanted_any_more_is_left_out() -> None:
    ear, jobs = Ear(RuntimeError()), Jobs()
    wanted = jobs.job(0.1)
    Transcriber(Parakeet(ear), Cores(1), "cpu").work([jobs.job(0.2, cancelled=True), wanted])
    assert jobs.texts() == {0.1: "10"}
    assert isinstance(jobs.answers[0.2], CancelledError)
    assert ear.passes == [1]


def test_recordings_of_different_attention_do_not_share() -> None:
    ear, jobs = Ear(RuntimeError()), Jobs()
    local = jobs.job(0.3, attention="local")
    Transcriber(Parakeet(ear), Cores(1), "cpu").work([jobs.job(0.1), local, jobs.job(0.2)])
    assert jobs.texts() == {0.1: "10", 0.2: "20", 0.3: "30"}
    assert ear.passes == [2, 1]


def test_an_engine_short_of_memory_works_on_one_pass_at_a_time() -> None:
    cores = Cores(4)
    with cores.turn(), cores.turn():  # two lanes, by default
        pass
    cores.one_at_a_time = True
    with cores.turn():
        assert not cores._pass.acquire(blocking=False)
