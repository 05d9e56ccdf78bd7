"""pyannote's way from clusters to turns, without its loops over frames.

After the networks pyannote counts speakers, adds up overlapping chunks and looks for the ends of
turns frame by frame in Python, an hour having 213,000 frames. Where segmentations are zeros and
ones, as those of community-1 are, all of that is counting: here it is done with whole numbers and
without the (chunks, frames, clusters) arrays, and the results are equal, not only close. For
anything else pyannote's own functions are called; should they change, they are called for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from pyannote.core import Annotation, Segment, SlidingWindow, SlidingWindowFeature
from pyannote.core.utils.generators import string_generator

from engine.stock import unchanged

_KNOWN: Final = {
    "SpeakerDiarization.reconstruct": "dcc07ec3890daf4e94fbad95f99f4231",
    "SpeakerDiarization.speaker_count": "c264e2683e7e7ef9a178ae4b53288a2d",
    "SpeakerDiarization.to_diarization": "e298939741869ba399ce88058a6e5844",
    "SpeakerDiarization.to_annotation": "790584fc8b37c71073c8ab2a6f4af43f",
    "Inference.aggregate": "b874c31926ee62a73d926b934b0db0c3",
    "Inference.trim": "6a77e7f20ef24bb8edb1c55371c5d1ec",
    "Binarize.__call__": "bb520b7e9f6f57298c080b2c127717e7",
}


def install(pipeline: Any) -> bool:
    """Let a pipeline reconstruct its turns quickly.

    Args:
        pipeline: A ``pyannote.audio.pipelines.SpeakerDiarization``. It gets another class, derived
            from the one it has.

    Returns:
        Whether it does so now.
    """
    from pyannote.audio.pipelines import SpeakerDiarization

    kind = type(pipeline)
    if kind.__module__ == __name__:
        return True
    if not issubclass(kind, SpeakerDiarization):
        return False
    if not unchanged("the quick reconstruction", _KNOWN, _functions_of(kind)):
        return False
    methods = {
        "reconstruct": _reconstruction(kind.reconstruct),
        "speaker_count": staticmethod(_counting(kind.speaker_count)),
        "to_annotation": staticmethod(_annotating(kind.to_annotation)),
    }
    pipeline.__class__ = type(f"Quick{kind.__name__}", (kind,), methods)
    return True


def _functions_of(kind: Any) -> dict[str, Any]:
    """The functions of pyannote that are replaced here, and those they are made of."""
    from pyannote.audio.core.inference import Inference
    from pyannote.audio.utils.signal import Binarize

    own = ("reconstruct", "speaker_count", "to_diarization", "to_annotation")
    return {
        **{f"SpeakerDiarization.{name}": getattr(kind, name) for name in own},
        "Inference.aggregate": Inference.aggregate,
        "Inference.trim": Inference.trim,
        "Binarize.__call__": Binarize.__call__,
    }


def _counting(stock: Callable[..., Any]) -> Callable[..., Any]:
    """``speaker_count``: how many speak in each frame, the mean over chunks, rounded."""

    def speaker_count(
        binarized_segmentations: Any, frames: Any, warm_up: tuple[float, float] = (0.1, 0.1)
    ) -> Any:
        active = _zeros_and_ones(binarized_segmentations.data)
        if active is None or any(warm_up):
            return stock(binarized_segmentations, frames, warm_up=warm_up)
        first, total = _places(binarized_segmentations, frames)
        speakers = active.sum(axis=2, dtype=np.int32)
        sums = np.zeros(total, dtype=np.int32)
        chunks = np.zeros(total, dtype=np.int32)
        for start, values in zip(first, speakers, strict=True):
            sums[start : start + len(values)] += values
            chunks[start : start + len(values)] += 1
        mean = sums.astype(np.float32) / np.maximum(chunks, 1).astype(np.float32)
        count = np.rint(mean).astype(np.uint8)[:, None]
        return SlidingWindowFeature(count, _resolution(binarized_segmentations, frames))

    return speaker_count


def _reconstruction(stock: Callable[..., Any]) -> Callable[..., Any]:
    """``reconstruct``: in each frame, as many speakers as were counted, those of most chunks."""

    def reconstruct(self: Any, segmentations: Any, hard_clusters: np.ndarray, count: Any) -> Any:
        active = _zeros_and_ones(segmentations.data)
        clusters = int(np.max(hard_clusters)) + 1
        odd = (hard_clusters < 0) & (hard_clusters != -2)
        if active is None or clusters < 1 or np.any(odd):
            return stock(self, segmentations, hard_clusters, count)
        first, total = _places(segmentations, count.sliding_window)
        votes = _votes(active, hard_clusters, clusters, first, total)
        missing = int(np.max(count.data)) - clusters
        if missing > 0:
            votes = np.pad(votes, ((0, 0), (0, missing)))
        activations = SlidingWindowFeature(votes, _resolution(segmentations, count.sliding_window))
        extent = activations.extent & count.extent
        activations = activations.crop(extent, return_data=False)
        count = count.crop(extent, return_data=False)
        return SlidingWindowFeature(
            _most_voted(activations.data, count.data), activations.sliding_window
        )

    return reconstruct


def _votes(
    active: np.ndarray,
    hard_clusters: np.ndarray,
    clusters: int,
    first: Sequence[int],
    total: int,
) -> np.ndarray:
    """How many chunks say that a cluster speaks in a frame, shape (frames, clusters)."""
    votes = np.zeros((clusters, total), dtype=np.int32)
    by_speaker = np.ascontiguousarray(active.transpose(0, 2, 1))
    length = by_speaker.shape[2]
    for chunk, (start, row) in enumerate(zip(first, hard_clusters.tolist(), strict=True)):
        for cluster in set(row) - {-2}:
            speakers = [speaker for speaker, own in enumerate(row) if own == cluster]
            speaks = by_speaker[chunk, speakers[0]]
            if len(speakers) > 1:
                speaks = by_speaker[chunk, speakers].any(axis=0)
            votes[cluster, start : start + length] += speaks
    return np.ascontiguousarray(votes.T, dtype=np.float32)


def _most_voted(votes: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Ones for the ``count`` clusters of a frame with most votes, shape (frames, clusters)."""
    # numpy's default order of equals is pyannote's too, whatever it is on this processor.
    order = np.argsort(-votes, axis=-1)
    rows = min(len(order), len(count))
    wanted = np.arange(votes.shape[1]) < count[:rows]
    chosen = np.zeros_like(votes)
    np.put_along_axis(chosen[:rows], order[:rows], wanted.astype(votes.dtype), axis=-1)
    return chosen


