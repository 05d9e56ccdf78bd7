"""How much memory a pass of the speech model takes beside its weights, in bytes. Pure.

For our own modules it is counted, which tensors are alive at the three moments when most are, and
held against what was measured (``make bench SUITES=trust``). For NeMo's it is the law that was
measured on its encoder (one layer of true width, 1 to 10 min).
"""

from __future__ import annotations

from typing import Final

from engine.attention import Reach
from engine.shape import Shape

FP32: Final = 4
BIAS_BYTES: Final = 256 << 20
"""The most that the bias of one slice of queries may take (engine/relative_attention.py)."""
MEL_SLICE_FRAMES: Final = 30_000
"""Five minutes of features at a time: the complex spectrum of an hour is 740 MB (engine/mel.py)."""
SUBSAMPLING_SLICE_FRAMES: Final = 1024
"""Encoder frames that the subsampling makes at a time, for each recording of a batch: 82 s, whose
first convolution takes 600 MB in fp32 at Parakeet's width (engine/fastconformer.py)."""
FIRST_CONVOLUTION_BYTES: Final = {2: 6.5, 4: 9.3}
"""For each number that it puts out, by the size of a number: measured on a CPU."""

NEMO_SUBSAMPLING_BYTES: Final = 0.08 * 7.4e6
"""For an encoder frame, in fp32 and at Parakeet's width: the output of the first convolution."""
NEMO_SQUARES: Final = 7
"""So many matrices of scores are alive at once in NeMo's own attention."""


def of_ours(shape: Shape, element_bytes: int, batch: int, seconds: float, reach: Reach) -> int:
    """A pass of ``engine.fast_model``.

    Args:
        shape: The model's.
        element_bytes: Of the encoder's numbers.
        batch: Recordings.
        seconds: Length of the longest.
        reach: Of the attention.
    """
    samples = FP32 * batch * seconds * shape.sample_rate_hz
    mel_frames = seconds * shape.sample_rate_hz / shape.stride_samples
    features = FP32 * batch * mel_frames * shape.mel_bands
    frames = mel_frames / shape.subsampling
    states = element_bytes * batch * frames * shape.width
    bins = shape.fft_samples // 2 + 1
    # A complex spectrum, its parts squared, their sum.
    spectrum = 5 * FP32 * batch * min(mel_frames, MEL_SLICE_FRAMES) * bins
    listening = 3 * samples + features + spectrum
    held = samples + features * (1 + element_bytes / FP32)
    return round(
        max(
            listening,
            held + states + _subsampling(shape, element_bytes, batch, frames),
            held + _layer(shape, element_bytes, batch, frames, reach),
        )
    )


def _subsampling(shape: Shape, element_bytes: int, batch: int, frames: float) -> float:
    """One slice: what goes into and what comes out of the first convolution's rectifier."""
    frames = min(frames, SUBSAMPLING_SLICE_FRAMES)
    halved = frames * shape.subsampling / 2 * (shape.mel_bands / 2)
    number_bytes = FIRST_CONVOLUTION_BYTES[element_bytes]
    return number_bytes * batch * halved * shape.subsampling_channels


def _layer(shape: Shape, element_bytes: int, batch: int, frames: float, reach: Reach) -> float:
    """The attention: input, its norm, five shapes of query, key and value, what comes out."""
    state = element_bytes * batch * frames * shape.width
    row = 3 * frames if reach == "full" else 6 * 256
    scores = element_bytes * batch * shape.heads * frames * row
    # A CPU's fused attention wants the bias, a third of all that is sliced, in fp32.
    bias = min(BIAS_BYTES, scores) * (1 if element_bytes == FP32 else 3 / 2)
    places = 4 * element_bytes * frames * shape.width if reach == "full" else 4 * state
    wide = (shape.feed_forward_width / shape.width + 3) * state
    return max(wide, 12 * state + places + bias)


def of_nemos(heads: int, width: int, element_bytes: int, frames: float, reach: Reach) -> int:
    """A pass of NeMo's model over one recording.

    Args:
        heads: Of its attention.
        width: Of its encoder.
        element_bytes: Of its numbers.
        frames: Encoder frames of the recording.
        reach: Of the attention.
    """
    subsampling = NEMO_SUBSAMPLING_BYTES * frames * element_bytes / FP32 * width / 1024
    scores = heads * frames**2 * element_bytes
    return round(max(subsampling, NEMO_SQUARES * scores if reach == "full" else 0.0))
