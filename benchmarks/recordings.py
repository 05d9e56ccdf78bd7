"""Recordings of any length out of the demo conversation."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

RATE_HZ: Final = 16000
CONVERSATION: Final = Path(__file__).resolve().parent.parent / "demo" / "conversation.flac"
NOISE: Final = 0.001
"""60 dB below full scale: no two repetitions are quite the same, as no two minutes of talk are."""

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]


def conversation(length_s: float, seed: int = 0, start_s: float = 0.0) -> Samples:
    """The conversation again and again, with a little noise.

    Args:
        length_s: Of the result.
        seed: Of the noise.
        start_s: Where in the conversation to begin.
    """
    once, rate_hz = soundfile.read(CONVERSATION, dtype="float32")
    assert rate_hz == RATE_HZ
    count = round(length_s * RATE_HZ)
    repeated = np.resize(np.roll(once, -round(start_s * RATE_HZ)), count)
    noise = np.random.default_rng(seed).standard_normal(count, dtype=np.float32)
    return np.asarray(repeated + np.float32(NOISE) * noise, dtype=np.float32)


def write(samples: Samples, path: Path) -> Path:
    """As the worker hands it to the engine, or in the format of the path's suffix."""
    soundfile.write(path, samples, RATE_HZ)
    return path


def long(length_s: float, folder: Path) -> Path:
    """One recording as a WAV file."""
    return write(conversation(length_s), folder / f"{length_s:g}s.wav")


def short_clips(count: int, folder: Path, seed: int = 0) -> list[Path]:
    """Clips of 2 to 15 s from all over the conversation, as WAV files."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write(
            conversation(rng.uniform(2, 15), seed=number, start_s=rng.uniform(0, 50)),
            folder / f"clip-{number:03}.wav",
        )
        for number in range(count)
    ]


def mixed(count: int, folder: Path, seed: int = 0, suffix: str = ".flac") -> list[Path]:
    """Recordings such as a queue may hold: 3 s to 2 min, most of them short."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    lengths = [3 * 40 ** rng.random() for _ in range(count)]
    return [
        write(
            conversation(length, seed=number, start_s=rng.uniform(0, 50)),
            folder / f"mixed-{number:02}{suffix}",
        )
        for number, length in enumerate(lengths)
    ]


def seconds(paths: list[Path]) -> float:
    """How long they are together."""
    return sum(float(soundfile.info(path).duration) for path in paths)
