"""Log-mel features, as NeMo's FilterbankFeatures makes them, in slices of bounded memory."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from engine.footprint import MEL_SLICE_FRAMES
from engine.shape import Shape

STD_GUARD: Final = 1e-5
"""NeMo adds it to the deviation of each band (features.py, CONSTANT)."""


class Mel(nn.Module):
    """Samples to normalised log-mel frames, always in fp32.

    Args:
        shape: The model's.
    """

    window: Tensor
    fb: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._shape = shape
        bins = shape.fft_samples // 2 + 1
        self.register_buffer("window", torch.empty(shape.window_samples))
        self.register_buffer("fb", torch.empty(1, shape.mel_bands, bins))

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Make the features of a batch.

        Args:
            samples: Shape (batch, samples), fp32; anything may stand beyond a recording's length.
            lengths: Shape (batch,), in samples.

        Returns:
            Features of shape (batch, frames, bands), zero beyond each recording's frames, and the
            numbers of frames.
        """
        frames = torch.div(lengths, self._shape.stride_samples, rounding_mode="floor")
        logs = self._log_mel(self._emphasise(samples, lengths))
        valid = torch.arange(logs.shape[1], device=logs.device) < frames[:, None]
        return _normalise(logs, valid[:, :, None], frames), frames

    def _emphasise(self, samples: Tensor, lengths: Tensor) -> Tensor:
        """Weaken what changes slowly; the first sample has none before it."""
        emphasised = samples.clone()
        emphasised[:, 1:] -= self._shape.preemphasis * samples[:, :-1]
        beyond = torch.arange(samples.shape[1], device=samples.device) >= lengths[:, None]
        return emphasised.masked_fill_(beyond, 0.0)

    def _log_mel(self, samples: Tensor) -> Tensor:
        """Logarithms of the bands' power, (batch, frames, bands); frames are centred."""
        shape = self._shape
        half = shape.fft_samples // 2
        padded = nn.functional.pad(samples, (half, half))
        frames = samples.shape[1] // shape.stride_samples + 1
        out = samples.new_empty(samples.shape[0], frames, shape.mel_bands)
        for first in range(0, frames, MEL_SLICE_FRAMES):
            last = min(frames, first + MEL_SLICE_FRAMES)
            begin = first * shape.stride_samples
            end = (last - 1) * shape.stride_samples + shape.fft_samples
            spectrum = torch.stft(
                padded[:, begin:end],
                n_fft=shape.fft_samples,
                hop_length=shape.stride_samples,
                win_length=shape.window_samples,
                window=self.window,
                center=False,
                return_complex=True,
            )
            power = torch.view_as_real(spectrum).pow(2).sum(-1)
            out[:, first:last] = torch.matmul(self.fb, power).add_(shape.log_guard).log_().mT
        return out


def _normalise(features: Tensor, valid: Tensor, frames: Tensor) -> Tensor:
    """Mean 0 and deviation 1 of each band over a recording's own frames; zero beyond them."""
    count = frames[:, None, None]
    features = features.masked_fill_(~valid, 0.0)
    mean = features.sum(1, keepdim=True) / count
    features = features.sub_(mean).masked_fill_(~valid, 0.0)
    deviation = (features.square().sum(1, keepdim=True) / (count - 1)).sqrt_()
    return features.div_(deviation.nan_to_num_(0.0).add_(STD_GUARD))
