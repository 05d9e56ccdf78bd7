"""One person's speech, cut out of what others say, as the embedding network is to hear it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.chunks import Array
from engine.recorded import SAMPLE_RATE_HZ, Samples, Waveform

MOST_S: Final = 60.0
"""Of a speaker's speech that is listened to: more makes the voice no clearer."""


def whole_windows(speech: Samples, window: int) -> Samples:
    """Speech that fills whole windows, by repeating itself: silence would be heard as a channel."""
    count = max(1, -(-speech.size // window))
    return np.resize(speech, count * window).astype(np.float32)


def main_speaker(active: Array, window: int, size: int) -> tuple[Array, Array]:
    """Where the one who speaks most in each window speaks alone, and where others do.

    Args:
        active: (windows, frames, local speakers).
        window: Samples of a window.
        size: Samples of the recording; the windows may be longer, or a little shorter.

    Returns:
        Booleans, one for each sample of the recording.
    """
    active = np.nan_to_num(active) > 0
    by_themselves = active & (active.sum(axis=2, keepdims=True) == 1)
    main = by_themselves.sum(axis=1).argmax(axis=1)
    own = by_themselves[np.arange(len(active)), :, main]
    others = active.any(axis=2) & ~own
    frame = np.arange(window) * active.shape[1] // window
    length = min(size, len(active) * window)

    def by_sample(frames: Array) -> Array:
        return np.pad(frames[:, frame].reshape(-1)[:length], (0, size - length))

    return by_sample(own), by_sample(others)


def speech_of(samples: Waveform, spans: Sequence[tuple[float, float]]) -> Samples:
    """The longest spans of a recording, up to ``MOST_S``, in one piece."""
    pieces, left = [], round(MOST_S * SAMPLE_RATE_HZ)
    for start_s, end_s in sorted(spans, key=lambda span: span[0] - span[1]):
        start = round(start_s * SAMPLE_RATE_HZ)
        stop = min(round(end_s * SAMPLE_RATE_HZ), start + left)
        if stop > start:
            pieces.append(np.nan_to_num(samples[start:stop], nan=0.0, posinf=0.0, neginf=0.0))
            left -= stop - start
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)


def unit(vectors: Array) -> Array:
    """The same directions, of length 1; NaN where there is none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
