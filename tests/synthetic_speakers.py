"""Recordings as pyannote's pipeline sees them after its networks, of any length, without networks.

Speakers take turns, with pauses and overlap. Their embeddings come from the model that PLDA is: a
point per speaker, something that drifts from chunk to chunk, and noise, mapped back to what the
network would have to put out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from pyannote.audio.utils.vbx import vbx_setup
from pyannote.core import SlidingWindow, SlidingWindowFeature
from scipy.linalg import eigh

CHUNK_S: Final = 10.0
STEP_S: Final = 1.0
LOCAL_SPEAKERS: Final = 3
DRIFT_CHUNKS: Final = 6.0


@dataclass(frozen=True)
class Recording:
    """Attributes:
    segmentations: (chunks, frames, 3) zeros and ones, a ``SlidingWindowFeature``.
    embeddings: (chunks, 3, dimension).
    speakers: (chunks, 3), who it is; -1 for nobody.
    """

    segmentations: Any
    embeddings: np.ndarray
    speakers: np.ndarray


def recording(
    plda: Path, duration_s: float, speakers: int, *, frames: int, looseness: float, seed: int
) -> Recording:
    """Make one.

    Args:
        plda: The directory of ``xvec_transform.npz`` and ``plda.npz``.
        duration_s: At least a chunk.
        speakers: How many there are.
        frames: Per chunk.
        looseness: Variance within a speaker, in units of the model's.
        seed: Of everything random.
    """
    random = np.random.default_rng(seed)
    talking = _turns(duration_s + CHUNK_S, speakers, frames, random)
    chunks = round((duration_s - CHUNK_S) / STEP_S) + 1
    data = np.zeros((chunks, frames, LOCAL_SPEAKERS), dtype=np.float32)
    who = np.full((chunks, LOCAL_SPEAKERS), -1)
    for chunk in range(chunks):
        first = round(chunk * STEP_S * frames / CHUNK_S)
        window = talking[first : first + frames]
        heard = np.argsort(-window.sum(axis=0))[:LOCAL_SPEAKERS]
        heard = heard[window[:, heard].any(axis=0)]
        places = random.permutation(LOCAL_SPEAKERS)[: len(heard)]
        data[chunk][:, places] = window[:, heard]
        who[chunk, places] = heard
    latent = _latent(plda, who, speakers, looseness, random)
    window = SlidingWindow(start=0.0, duration=CHUNK_S, step=STEP_S)
    return Recording(SlidingWindowFeature(data, window), _embeddings(plda, latent), who)


def _turns(
    duration_s: float, speakers: int, frames: int, random: np.random.Generator
) -> np.ndarray:
    """Who talks in each frame, shape (frames, speakers)."""
    rate = frames / CHUNK_S
    talking = np.zeros((int(duration_s * rate) + 1, speakers), dtype=bool)
    time_s, speaker = 0.0, 0
    while time_s < duration_s:
        speaker = int(speaker + random.integers(1, max(2, speakers))) % speakers
        turn_s = min(random.exponential(4.0) + 0.5, 25.0)
        talking[int(time_s * rate) : int((time_s + turn_s) * rate), speaker] = True
        overlaps = random.random() < 0.2
        gap_s = random.exponential(0.5)
        time_s += turn_s - min(gap_s, turn_s / 2) if overlaps else turn_s + gap_s
    return talking


def _latent(
    plda: Path, who: np.ndarray, speakers: int, looseness: float, random: np.random.Generator
) -> np.ndarray:
    """Points in the space of PLDA, where the variance within a speaker is 1."""
    *_, between = vbx_setup(plda / "xvec_transform.npz", plda / "plda.npz")
    shape = (speakers, len(between))
    means = random.standard_normal(shape) * np.sqrt(between)
    keep = np.exp(-1 / DRIFT_CHUNKS)
    drift = random.standard_normal(shape)
    points = random.standard_normal((*who.shape, len(between)))
    for chunk, local in enumerate(who):
        for place, speaker in enumerate(local):
            if speaker >= 0:
                within = np.sqrt(0.8) * drift[speaker] + np.sqrt(0.2) * points[chunk, place]
                points[chunk, place] = means[speaker] + np.sqrt(looseness) * within
        drift = keep * drift + np.sqrt(1 - keep**2) * random.standard_normal(shape)
    return np.asarray(points)


def _embeddings(plda: Path, points: np.ndarray) -> np.ndarray:
    """What PLDA's transforms map to these points, but for the lengths that they take out."""
    before, model = np.load(plda / "xvec_transform.npz"), np.load(plda / "plda.npz")
    transform = model["tr"]
    within = np.linalg.inv(transform.T @ transform)
    between = np.linalg.inv((transform.T / model["psi"]) @ transform)
    _, vectors = eigh(between, within)
    flat = model["mu"] + np.linalg.solve(vectors.T[::-1], points.reshape(-1, points.shape[-1]).T).T
    flat *= np.sqrt(flat.shape[1]) / np.linalg.norm(flat, axis=1, keepdims=True)
    raw = (flat + before["mean2"]) @ np.linalg.pinv(before["lda"].T).T
    raw = before["mean1"] + raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return np.asarray(raw.reshape(*points.shape[:2], -1), dtype=np.float32)
