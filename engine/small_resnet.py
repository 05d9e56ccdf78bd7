"""A narrow speaker-embedding network with the interface of pyannote's WeSpeaker ResNets.

The demo model uses it where community-1 has a 26 MB ResNet34. pyannote.audio finds the class by
the module and class names in the checkpoint, so the directory that holds ``engine`` must be
importable when such a checkpoint is loaded.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from pyannote.audio.core.task import Task
from pyannote.audio.models.blocks.pooling import StatsPool
from pyannote.audio.models.embedding.wespeaker import BaseWeSpeakerResNet
from pyannote.audio.models.embedding.wespeaker.resnet import BasicBlock
from pyannote.audio.utils.receptive_field import (
    multi_conv_num_frames,
    multi_conv_receptive_field_center,
    multi_conv_receptive_field_size,
)
from torch import nn

# Strides over (mel bands, time) of the stem and of the four blocks: early ones, because the
# full-resolution layers of the original are what a CPU spends its time on. In all, both are
# divided by 16.
STEM_STRIDE = (2, 2)
BLOCK_STRIDES = ((1, 1), (2, 2), (2, 2), (2, 2))

# The same network along the time axis alone: every 3x3 convolution in order.
_TIME_STRIDES = [STEM_STRIDE[1], *(s for _, time in BLOCK_STRIDES for s in (time, 1))]
_TIME_CONVOLUTIONS = {
    "kernel_size": [3] * len(_TIME_STRIDES),
    "stride": _TIME_STRIDES,
    "padding": [1] * len(_TIME_STRIDES),
    "dilation": [1] * len(_TIME_STRIDES),
}


class NarrowResNet(nn.Module):
    """Four residual blocks, then mean and deviation over time, then one linear layer.

    Args:
        num_mel_bins: Height of the input; a multiple of 16.
        channels: Width of the first block; each later block has twice as many channels.
        embed_dim: Dimension of the embeddings.
    """

    def __init__(self, num_mel_bins: int, channels: int, embed_dim: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.conv1 = nn.Conv2d(1, channels, 3, stride=STEM_STRIDE, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        widths = [channels, *(channels * 2**level for level in range(len(BLOCK_STRIDES)))]
        self.blocks = nn.Sequential(
            *(
                BasicBlock(before, after, stride)
                for before, after, stride in zip(widths, widths[1:], BLOCK_STRIDES, strict=False)
            )
        )
        self.pool = StatsPool()
        self.seg_1 = nn.Linear(2 * widths[-1] * (num_mel_bins // 16), embed_dim)

    @lru_cache  # noqa: B019 - as in pyannote: one network lives as long as its process
    def num_frames(self, num_samples: int) -> int:
        """Number of output frames for ``num_samples`` feature frames."""
        return int(multi_conv_num_frames(num_samples, **_TIME_CONVOLUTIONS))

    def receptive_field_size(self, num_frames: int = 1) -> int:
        """Number of feature frames that ``num_frames`` output frames see."""
        return int(multi_conv_receptive_field_size(num_frames, **_TIME_CONVOLUTIONS))

    def receptive_field_center(self, frame: int = 0) -> int:
        """Index of the feature frame in the middle of what output frame ``frame`` sees."""
        return int(multi_conv_receptive_field_center(frame, **_TIME_CONVOLUTIONS))

    def forward_frames(self, fbank: torch.Tensor) -> torch.Tensor:
        """(batch, frames, mel bands) features to (batch, channels x bands, frames) maps."""
        image = fbank.transpose(1, 2).unsqueeze(1)
        maps: torch.Tensor = self.blocks(torch.relu(self.bn1(self.conv1(image)))).flatten(1, 2)
        return maps

    def forward_embedding(
        self, frames: torch.Tensor, weights: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Pool and project; the pair (unused scalar, embeddings) is pyannote's convention."""
        return torch.tensor(0.0), self.seg_1(self.pool(frames, weights=weights))

    def forward(
        self, fbank: torch.Tensor, weights: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features to (unused scalar, embeddings); see ``forward_embedding``."""
        return self.forward_embedding(self.forward_frames(fbank), weights)


class SmallResNet(BaseWeSpeakerResNet):
    """Speaker embeddings of about 1 MB.

    ``forward(waveforms, weights)`` takes (batch, 1, samples) audio at 16 kHz and weights of shape
    (batch, frames) or (batch, speakers, frames); it returns (batch, dimension) or
    (batch, speakers, dimension), as every WeSpeaker network of pyannote.audio does.

    Args:
        sample_rate: Of the audio, in hertz.
        num_channels: Of the audio; only 1 is supported by pyannote.audio.
        num_mel_bins: Mel bands; a multiple of 16.
        channels: Width of the first residual block.
        embed_dim: Dimension of the embeddings.
        task: pyannote's training task; None outside its own trainer.
    """

    # Explicit parameters: with **kwargs, Lightning would pass the loader's own options on.
    def __init__(  # noqa: PLR0917 - the parameters of pyannote's classes, in their order
        self,
        sample_rate: int = 16000,
        num_channels: int = 1,
        num_mel_bins: int = 64,
        channels: int = 12,
        embed_dim: int = 128,
        task: Task | None = None,
    ) -> None:
        super().__init__(
            sample_rate=sample_rate,
            num_channels=num_channels,
            num_mel_bins=num_mel_bins,
            task=task,
        )
        self.save_hyperparameters("channels", "embed_dim")
        self.resnet = NarrowResNet(num_mel_bins, channels, embed_dim)
