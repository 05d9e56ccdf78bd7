"""What a Parakeet model consists of: every number that its modules are built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of a FastConformer TDT model, as NeMo's configuration names them."""

    sample_rate_hz: int
    window_samples: int
    stride_samples: int
    fft_samples: int
    mel_bands: int
    preemphasis: float
    log_guard: float
    """Added to the power before its logarithm."""

    layers: int
    width: int
    heads: int
    feed_forward_width: int
    conv_kernel: int
    subsampling: int
    """Mel frames in an encoder frame: a power of 2."""
    subsampling_channels: int
    bias: bool
    """Whether the linear layers of the encoder have one; those of Parakeet v2 and v3 have none."""
    input_scale: float
    """What the subsampled frames are multiplied by (NeMo's xscaling)."""

    prediction_width: int
    prediction_layers: int
    joint_width: int
    vocabulary: int
    """Pieces, the blank not among them: its id is this number."""
    durations: tuple[int, ...]
    """Encoder frames that an emission may skip."""
    max_symbols: int
    """So many emissions in one frame force the next frame."""

    @property
    def frame_s(self) -> float:
        """Length of an encoder frame."""
        return self.stride_samples * self.subsampling / self.sample_rate_hz


def from_dict(data: Mapping[str, Any]) -> Shape:
    """From JSON."""
    return Shape(**{**data, "durations": tuple(data["durations"])})
