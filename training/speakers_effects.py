"""What a recording does to clean speech: room, telephone line, background noise, level."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.signal import butter as butterworth
from scipy.signal import fftconvolve, sosfilt

Audio = npt.NDArray[np.float32]

SAMPLE_RATE_HZ = 16_000
_TELEPHONE_HZ = (300.0, 3400.0)  # the classical analogue band
_NOISE_S = 60.0


@cache
def _telephone_filter() -> npt.NDArray[np.float64]:
    coefficients: npt.NDArray[np.float64] = butterworth(
        4, _TELEPHONE_HZ, "bandpass", fs=SAMPLE_RATE_HZ, output="sos"
    )
    return coefficients


@cache
def _noise(*, pink: bool) -> Audio:
    """A minute of noise with unit power; a fixed seed, since clips draw their own part of it."""
    count = round(_NOISE_S * SAMPLE_RATE_HZ)
    noise = np.random.default_rng(int(pink)).standard_normal(count)
    if pink:
        spectrum = np.fft.rfft(noise)
        noise = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 1.0), count)
    unit: Audio = (noise / noise.std()).astype(np.float32)
    return unit


def reverberate(rng: random.Random, audio: Audio) -> Audio:
    """A slight room: exponentially decaying noise (60 dB in 0.15 to 0.4 s) behind the speech."""
    decay_s = rng.uniform(0.15, 0.4)
    time_s = np.arange(round(decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = np.random.default_rng(rng.getrandbits(32)).standard_normal(len(time_s))
    tail *= 10 ** (-3 * time_s / decay_s)
    tail *= rng.uniform(0.1, 0.5) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    wet: Audio = fftconvolve(audio, tail.astype(np.float32))[: len(audio)]
    return wet


def telephone(audio: Audio) -> Audio:
    """The band of a telephone line."""
    narrow: Audio = sosfilt(_telephone_filter(), audio).astype(np.float32)
    return narrow


def add_noise(rng: random.Random, audio: Audio, snr_db: float) -> Audio:
    """White or pink noise, ``snr_db`` decibels below the mean power of ``audio``."""
    noise = _noise(pink=rng.random() < 0.7)
    offset = rng.randrange(len(noise))
    part = np.take(noise, np.arange(offset, offset + len(audio)), mode="wrap")
    level = np.sqrt(np.mean(audio**2)) * 10 ** (-snr_db / 20)
    noisy: Audio = audio + part * np.float32(level)
    return noisy


def degrade(rng: random.Random, audio: Audio) -> Audio:
    """Pass a clip through a random recording channel.

    Args:
        rng: Source of all randomness.
        audio: Mono, 16 kHz.

    Returns:
        As long as ``audio``. A quarter of the clips get a slight room, a fifth a telephone band,
        three quarters noise at 12 to 45 dB; the peak is between -20 and -1 dBFS.
    """
    if rng.random() < 0.25:
        audio = reverberate(rng, audio)
    if rng.random() < 0.2:
        audio = telephone(audio)
    if rng.random() < 0.75:
        audio = add_noise(rng, audio, rng.uniform(12.0, 45.0))
    peak = float(np.max(np.abs(audio))) + 1e-9
    level: Audio = audio * np.float32(10 ** (rng.uniform(-20.0, -1.0) / 20) / peak)
    return level
