"""Where a recording may be cut: in a pause, as near as can be to where it is wanted. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from engine.recorded import SAMPLE_RATE_HZ, Samples

HOP: Final = SAMPLE_RATE_HZ // 100
"""Loudness is looked at every 10 ms."""
PAUSE_HOPS: Final = 40
"""A pause has to last 0.4 s: closures of plosives are shorter than 0.2 s, and so are most gaps
between the words of a phrase."""
QUIET_SHARE: Final = 0.1
"""Of the loudness of what is loud nearby (its 90th percentile): 20 dB below."""
SILENT: Final = 1e-4
"""Quieter than this, of full scale, is a pause whatever is loud: three steps of 16 bits."""
TIE: Final = 1.25
"""Pauses whose loudness differs by less are alike; of these the nearest is taken."""


class Cut(NamedTuple):
    """A place to cut."""

    at: int
    """In samples."""
    is_pause: bool


def find_cut(samples: Samples, wanted: int) -> Cut:
    """The best place to cut a stretch.

    Args:
        samples: The stretch, shape (samples,).
        wanted: Where a cut would be best, in samples.

    Returns:
        The middle of the quietest 0.4 s, and whether it is a pause. In a stretch too short for one
        it is ``wanted``, and no pause.
    """
    hops = samples.size // HOP
    if hops < PAUSE_HOPS:
        return Cut(wanted, is_pause=False)
    frames = samples[: hops * HOP].reshape(hops, HOP).astype(np.float64)
    power = np.square(np.nan_to_num(frames, posinf=0.0, neginf=0.0)).mean(axis=1)
    total = np.concatenate(([0.0], np.cumsum(power)))
    loudness = np.sqrt(np.maximum(0.0, total[PAUSE_HOPS:] - total[:-PAUSE_HOPS]) / PAUSE_HOPS)
    middles = (np.arange(loudness.size) + PAUSE_HOPS / 2) * HOP
    alike = np.flatnonzero(loudness <= max(SILENT, TIE * float(loudness.min())))
    best = alike[np.argmin(np.abs(middles[alike] - wanted))]
    loud = float(np.sqrt(np.percentile(power, 90)))
    is_pause = bool(loudness[best] <= max(SILENT, QUIET_SHARE * loud))
    return Cut(int(middles[best]), is_pause)