def _annotating(stock: Callable[..., Any]) -> Callable[..., Any]:
    """``to_annotation``: turns from the middle of their first frame to that of the one after."""

    def to_annotation(
        discrete_diarization: Any, min_duration_on: float = 0.0, min_duration_off: float = 0.0
    ) -> Any:
        active = _zeros_and_ones(discrete_diarization.data)
        if active is None or len(active) < 2 or min_duration_on > 0:
            return stock(discrete_diarization, min_duration_on, min_duration_off)
        frames = discrete_diarization.sliding_window
        labels = discrete_diarization.labels or range(active.shape[1])
        annotation = Annotation()
        for label, track, column in zip(labels, string_generator(), active.T, strict=False):
            changes = np.flatnonzero(column[1:] != column[:-1]) + 1
            ends = [*([0] if column[0] else []), *changes.tolist()]
            if len(ends) % 2:
                ends.append(len(column) - 1)
            for begin, end in zip(ends[::2], ends[1::2], strict=True):
                segment = Segment(frames[begin].middle, frames[end].middle)
                annotation[segment, track] = label
        if min_duration_off > 0:
            annotation = annotation.support(collar=min_duration_off)
        return annotation

    return to_annotation


def _zeros_and_ones(values: np.ndarray) -> np.ndarray | None:
    """The same as booleans; None where something else is in it."""
    active = values != 0
    return active if np.array_equal(active, values) else None


def _resolution(chunked: Any, frames: Any) -> Any:
    """Frames counted from the first chunk's start, as ``Inference.aggregate`` does."""
    start = chunked.sliding_window.start
    return SlidingWindow(start=start, duration=frames.duration, step=frames.step)


def _places(chunked: Any, frames: Any) -> tuple[list[int], int]:
    """The first frame of each chunk, and how many frames there are in all."""
    chunks, frames = chunked.sliding_window, _resolution(chunked, frames)
    count = len(chunked.data)
    half = 0.5 * frames.duration
    first = [frames.closest_frame(chunks[chunk].start + half) for chunk in range(count)]
    end = chunks.start + chunks.duration + (count - 1) * chunks.step + half
    return first, frames.closest_frame(end) + 1
