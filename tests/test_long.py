"""Six hours at once: whole, with one set of speakers, in memory that the length does not decide."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import engine_run, true_size, under_test
from tests.environments import engine_python
from tests.models import RATE_HZ, read_conversation

pytestmark = pytest.mark.long

HOURS = 6
MOST_MB = 3000.0


def write_hours(path: Path, hours: float) -> int:
    """The demo conversation again and again, each time with other noise; how many times."""
    once = read_conversation()
    rng = np.random.default_rng(0)
    repeats = round(hours * 3600 * RATE_HZ / once.size)
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16") as file:
        for _ in range(repeats):
            file.write(once + rng.normal(0, 1e-3, once.size).astype(np.float32))
    return repeats


def test_six_hours(tmp_path: Path) -> None:
    python, models = engine_python(), true_size.DEMO_MODELS
    repeats = write_hours(tmp_path / "long.wav", HOURS)
    settings = under_test.settings(models, under_test.fast_checkpoint(python, models), device="cpu")
    with engine_run.running(python, settings) as engine:
        once = engine.ready().hear(conversation_wav(tmp_path)).hearing
        whole = engine.hear(tmp_path / "long.wav").hearing
        peak_mb = engine.peak_mb()
    assert peak_mb < MOST_MB
    assert whole["attention"] == "full"
    assert whole["plan"]["passes"] >= HOURS * 6
    assert whole["plan"]["longest_s"] <= 600

    # None is lost or doubled. Single ones come out otherwise: each repetition has its own noise.
    said = Counter(row[0] for row in once["words"])
    heard = Counter(row[0] for row in whole["words"])
    expected = repeats * said.total()
    assert abs(heard.total() - expected) <= 0.003 * expected
    assert sum((heard - Counter({w: repeats * n for w, n in said.items()})).values()) <= (
        0.02 * expected
    )
    times = [time for row in whole["words"] for time in row[1:3]]
    assert times == sorted(times)

    speakers = Counter[str]()
    for speaker, start_s, end_s in whole["turns"]:
        speakers[speaker] += round(end_s - start_s)
    heard_much = [name for name, talk_s in speakers.items() if talk_s > 0.01 * speakers.total()]
    assert len(heard_much) == len({row[0] for row in once["turns"]})


def conversation_wav(folder: Path) -> Path:
    """The conversation as the engine takes it."""
    path = folder / "once.wav"
    soundfile.write(path, read_conversation(), RATE_HZ, "PCM_16")
    return path
