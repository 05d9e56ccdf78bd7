"""A recording's way through the speech model: parts, less memory, a second look at gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.attention import Reach
from engine.cores import Cores
from engine.courses import LookBack
from engine.job import Job
from engine.parakeet import Parakeet
from engine.recorded import SAMPLE_RATE_HZ, Samples
from engine.tdt import Emission
from engine.transcribing import Transcriber
from speech.coverage import Span
from speech.errors import EngineError
from speech.request import AttentionChoice, Options
from speech.types import Diarization, Hearing, Progress, SpeakerTurn, Transcript

FRAMES_PER_S = 12.5
OUT_OF_MEMORY = EngineError("engine_out_of_memory", "too long")


class Counter:
    """A network that says, each second, how loud that second is, in hundredths.

    Args:
        most_s: Longer passes run out of memory.
        deaf: Seconds of which it says nothing in a pass of more than ``deaf_beyond_s``.
    """

    pieces: Sequence[str] = [f"\u2581{hundredths}" for hundredths in range(101)]
    frame_s = 1 / FRAMES_PER_S
    device = torch.device("cpu")

    def __init__(
        self, most_s: float = 1e9, deaf: range = range(0), *, deaf_beyond_s: float = 30.0
    ) -> None:
        self.most_s, self.deaf, self.deaf_beyond_s = most_s, deaf, deaf_beyond_s
        self.expected_bytes_per_s = 1.0
        self.passes: list[tuple[Reach, float]] = []

    def prepare(self) -> None:
        """Nothing to find out."""

    def pass_bytes(self, batch: int, seconds: float, reach: Reach) -> int:
        factor = 1.2 if reach == "full" else 1
        return round(self.expected_bytes_per_s * batch * seconds * factor)

    def hear(
        self,
        samples: Tensor,
        lengths: Tensor,
        reach: Reach,
        hotwords: Sequence[Sequence[str]] = (),
    ) -> list[list[Emission]]:
        seconds = samples.shape[1] / SAMPLE_RATE_HZ
        self.passes.append((reach, seconds * len(samples)))
        if len(samples) * seconds > self.most_s:
            raise OUT_OF_MEMORY
        return [
            self._count(row[:length].numpy())
            for row, length in zip(samples, lengths.tolist(), strict=True)
        ]

    def _count(self, row: Samples) -> list[Emission]:
        deaf = self.deaf if row.size > self.deaf_beyond_s * SAMPLE_RATE_HZ else range(0)
        found = []
        level = np.round(100 * row[:: SAMPLE_RATE_HZ // 100]).astype(int)
        edges = np.flatnonzero(np.diff(level, prepend=0))
        for at in edges:
            if level[at] and level[at] - 1 not in deaf:
                frame = round(at / 100 * FRAMES_PER_S)
                found.append(Emission(int(level[at]), frame, 8, 0.9))
        return found


def counting(seconds: int) -> Samples:
    """Second ``n`` has the loudness n + 1 in hundredths (of 100 at most), but for its last half."""
    samples = np.zeros(seconds * SAMPLE_RATE_HZ, dtype=np.float32)
    for second in range(seconds):
        begin = second * SAMPLE_RATE_HZ
        samples[begin : begin + SAMPLE_RATE_HZ // 2] = (second % 100 + 1) / 100
    return samples


class Told:
    """A job, and what the engine has answered."""

    def __init__(
        self,
        samples: Samples,
        *,
        diarize: bool = False,
        attention: AttentionChoice = "auto",
        stream: bool = False,
    ) -> None:
        self.answers: list[Hearing | Exception] = []
        self.streamed: list[int] = []
        self.shares: list[float] = []
        self.looks: list[LookBack] = []
        options = Options(diarize=diarize, attention=attention, stream=stream)
        self.job = Job(samples, options, {}, (), self.report, self.answers.append, self.look_again)

    def report(self, progress: Progress) -> None:
        if progress.stage == "transcribe" and progress.fraction is not None:
            self.shares.append(progress.fraction)
        assert not (progress.words and self.answers), "words come before the answer"
        self.streamed += [int(word.text) for word in progress.words]

    def look_again(self, job: Job, heard: Transcript, holes: Sequence[Span]) -> None:
        self.looks.append(LookBack(job, heard, holes))

    def hearing(self) -> Hearing:
        (answer,) = self.answers
        assert isinstance(answer, Hearing), answer
        return answer


def numbers(transcript: Transcript) -> list[int]:
    return [int(word.text) for word in transcript.words]


def worker(network: Counter) -> Transcriber:
    return Transcriber(Parakeet(network), Cores(1), "cpu")


def test_windows_hear_each_second_once_and_tell_of_their_progress() -> None:
    network, told = Counter(), Told(counting(100), attention="windows")
    worker(network).work([told.job])
    heard = told.hearing().transcript
    assert numbers(heard) == list(range(1, 101))
    assert [round(word.start_s) for word in heard.words] == list(range(100))
    assert heard.attention == "windows"
    assert heard.plan is not None
    assert heard.plan.passes == 2
    assert heard.plan.longest_s <= 60
    assert told.shares == sorted(told.shares)
    assert told.shares


@pytest.mark.parametrize("most_s", [1e9, 59.0, 19.9])
@pytest.mark.parametrize("attention", ["full", "windows"])
def test_words_are_told_as_they_are_heard_once_and_in_order(
    most_s: float, attention: AttentionChoice
) -> None:
    told = Told(counting(100), attention=attention, stream=True)
    worker(Counter(most_s)).work([told.job])
    assert told.streamed == numbers(told.hearing().transcript) == list(range(1, 101))


def test_words_are_not_told_where_nobody_wants_them() -> None:
    told = Told(counting(100), attention="windows")
    worker(Counter()).work([told.job])
    assert told.streamed == []


@pytest.mark.parametrize(
    ("most_s", "attention", "passes", "steps"),
    [(99.0, "windows", 2, 2), (59.0, "windows", 2, 2), (19.9, "windows", 6, 3)],
)
def test_running_out_of_memory_is_a_step_down(
    most_s: float, attention: str, passes: int, steps: int
) -> None:
    network, told, after = Counter(most_s), Told(counting(100)), Told(counting(5))
    transcriber = worker(network)
    transcriber.work([told.job])
    hearing = told.hearing()
    assert numbers(hearing.transcript) == list(range(1, 101))
    assert hearing.transcript.attention == attention
    assert hearing.transcript.plan is not None
    assert hearing.transcript.plan.passes >= passes
    assert "memory ran out" in hearing.transcript.plan.reason
    assert len(hearing.warnings) == steps
    transcriber.work([after.job])
    assert after.hearing().transcript.attention == "full", "the next one starts at the top"
    assert after.hearing().warnings == ()


def test_where_the_smallest_windows_do_not_fit_the_job_fails_with_it() -> None:
    told = Told(counting(100))
    worker(Counter(most_s=2.0)).work([told.job])
    assert told.answers == [OUT_OF_MEMORY]


def test_what_will_not_fit_is_not_tried() -> None:
    network, told = Counter(), Told(counting(100))
    network.expected_bytes_per_s = 1e15
    worker(network).work([told.job])
    heard = told.hearing().transcript
    assert {reach for reach, _ in network.passes} == {"full"}
    assert max(seconds for _, seconds in network.passes) <= 121  # a batch on a CPU
    assert heard.attention == "windows"
    assert heard.plan is not None
    assert "that are free" in heard.plan.reason
    assert told.hearing().warnings == ()
    assert numbers(heard) == list(range(1, 101))


def test_another_recordings_short_memory_changes_nothing() -> None:
    network = Counter(most_s=50.0)
    long, short = Told(counting(100)), Told(counting(4))
    worker(network).work([long.job, short.job])
    assert numbers(long.hearing().transcript) == list(range(1, 101))
    assert short.hearing().transcript.attention == "full"


def diarized(told: Told, transcriber: Transcriber, spans: Sequence[Span]) -> Hearing:
    """Let the diarizer find speech, and the speech model look at what it has skipped."""
    turns = tuple(SpeakerTurn("a", start_s, end_s) for start_s, end_s in spans)
    told.job.diarized(Diarization(turns, turns), (), 0.1)
    transcriber.work(told.looks)
    return told.hearing()


@pytest.mark.parametrize("deaf", [range(20, 23), range(40, 60), range(97, 100)])
def test_speech_that_was_skipped_is_heard_again(deaf: range) -> None:
    network, told = Counter(deaf=deaf), Told(counting(100), diarize=True)
    transcriber = worker(network)
    transcriber.work([told.job])
    assert not told.answers
    heard = diarized(told, transcriber, [(0, 100)]).transcript
    assert numbers(heard) == list(range(1, 101))
    assert [int(word.text) - 1 for word in heard.words if word.repaired] == list(deaf)
    times = [time for word in heard.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert [round(word.start_s) for word in heard.words] == list(range(100))
    assert heard.text == " ".join(str(n) for n in range(1, 101))
    assert " ".join(char.text for char in heard.chars) == heard.text


def test_nothing_is_looked_for_where_nobody_speaks() -> None:
    deaf = range(20, 30)
    told = Told(counting(100), diarize=True)
    transcriber = worker(Counter(deaf=deaf))
    transcriber.work([told.job])
    heard = diarized(told, transcriber, [(0, 20), (30, 100)]).transcript
    assert told.looks == []
    assert numbers(heard) == [n for n in range(1, 101) if n - 1 not in deaf]


def test_what_stays_silent_stays_a_gap() -> None:
    samples = counting(100)
    samples[20 * SAMPLE_RATE_HZ : 30 * SAMPLE_RATE_HZ] = 0
    told = Told(samples, diarize=True)
    transcriber = worker(Counter())
    transcriber.work([told.job])
    heard = diarized(told, transcriber, [(0, 100)]).transcript
    assert len(told.looks) == 1
    assert not any(word.repaired for word in heard.words)


def test_a_second_look_that_fails_leaves_the_first() -> None:
    network, told = Counter(deaf=range(20, 30)), Told(counting(100), diarize=True)
    transcriber = worker(network)
    transcriber.work([told.job])
    network.most_s = 1.0
    heard = diarized(told, transcriber, [(0, 100)]).transcript
    assert len(heard.words) == 90


def test_what_a_gpu_cannot_hear_goes_to_the_cpu_where_that_is_wanted() -> None:
    """The step itself; there is no GPU here, and "cuda" would ask it for its memory."""
    small, spare = Counter(most_s=2.0), Counter()
    told = Told(counting(100))
    Transcriber(Parakeet(small), Cores(1), "cpu", lambda: Parakeet(spare)).work([told.job])
    hearing = told.hearing()
    assert numbers(hearing.transcript) == list(range(1, 101))
    assert "on the CPU" in hearing.warnings[-1]
    assert spare.passes
