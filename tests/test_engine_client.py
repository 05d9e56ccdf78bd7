"""The engine's client with the real engine: what the SDK's loop cannot be made to do at will."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech.protocol import EngineSettings
from speech.types import Audio, Options, Progress, report_nothing
from tests.environments import (
    ASR_MODEL,
    CONVERSATION,
    DIARIZATION_MODEL,
    ROOT,
    engine_python,
)
from utils.engine_client import EngineClient, Timeouts

WORDS_ONLY = Options(diarize=False)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineClient]:
    settings = EngineSettings(
        asr_model=str(ASR_MODEL),
        asr_revision=None,
        diarization_model=str(DIARIZATION_MODEL),
        diarization_revision=None,
        models_dir=str(tmp_path_factory.mktemp("models")),
        hf_token=None,
        offline=True,
        device="cpu",
        threads=1,
    )
    client = EngineClient(
        lambda report: engine_python(),
        ROOT,
        settings,
        Timeouts(hello_s=600, ready_s=600, cancel_s=60),
    )
    yield client
    client.close()


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
