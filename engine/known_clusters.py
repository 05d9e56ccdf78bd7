"""Clusters that know some voices: what pyannote has mixed up of known speakers is put right.

pyannote clusters the voices of a recording without knowing any of them. Where some are known, what
a chunk's speaker says can be compared with them: pieces that are clearly one known voice go
together. So a known speaker who was taken for two becomes one, and one who was thrown together with
somebody else is found. Whatever is not clearly a known voice stays where pyannote has put it.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import Any, Final

import numpy as np

from engine.chunks import Array
from engine.voice_matching import Rule
from engine.voice_speech import unit

LEAST_PIECE_S: Final = 1.0
"""Of speech alone in a chunk: less is not compared."""
LEAST_S: Final = 3.0
"""A speaker of less than this, counted once for each of the chunks that hear it, is no speaker."""
MOST_OF_IT: Final = 0.5
"""Where so much of a cluster is a known voice, the rest of it is, too."""


def knowing(pipeline: Any, voiceprints: Array, rule: Rule) -> Any:
    """A copy of a pipeline that shares everything with it but the clustering.

    Args:
        pipeline: A ``pyannote.audio.pipelines.SpeakerDiarization``.
        voiceprints: Of known speakers, of length 1, (names, dimension).
        rule: When two voices are one person's.
    """
    copied = copy.copy(pipeline)
    # Not as an attribute: pipelines inside pipelines are held in a dictionary, which is shared.
    vars(copied)["clustering"] = partial(_cluster, pipeline.clustering, voiceprints, rule)
    return copied


def _cluster(
    stock: Any,
    voiceprints: Array,
    rule: Rule,
    *,
    embeddings: Array,
    segmentations: Any,
    **others: Any,
) -> tuple[Array, Array, Array]:
    """In place of a clustering's ``__call__``."""
    # A copy: k-means scales what it is given.
    hard, soft, centroids = stock(
        embeddings=embeddings.copy(), segmentations=segmentations, **others
    )
    window_s = segmentations.sliding_window.duration
    spoken_s = seconds_alone(segmentations.data, window_s)
    found = rearranged(hard, embeddings, spoken_s, voiceprints, rule)
    if not _within(found, spoken_s, **others):
        return hard, soft, centroids
    # apply() looks up the centroid of each cluster; ours are worked out later (engine/voices.py).
    missing = max(0, int(found.max()) + 1 - len(centroids))
    return found, soft, np.pad(centroids, ((0, missing), (0, 0)))


def seconds_alone(segmentations: Array, window_s: float) -> Array:
    """How long each local speaker of each chunk speaks alone, (chunks, local speakers)."""
    active = np.nan_to_num(segmentations) > 0
    by_themselves = active & (active.sum(axis=2, keepdims=True) == 1)
    return np.asarray(by_themselves.mean(axis=1) * window_s)


def rearranged(
    hard: Array, embeddings: Array, spoken_s: Array, voiceprints: Array, rule: Rule
) -> Array:
    """The clusters after known voices have been heard in them.

    Args:
        hard: The cluster of each local speaker of each chunk, (chunks, local speakers); negative
            for nobody.
        embeddings: Of these, (chunks, local speakers, dimension).
        spoken_s: How long each of them speaks alone, of the same shape as ``hard``.
        voiceprints: Of length 1, (names, dimension).
        rule: When two voices are one person's.

    Returns:
        Of the same shape as ``hard``.
    """
    heard = _heard(embeddings, spoken_s, voiceprints, rule)
    heard[hard < 0] = -1
    clusters, names = int(hard.max()) + 1, len(voiceprints)
    compared = (hard >= 0) & (spoken_s >= LEAST_PIECE_S)
    total_s = np.bincount(hard[compared], spoken_s[compared], clusters)
    known_s = np.zeros((clusters, names))
    np.add.at(known_s, (hard[heard >= 0], heard[heard >= 0]), spoken_s[heard >= 0])
    rest_s = total_s - known_s.sum(axis=1)
    owned = (known_s.max(axis=1) >= MOST_OF_IT * total_s) | (rest_s < LEAST_S)
    owned &= known_s.max(axis=1) > 0
    owner = np.where(owned, known_s.argmax(axis=1), -1)
    found = hard.astype(np.int64)
    for name in range(names):
        pieces, whole = heard == name, np.isin(hard, np.flatnonzero(owner == name))
        if known_s[:, name].sum() < LEAST_S and not whole.any():
            continue
        target = clusters + name
        found[pieces | (whole & (heard < 0))] = target
    return _numbered(found)


def _heard(embeddings: Array, spoken_s: Array, voiceprints: Array, rule: Rule) -> Array:
    """Which known voice each local speaker of each chunk clearly is; -1 for none."""
    # NaN too where the network was not run: nobody speaks.
    scores = np.nan_to_num(unit(embeddings.astype(np.float64)) @ voiceprints.T, nan=-1.0)
    best = scores.argmax(axis=2)
    ranked = np.sort(scores, axis=2)
    like = ranked[:, :, -1]
    clear = (like >= rule.threshold) & (spoken_s >= LEAST_PIECE_S)
    if len(voiceprints) > 1:
        clear &= like - ranked[:, :, -2] >= rule.margin
    # Two who speak in one chunk are not one person: the name is that of the more alike.
    rank = np.where(clear, like, -np.inf)
    same = best[:, :, None] == best[:, None, :]
    clear &= ~(same & (rank[:, None, :] > rank[:, :, None])).any(axis=2)
    return np.where(clear, best, -1)


def _numbered(found: Array) -> Array:
    """The same clusters, by number from 0; nobody stays nobody."""
    numbers = {cluster: index for index, cluster in enumerate(np.unique(found[found >= 0]))}
    return np.array([[numbers.get(one, one) for one in row] for row in found])


def _within(
    found: Array,
    spoken_s: Array,
    num_clusters: int | None = None,
    min_clusters: int | None = None,
    max_clusters: int | None = None,
    **_others: Any,
) -> bool:
    """Whether as many speakers are left as the caller says that there are."""
    count = len(np.unique(found[(found >= 0) & (spoken_s > 0)]))
    least = num_clusters or min_clusters or 1
    most = num_clusters or max_clusters or np.inf
    return bool(least <= count <= most)
