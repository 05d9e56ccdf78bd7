"""pyannote's speaker embeddings, with one pass of the network for each chunk.

pyannote runs the network once for every local speaker of a chunk, on the same audio, and computes
the features of each chunk anew although nine tenths of them are those of the chunk before. Here
the features of a stretch of chunks are computed once, and the network once a chunk, its pooling
once a speaker. The numbers are the same: features are made of frames that know nothing of each
other, and their mean over the chunk is subtracted afterwards. Chunks in which nobody speaks have a
constant embedding and need no pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch

from engine.chunks import Array, Grid, Item, Track, runs
from engine.recorded import SAMPLE_RATE_HZ

INT16_SCALE: Final = 1 << 15
"""WeSpeaker's features are of samples in the range of 16-bit integers."""


class Embeddings:
    """The voice of each local speaker of a chunk.

    The same numbers as ``SpeakerDiarization.get_embeddings``.

    Args:
        pipeline: A ``pyannote.audio.pipelines.SpeakerDiarization``.
        grid: How recordings are cut.

    Raises:
        ValueError: Its embedding network is of another kind than community-1's.
        AttributeError: The same.
    """

    def __init__(self, pipeline: Any, grid: Grid) -> None:
        embedding = pipeline._embedding
        settings = embedding.model_.hparams
        self.device: torch.device = embedding.device
        self.network: Any = embedding.model_.resnet
        self._features: Any = embedding.model_._fbank
        self._grid = grid
        self._exclude_overlap = bool(pipeline.embedding_exclude_overlap)
        self._min_samples: int = embedding.min_num_samples
        self.silent: Array | None = None
        """The embedding of nobody, where it is known to be a constant."""

        hop = settings.frame_shift / 1000 * SAMPLE_RATE_HZ
        length = settings.frame_length / 1000 * SAMPLE_RATE_HZ
        if (
            settings.sample_rate != SAMPLE_RATE_HZ
            or not settings.snip_edges
            or settings.dither
            or settings.fbank_centering_span is not None
            or grid.step % hop
        ):
            raise ValueError("features that depend on where a chunk begins")
        self._frames = 1 + int((grid.window - length) // hop)
        self._frame_step = int(grid.step // hop)

    def wanted(self, segmentations: Array) -> Sequence[int]:
        """The chunks of a recording that need a pass: somebody speaks there."""
        if self.silent is None:
            return range(len(segmentations))
        spoken = np.nan_to_num(segmentations, nan=0.0).any(axis=(1, 2))
        return [int(index) for index in np.flatnonzero(spoken)]

    def complete(
        self, segmentations: Array, wanted: Sequence[int], found: Sequence[Array]
    ) -> Array:
        """All embeddings of a recording, (chunks, speakers, dimension)."""
        chunks, _frames, speakers = segmentations.shape
        if self.silent is None or len(wanted) == chunks:
            return np.stack(found)
        result = np.tile(self.silent, (chunks, speakers, 1))
        if found:
            result[wanted] = np.stack(found)
        return result

    def forward(
        self, segmentations: Mapping[Track, Array], at_once: int
    ) -> Callable[[Sequence[Item]], Array]:
        """The network over chunks of recordings with these segmentations.

        Args:
            segmentations: (chunks, frames, speakers) of each recording.
            at_once: Chunks that go through the network together.

        Returns:
            Takes chunks, and returns (chunks, speakers, dimension).
        """
        active = {
            track: torch.from_numpy(found).to(self.device) for track, found in segmentations.items()
        }

        def of(batch: Sequence[Item]) -> Array:
            with torch.inference_mode():
                spoken = torch.stack([active[track][index] for track, index in batch])
                masks = self.masks(spoken.float())
                parts = zip(
                    self._features_of(batch).split(at_once), masks.split(at_once), strict=True
                )
                found = [self._pass(features, weights) for features, weights in parts]
                return np.asarray(torch.cat(found).cpu().numpy())

        return of

    def masks(self, active: torch.Tensor) -> torch.Tensor:
        """Which frames make up each embedding: those without overlap, unless too few.

        Args:
            active: Zeros and ones, or NaN, (chunks, frames, speakers).

        Returns:
            (chunks, speakers, frames), without NaN.
        """
        full = active.nan_to_num(nan=0.0)
        if not self._exclude_overlap:
            return full.transpose(1, 2).contiguous()
        alone = active.sum(dim=2, keepdim=True) < 2  # False also where one of them is NaN
        clean = full * alone
        too_few = math.ceil(active.shape[1] * self._min_samples / self._grid.window)
        enough = clean.sum(dim=1, keepdim=True) > too_few
        return torch.where(enough, clean, full).transpose(1, 2).contiguous()

    def _pass(self, features: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """The network once; its pooling and last layer for one speaker after the other.

        pyannote's network takes the masks of all speakers at once, too. The product of its last
        layer then has three times the rows, and is rounded otherwise.
        """
        frames = self.network.forward_frames(features - torch.mean(features, dim=1, keepdim=True))
        embeddings = [
            self.network.forward_embedding(frames, weights=weights)[1]
            for weights in masks.unbind(dim=1)
        ]
        return torch.stack(embeddings, dim=1)

    def _features_of(self, batch: Sequence[Item]) -> torch.Tensor:
        """Kaldi's filter banks of each chunk, (chunks, frames, bands)."""
        parts = []
        for track, run in runs(batch, self._grid.window // self._grid.step):
            frames = self._features(track.waveform(run[0], run[-1])[None] * INT16_SCALE)
            chunks = frames.unfold(0, self._frames, self._frame_step)
            parts.append(chunks[[index - run[0] for index in run]].transpose(1, 2))
        return torch.cat(parts).contiguous()
