"""The engine's client with the real engine: what the SDK's loop cannot be made to do at will."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech.errors import EngineError, WorkerError
from speech.protocol import EngineSettings
from speech.request import Options
from speech.types import Audio, Progress, Report, report_nothing
from tests.environments import (
    ASR_MODEL,
    CONVERSATION,
    DIARIZATION_MODEL,
    ROOT,
    engine_python,
)
from tests.machines import put_program
from utils.engine_client import EngineClient
from utils.engine_launch import Launch, Timeouts

WORDS_ONLY = Options(diarize=False)


SETTINGS = EngineSettings(
    asr_model=str(ASR_MODEL),
    asr_name=ASR_MODEL.name,
    fast_model=None,
    diarization_model=str(DIARIZATION_MODEL),
    diarization_name=DIARIZATION_MODEL.name,
    diarization_problem=None,
    device="cpu",
    threads=1,
)
TIMEOUTS = Timeouts(hello_s=600, ready_s=600, cancel_s=60, bootstrap_s=600, bootstrap_report_s=0.05)


@dataclass
class Volume:
    """A launcher whose Pythons are given; the last one again and again."""

    pythons: list[Path]
    steps: list[Progress] = field(default_factory=list)
    """Reported before the first one comes."""
    error: WorkerError | None = None
    go_on: threading.Event = field(default_factory=threading.Event)
    rejected: list[str] = field(default_factory=list)

    def provide(self, report: Report) -> Launch:
        for step in self.steps:
            report(step)
        if self.steps:
            assert self.go_on.wait(60)
        if self.error is not None:
            raise self.error
        return Launch(self.pythons[min(len(self.rejected), len(self.pythons) - 1)], SETTINGS)

    def reject(self, reason: str) -> bool:
        self.rejected.append(reason)
        return len(self.rejected) < len(self.pythons)


@contextmanager
def running(volume: Volume, timeouts: Timeouts = TIMEOUTS) -> Iterator[EngineClient]:
    client = EngineClient(volume, ROOT, timeouts)
    try:
        yield client
    finally:
        volume.go_on.set()
        client.close()


@pytest.fixture(scope="module")
def client() -> Iterator[EngineClient]:
    with running(Volume([engine_python()])) as client:
        yield client


def recording(folder: Path, name: str, *, times: int, seconds: float | None = None) -> Audio:
    samples, rate_hz = soundfile.read(CONVERSATION, dtype="int16")
    samples = np.tile(samples, times)[: None if seconds is None else round(seconds * rate_hz)]
    path = folder / name
    soundfile.write(path, samples, rate_hz)
    return Audio(path, len(samples) / rate_hz)


def test_a_job_that_comes_again_under_its_id_gets_its_own_answer(
    client: EngineClient, tmp_path: Path
) -> None:
    # RunPod gives a retried job its old id. Here it comes again while the engine still works
    # on what was cancelled: neither that cancellation nor that answer may be taken for its own.
    long = recording(tmp_path, "long.wav", times=6)
    short = recording(tmp_path, "short.wav", times=1, seconds=12)

    async def scenario() -> float:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def report(progress: Progress) -> None:
            if progress.stage == "transcribe":
                loop.call_soon_threadsafe(begun.set)

        first = asyncio.create_task(client.hear("same", long, WORDS_ONLY, report))
        await begun.wait()
        first.cancel()
        await asyncio.wait({first})
        again = await client.hear("same", short, WORDS_ONLY, report_nothing)
        return again.transcript.words[-1].end_s

    assert 6 < asyncio.run(scenario()) <= 12


def refusal(client: EngineClient, report: Report = report_nothing) -> WorkerError:
    """How a job ends that gets no engine."""
    with pytest.raises(WorkerError) as caught:
        asyncio.run(client.hear("job", Audio(Path("nothing.wav"), 1.0), WORDS_ONLY, report))
    return caught.value


def test_a_job_is_told_why_there_is_no_engine(tmp_path: Path) -> None:
    error = EngineError("volume_full", "no room", retryable=False)
    with running(Volume([], error=error)) as client:
        for _ in range(2):  # the second asks again
            assert refusal(client) is error


def test_a_job_that_has_waited_long_enough_is_given_back(tmp_path: Path) -> None:
    step = Progress("install", 0.42, "downloading", done_bytes=42, total_bytes=100)
    told: list[Progress] = []
    volume = Volume([], [step], EngineError("bootstrap_failed", "the end"))
    with running(volume, replace(TIMEOUTS, bootstrap_s=0.5)) as client:
        error = refusal(client, told.append)
        assert (error.code, error.retryable) == ("bootstrap_timeout", True)
        assert "downloading, 42 % done" in error.message
        assert step in told
        volume.go_on.set()  # it went on meanwhile, and the next job meets its end
        assert refusal(client).code in ("bootstrap_failed", "bootstrap_timeout")


@pytest.mark.parametrize("kind", ["nothing", "a link to nothing", "no program", "fails"])
def test_a_python_that_does_not_start_is_rejected(tmp_path: Path, kind: str) -> None:
    python = tmp_path / "python"
    if kind == "a link to nothing":
        python.symlink_to("nowhere")
    elif kind == "no program":
        python.write_bytes(b"")
        python.chmod(0o755)
    elif kind == "fails":
        put_program(tmp_path, "python", "exit 127")
    volume = Volume([python, python])
    with running(volume) as client:
        assert refusal(client).code == "engine_start_failed"
    assert len(volume.rejected) >= 2
