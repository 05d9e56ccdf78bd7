"""pyannote's segmentation network over chunks of several recordings at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pyannote.core import SlidingWindow, SlidingWindowFeature

from engine.chunks import Array, Grid, Item, runs


class Segmentation:
    """Who of up to three local speakers talks in each frame of a chunk.

    The same numbers as ``SpeakerDiarization.get_segmentations``, which is ``Inference.slide``.

    Args:
        pipeline: A ``pyannote.audio.pipelines.SpeakerDiarization``.

    Raises:
        ValueError: Its segmentation network is of another kind than community-1's.
        AttributeError: The same.
    """

    def __init__(self, pipeline: Any) -> None:
        inference = pipeline._segmentation
        self._network, self._conversion = inference.model, inference.conversion
        if not self._network.specifications.powerset:
            raise ValueError("a network whose scores need a threshold")
        if not inference.skip_aggregation or inference.pre_aggregation_hook is not None:
            raise ValueError("chunks are not kept apart")
        self.grid = Grid.of(inference)
        self._windows = SlidingWindow(start=0.0, duration=inference.duration, step=inference.step)

    def __call__(self, batch: Sequence[Item]) -> Array:
        """Zeros and ones, (chunks, frames, speakers), a byte each: an hour has six million."""
        waveforms = [track.chunks(run[0], run[-1]) for track, run in runs(batch, 1)]
        with torch.inference_mode():
            scores = self._network(torch.cat(waveforms).unsqueeze(1))
            return np.asarray(self._conversion(scores).to(torch.uint8).cpu().numpy())

    def feature(self, chunks: Array) -> Any:
        """All chunks of a recording as pyannote hands them on."""
        return SlidingWindowFeature(chunks.astype(np.float32), self._windows)
