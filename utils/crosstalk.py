"""Whether two channels of a recording have the same sound at a time, and where it is louder."""

from __future__ import annotations

import math
import wave
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from speech.copies import Comparison, Doubt

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

MIN_STRETCH_S = 0.4
"""A shorter word is compared with what is around it: two vowels of like pitch are alike for some
periods."""
MAX_DELAY_S = 0.04
"""Between the channels: 13 m through the air."""
DECIMATION = 4
"""Speech has most of its power below 2 kHz; the rest costs time, and is what codecs change."""


def compare(paths: Sequence[Path], doubts: Iterable[Doubt]) -> dict[Doubt, Comparison]:
    """Listen to both channels of every doubt.

    Args:
        paths: The channels' files: WAV, mono, 16 bits, of one rate.
        doubts: The words in question.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(wave.open(str(path))) for path in paths]
        return {
            doubt: _compare(
                _samples(files[doubt.channel], doubt),
                _samples(files[doubt.other], doubt),
                round(MAX_DELAY_S * files[0].getframerate() / DECIMATION),
            )
            for doubt in doubts
        }


def _samples(file: wave.Wave_read, doubt: Doubt) -> Samples:
    """One channel during the word, and at least ``MIN_STRETCH_S`` of it, without its high tones."""
    import numpy as np

    rate_hz, middle_s = file.getframerate(), (doubt.start_s + doubt.end_s) / 2
    half_s = max(MIN_STRETCH_S, doubt.end_s - doubt.start_s) / 2
    begin = max(0, round((middle_s - half_s) * rate_hz))
    file.setpos(min(begin, file.getnframes()))
    content = file.readframes(round(2 * half_s * rate_hz))
    samples = np.frombuffer(content, dtype="<i2").astype(np.float32)
    whole = samples[: samples.size // DECIMATION * DECIMATION]
    coarse: Samples = whole.reshape(-1, DECIMATION).mean(axis=1)
    return coarse - coarse.mean() if coarse.size else coarse


def _compare(own: Samples, other: Samples, most_delay: int) -> Comparison:
    """The greatest normalised cross-correlation, by way of the spectra, and the levels' ratio."""
    import numpy as np

    own_power, other_power = float(own @ own), float(other @ other)
    if own_power == 0 or other_power == 0:
        difference = other_power - own_power
        return Comparison(0.0, math.copysign(math.inf, difference) if difference else 0.0)
    size = 1 << (own.size + most_delay).bit_length()  # so that the ends do not meet
    spectrum = np.fft.rfft(own, size) * np.conj(np.fft.rfft(other, size))
    correlation = np.fft.irfft(spectrum, size)
    near = np.concatenate((correlation[: most_delay + 1], correlation[-most_delay:]))
    likeness = float(np.abs(near).max()) / math.sqrt(own_power * other_power)
    return Comparison(min(1.0, likeness), 10 * math.log10(other_power / own_power))
