"""The FastConformer encoder, for inference only: log-mel frames in, one vector each 80 ms out.

The mathematics are NeMo's ConformerEncoder with ``dw_striding`` subsampling and ``rel_pos``
attention (Rekesh et al. 2023, https://arxiv.org/abs/2305.05084), and so are the parameters' names,
but for two things: batch normalisation is folded into the convolution before it, and memory is
bounded by slices where that is exact. Why this is not NeMo's own module:
docs/decisions/0005-fast-checkpoint.md.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import glu, pad, silu

from engine.attention import Reach
from engine.footprint import SUBSAMPLING_SLICE_FRAMES
from engine.relative_attention import RelativeAttention, sinusoids
from engine.shape import Shape


class Encoder(nn.Module):
    """Subsampling, then the layers.

    Args:
        shape: The model's.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._shape = shape
        self.pre_encode = Subsampling(shape)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))

    def forward(self, features: Tensor, lengths: Tensor, reach: Reach) -> tuple[Tensor, Tensor]:
        """Encode a batch.

        Args:
            features: Shape (batch, mel frames, bands), zero beyond each recording's frames.
            lengths: Shape (batch,), in mel frames.
            reach: What each frame may see.

        Returns:
            Shape (batch, frames, width), and the numbers of frames. What stands beyond a
            recording's frames means nothing.
        """
        x, frames = self.pre_encode(features, lengths)
        x = x * self._shape.input_scale
        valid = None
        if int(frames.min()) < x.shape[1]:
            valid = torch.arange(x.shape[1], device=x.device) < frames[:, None]
        positions = sinusoids(x.shape[1], x.shape[2], reach, x)
        for layer in self.layers:
            x = layer(x, positions, valid, reach)
        return x, frames


class Subsampling(nn.Module):
    """Convolutions of stride 2 over time and bands, then one linear map of all channels and bands.

    Args:
        shape: The model's.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        channels = shape.subsampling_channels
        self._factor = shape.subsampling
        layers: list[nn.Module] = [nn.Conv2d(1, channels, 3, 2, 1), nn.ReLU()]
        bands = (shape.mel_bands + 1) // 2
        for _ in range(shape.subsampling.bit_length() - 2):
            depthwise = nn.Conv2d(channels, channels, 3, 2, 1, groups=channels)
            layers += [depthwise, nn.Conv2d(channels, channels, 1), nn.ReLU()]
            bands = (bands + 1) // 2
        self.conv = nn.Sequential(*layers)
        self.out = nn.Linear(channels * bands, shape.width)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, mel frames, bands) to (batch, frames, width), slice after slice.

        An output frame depends on less than ``factor`` input frames to either side, so slices that
        overlap by one output frame at each end are exact.
        """
        factor = self._factor
        frames = int(self._halved(torch.tensor(features.shape[1])))
        parts = []
        for first in range(0, frames, SUBSAMPLING_SLICE_FRAMES):
            last = min(frames, first + SUBSAMPLING_SLICE_FRAMES)
            before = 1 if first else 0
            begin = (first - before) * factor
            piece = features[:, begin : (last + 1) * factor if last < frames else None]
            parts.append(self._convolve(piece, lengths - begin)[:, before : before + last - first])
        x = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        return x, self._halved(lengths)

    def _convolve(self, x: Tensor, lengths: Tensor) -> Tensor:
        """One slice; beyond a recording's end every convolution over time sees zeros."""
        x = x.unsqueeze(1)
        shortest = lengths
        for layer in self.conv:
            if isinstance(layer, nn.Conv2d) and layer.stride[0] == 2:
                x = _silence_after(x, shortest)
                shortest = torch.div(shortest - 1, 2, rounding_mode="floor") + 1
            x = layer(x)
        x = _silence_after(x, shortest)
        mapped: Tensor = self.out(x.transpose(1, 2).flatten(2))
        return mapped

    def _halved(self, frames: Tensor) -> Tensor:
        """Frames after every convolution of stride 2."""
        for _ in range(self._factor.bit_length() - 1):
            frames = torch.div(frames - 1, 2, rounding_mode="floor") + 1
        return frames


def _silence_after(x: Tensor, lengths: Tensor) -> Tensor:
    """Zero beyond the recordings' ends; (batch, channels, frames, bands)."""
    beyond = torch.arange(x.shape[2], device=x.device) >= lengths[:, None]
    return x.masked_fill(beyond[:, None, :, None], 0.0)


class Layer(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward, each on top of its input.

    Args:
        shape: The model's.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.norm_feed_forward1 = nn.LayerNorm(width)
        self.feed_forward1 = FeedForward(shape)
        self.norm_self_att = nn.LayerNorm(width)
        self.self_attn = RelativeAttention(shape)
        self.norm_conv = nn.LayerNorm(width)
        self.conv = Convolution(shape)
        self.norm_feed_forward2 = nn.LayerNorm(width)
        self.feed_forward2 = FeedForward(shape)
        self.norm_out = nn.LayerNorm(width)

    def forward(self, x: Tensor, positions: Tensor, valid: Tensor | None, reach: Reach) -> Tensor:
        """(batch, frames, width) to the same; see ``Encoder``."""
        x = torch.add(x, self.feed_forward1(self.norm_feed_forward1(x)), alpha=0.5)
        x = x + self.self_attn(self.norm_self_att(x), positions, valid, reach)
        x = x + self.conv(self.norm_conv(x), valid)
        x = torch.add(x, self.feed_forward2(self.norm_feed_forward2(x)), alpha=0.5)
        normed: Tensor = self.norm_out(x)
        return normed


class FeedForward(nn.Module):
    """Two linear maps with a gate between.

    Args:
        shape: The model's.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.linear1 = nn.Linear(shape.width, shape.feed_forward_width, bias=shape.bias)
        self.linear2 = nn.Linear(shape.feed_forward_width, shape.width, bias=shape.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) to the same."""
        mapped: Tensor = self.linear2(silu(self.linear1(x), inplace=True))
        return mapped


class Convolution(nn.Module):
    """A gate, a convolution of each channel over time, a map. Pointwise convolutions are linear.

    Args:
        shape: The model's.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self._reach = (shape.conv_kernel - 1) // 2
        self.pointwise_conv1 = nn.Linear(width, 2 * width, bias=shape.bias)
        self.depthwise_conv = nn.Conv1d(width, width, shape.conv_kernel, groups=width, bias=True)
        self.pointwise_conv2 = nn.Linear(width, width, bias=shape.bias)

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """(batch, frames, width) to the same."""
        x = glu(self.pointwise_conv1(x), dim=2)
        if valid is not None:
            x = x.masked_fill(~valid[:, :, None], 0.0)
        x = self.depthwise_conv(pad(x.mT, (self._reach, self._reach))).mT
        mapped: Tensor = self.pointwise_conv2(silu(x))
        return mapped
