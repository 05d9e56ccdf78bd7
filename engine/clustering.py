"""pyannote's clustering, for hours of audio.

An hour gives some 6,000 embeddings, and pyannote links all of them: memory and time grow with the
square of the length (three hours: 2.5 GB and more than half a minute). Up to ``MAX_LINKED``
embeddings this is pyannote's own clustering, number for number. Beyond, only its first step is
another: the linkage is made by parts (``engine/linkage.py``). That step gives VBx, which looks at
all embeddings again, its first guess; VBx and everything after it is pyannote's.

pyannote's code is neither copied nor changed: the very function runs with another ``linkage`` in
its namespace. Should that function change, this switches itself off.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Any, Final

import numpy as np
import torch

from engine.linkage import Dendrogram, Points, centroid_linkage, split_linkage
from engine.stock import unchanged

log = logging.getLogger(__name__)

MAX_LINKED: Final = 8_000
"""Embeddings that are linked at once: what an hour gives. 256 MB of distances, twice."""

_TOO_FEW_EMBEDDINGS: Final = re.compile(r"n_samples=(\d+) should be >= n_clusters")
"""What scikit-learn's KMeans says."""

_MODULE: Final = "pyannote.audio.pipelines.clustering"
# Known by name: this module is imported before pyannote is (engine/light_imports.py).
_METHODS: Final = {"VBxClustering": "__call__", "AgglomerativeClustering": "cluster"}
"""The method that calls ``linkage``."""
_KNOWN: Final = {
    "VBxClustering.__call__": "81f7934a258f252a5930bf611c646fbf",
    "AgglomerativeClustering.cluster": "6dc97c562ff04e49c33e42a4ef211400",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is looked at together.

    Attributes:
        linked: Up to so many embeddings, everything is pyannote's own.
        clusters: Where they are more, VBx starts from at most so many clusters. Its time and memory
            are embeddings x clusters; speakers that are well told apart give a few dozens.
    """

    linked: int = MAX_LINKED
    clusters: int = 500


def install(pipeline: Any, limits: Limits | None = None) -> bool:
    """Let a pipeline cluster hours in linear time and memory.

    Args:
        pipeline: A ``pyannote.audio.pipelines.SpeakerDiarization``. Its clustering object gets
            another class. Nothing changes where it is neither of the two that link embeddings.
        limits: For tests.

    Returns:
        Whether it does so now.
    """
    clustering = pipeline.clustering
    kind = type(clustering)
    if kind.__module__ == __name__:
        return True
    if kind.__module__ != _MODULE or kind.__name__ not in _METHODS:
        return False
    name = _METHODS[kind.__name__]
    stock = getattr(kind, name)
    key = f"{kind.__name__}.{name}"
    if not unchanged("clustering by parts", {key: _KNOWN[key]}, {key: stock}):
        return False
    method = _with_linkage(stock, limits or Limits())
    clustering.__class__ = type(f"Split{kind.__name__}", (kind,), {name: method})
    return True


def as_many_as_can_be(run: Callable[..., Any], speakers: dict[str, int | None]) -> Any:
    """Run the pipeline; if it cannot make so many speakers, with as many as it can.

    Where its own count is not what was asked for, pyannote clusters with k-means, which refuses
    to make more clusters than there are embeddings: up to three in a clip of 10 s.
    """
    with warnings.catch_warnings():
        # About the number of speakers, which ours say, and about arithmetic on short clips.
        warnings.simplefilter("ignore")
        try:
            return run(**speakers)
        except ValueError as error:
            few = _TOO_FEW_EMBEDDINGS.search(str(error))
            if few is None:
                raise
            most = int(few[1])
            lowered = {
                name: most if wanted and name != "max_speakers" else wanted
                for name, wanted in speakers.items()
            }
        return run(**lowered)


def _with_linkage(stock: Callable[..., Any], limits: Limits) -> Callable[..., Any]:
    """A method like ``stock`` in which the name ``linkage`` means ours."""
    assert isinstance(stock, FunctionType)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        linkage = partial(_linkage, threshold=self.threshold, limits=limits, plain=stock)
        function = FunctionType(
            stock.__code__,
            {**stock.__globals__, "linkage": linkage},
            stock.__name__,
            stock.__defaults__,
            stock.__closure__,
        )
        function.__kwdefaults__ = stock.__kwdefaults__
        return function(self, *args, **kwargs)

    return method


def _linkage(
    embeddings: Points,
    method: str,
    metric: str,
    *,
    threshold: float,
    limits: Limits,
    plain: FunctionType,
) -> Dendrogram:
    """In place of scipy's, with what pyannote hands to it."""
    if method != "centroid" or metric != "euclidean":
        return np.asarray(plain.__globals__["linkage"](embeddings, method=method, metric=metric))
    threads = torch.get_num_threads()
    if len(embeddings) <= limits.linked:
        return centroid_linkage(embeddings, threads)
    log.info("%d embeddings are clustered by parts", len(embeddings))
    return split_linkage(
        embeddings,
        threshold,
        part_size=limits.linked // 4,
        most_in_parts=limits.linked * 3 // 4,
        most_clusters=limits.clusters,
        threads=threads,
    )
