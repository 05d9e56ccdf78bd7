"""pyannote's two networks in our way, for as long as that gives what pyannote's own way gives."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch
from pyannote.core import SlidingWindow, SlidingWindowFeature

from engine.chunks import Array, Track
from engine.embeddings import Embeddings
from engine.faults import MODEL_ERRORS
from engine.folded_resnet import fold, multiplies_bfloat16
from engine.recorded import SAMPLE_RATE_HZ
from engine.segmentation import Segmentation
from engine.shared_passes import SharedPasses, choose_sizes

log = logging.getLogger(__name__)

Arithmetic = Literal["exact", "folded", "bfloat16"]
"""Of the embedding network: as published; in another order; that, with coarser factors."""

# Of the noise that both ways are compared on: four chunks, the last of which is filled up.
WINDOW_S: Final = 0.3
STEP_S: Final = 0.05
NOISE_S: Final = 0.43
FRAMES: Final = 36

# Equal to 1e-6 in float32; TF32 rounds differently in batches of other sizes. Another rule for the
# masks is another embedding altogether.
_TOLERANCE: Final = 0.02
# A folded network in bfloat16 is at 5e-5. The angle between two people is at 0.5 and more.
_MAX_COSINE_DISTANCE: Final = 1e-3

# Anything at all may be different in a pyannote that ours was not written for.
_CHANGED: Final = (*MODEL_ERRORS, AttributeError)


@dataclass(frozen=True, slots=True)
class Stages:
    """What happens before the clustering."""

    segmentation: Segmentation
    embeddings: Embeddings

    def pipelines(
        self, pipeline: Any, tracks: Sequence[Track], passes: SharedPasses
    ) -> dict[Track, Any]:
        """Hear recordings together.

        Args:
            pipeline: That of ``stages_of``.
            tracks: Recordings, cut by the segmentation's grid. Those that fail have their error.
            passes: On the networks' device.

        Returns:
            For each recording that has not failed, the pipeline, whose networks need not be run
            again for this recording. Its ``apply`` may be called several times.
        """
        sizes = choose_sizes(self.embeddings.device)
        everything = {track: range(track.count) for track in tracks}
        chunks = passes.run("segmentation", everything, self.segmentation, sizes.segmented)
        active = {track: np.stack(found) for track, found in chunks.items()}
        wanted = {track: self.embeddings.wanted(found) for track, found in active.items()}
        forward = self.embeddings.forward(active, sizes.embedded)
        voices = passes.run("embeddings", wanted, forward, sizes.gathered)
        return {
            track: _knowing(
                pipeline,
                self.segmentation.feature(active[track]),
                self.embeddings.complete(active[track], wanted[track], found),
            )
            for track, found in voices.items()
        }


def _knowing(pipeline: Any, segmentations: Any, embeddings: Array) -> Any:
    """A copy of the pipeline that shares everything with it but asks its networks nothing."""
    copied = copy.copy(pipeline)
    copied.get_segmentations = lambda _file, **_options: segmentations
    copied.get_embeddings = lambda *_arguments, **_options: embeddings.copy()  # it is written into
    return copied


def stages_of(pipeline: Any, arithmetic: Arithmetic | None = None) -> Stages | None:
    """Our way for this pipeline, compared with its own on short chunks of noise.

    Args:
        pipeline: A ``pyannote.audio.pipelines.SpeakerDiarization``.
        arithmetic: Of the embedding network; None chooses the quickest that is proven: "exact" on
            a GPU, "bfloat16" on a CPU that multiplies it, "folded" on others.

    Returns:
        None, after a warning in the log, where pyannote's own way has to be used.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about arithmetic on chunks so short
            _check_applicable(pipeline)
            segmentation = Segmentation(pipeline)
            embeddings = Embeddings(pipeline, segmentation.grid)
            probe = _Probe(pipeline)
            probe.compare_segmentations()
            probe.compare_embeddings()
    except _CHANGED as error:
        log.warning(
            "this pyannote pipeline is run its own way, which takes three times as long: %s: %s",
            type(error).__name__,
            error,
        )
        return None
    embeddings.silent = probe.silent
    if arithmetic is None:
        arithmetic = _quickest(embeddings.device)
    if arithmetic != "exact":
        dtype = torch.bfloat16 if arithmetic == "bfloat16" else torch.float32
        embeddings.network = probe.folded(embeddings.network, dtype)
    return Stages(segmentation, embeddings)


def _check_applicable(pipeline: Any) -> None:
    """``apply`` is called without what pyannote's ``__call__`` does before it."""
    if hasattr(pipeline, "preprocessors"):
        raise ValueError("it has preprocessors")
    if not pipeline.instantiated:
        raise ValueError("it has parameters without values")


def _quickest(device: torch.device) -> Arithmetic:
    if device.type != "cpu":
        return "exact"
    return "bfloat16" if multiplies_bfloat16() else "folded"


class _Probe:
    """Both stages over chunks of 0.3 s, which cost next to nothing, in both ways."""

    def __init__(self, pipeline: Any) -> None:
        inference = copy.copy(pipeline._segmentation)
        inference.duration, inference.step = WINDOW_S, STEP_S
        self._pipeline = copy.copy(pipeline)
        vars(self._pipeline)["_inferences"] = {**pipeline._inferences, "_segmentation": inference}
        self._segmentation = Segmentation(self._pipeline)
        self._embeddings = Embeddings(self._pipeline, self._segmentation.grid)
        noise = np.random.default_rng(0).standard_normal(round(NOISE_S * SAMPLE_RATE_HZ))
        samples = (0.1 * noise).astype(np.float32)
        self._track = Track(_say_nothing)
        self._track.cut(samples, self._segmentation.grid, self._embeddings.device)
        waveform = torch.from_numpy(samples)[None]
        self._file = {"waveform": waveform, "sample_rate": SAMPLE_RATE_HZ, "uri": "probe"}
        self._active = _activity()
        self._found = self._ours()

    def compare_segmentations(self) -> None:
        """Raise a ``ValueError`` if they differ."""
        stock = self._pipeline.get_segmentations(self._file, hook=_say_nothing)
        everything = [(self._track, index) for index in range(self._track.count)]
        ours = self._segmentation.feature(self._segmentation(everything))
        if stock.data.shape != ours.data.shape or vars(stock.sliding_window) != vars(
            ours.sliding_window
        ):
            raise ValueError("its segmentations have another form")
        if np.mean(stock.data != ours.data) > _TOLERANCE:
            raise ValueError("its segmentations are others")

    def compare_embeddings(self) -> None:
        """Raise a ``ValueError`` if they differ."""
        windows = SlidingWindow(start=0.0, duration=WINDOW_S, step=STEP_S)
        stock = self._pipeline.get_embeddings(
            self._file,
            SlidingWindowFeature(self._active.copy(), windows),
            exclude_overlap=self._pipeline.embedding_exclude_overlap,
            hook=_say_nothing,
        )
        if stock.shape != self._found.shape:
            raise ValueError("its embeddings have another form")
        if not np.allclose(self._found, stock, rtol=0.0, atol=_TOLERANCE * np.abs(stock).max()):
            raise ValueError("its embeddings are others")

    @property
    def silent(self) -> Array | None:
        """The embedding of a speaker who says nothing, if it is the same in both chunks."""
        first, second = self._found[:, 2]
        return first if np.array_equal(first, second) else None

    def folded(self, network: Any, dtype: torch.dtype) -> Any:
        """The network folded; the network itself where that gives other embeddings."""
        exact = self._found
        try:
            self._embeddings.network = fold(network, dtype)
            found = self._ours()
        except _CHANGED as error:
            log.warning("the embedding network stays as it is: %s", type(error).__name__)
            return network
        lengths = np.linalg.norm(found, axis=2) * np.linalg.norm(exact, axis=2)
        if np.all((found * exact).sum(axis=2) >= (1 - _MAX_COSINE_DISTANCE) * lengths):
            return self._embeddings.network
        log.warning("the embedding network stays as it is: folded, it is another one")
        return network

    def _ours(self) -> Array:
        forward = self._embeddings.forward({self._track: self._active}, len(self._active))
        return forward([(self._track, index) for index in range(len(self._active))])


def _activity() -> Array:
    """Two chunks of three speakers: overlap, silence, NaN, and just too little speech alone."""
    active = np.zeros((2, FRAMES, 3), dtype=np.float32)
    active[0, :24, 0] = active[0, 6:, 1] = 1.0  # both have enough without their overlap
    active[1, :30, 0] = active[1, 6:33, 1] = 1.0  # 3 frames alone are 400 samples: too few
    active[1, 34:, 0] = np.nan
    return active


def _say_nothing(*_args: object, **_kwargs: object) -> None:
    """A report, or a hook of pyannote's, that nobody reads."""
