"""Centroid linkage: equal to scipy's, and the linkage by parts held against it."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, is_valid_linkage, linkage

from engine.linkage import Dendrogram, Points, centroid_linkage, split_linkage


def gathered(count: int, clusters: int, spread: float, seed: int = 0) -> tuple[Points, np.ndarray]:
    """Points of length 1 about so many directions, and which they belong to."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((clusters, 32))
    owners = random.integers(clusters, size=count)
    points = centres[owners] + spread * random.standard_normal((count, 32))
    return points / np.linalg.norm(points, axis=1, keepdims=True), owners


def cut(dendrogram: Dendrogram, threshold: float) -> set[frozenset[int]]:
    """The clusters at a threshold, as sets of points."""
    labels = fcluster(dendrogram, threshold, criterion="distance")
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def stock(points: Points) -> Dendrogram:
    return np.asarray(linkage(points, method="centroid", metric="euclidean"))


def split(
    points: Points, threshold: float, part_size: int, in_parts: int = 10**6, most: int = 10**6
) -> Dendrogram:
    return split_linkage(
        points, threshold, part_size=part_size, most_in_parts=in_parts, most_clusters=most
    )


@pytest.mark.parametrize("count", [2, 127, 256, 257, 384, 700])
@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_it_is_scipys_bit_for_bit(count: int, threads: int, kind: type) -> None:
    points: Points = gathered(count, 4, 0.5)[0].astype(kind)
    assert np.array_equal(centroid_linkage(points, threads), stock(points))


@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_not_finite_is_refused_as_by_scipy(threads: int) -> None:
    points = gathered(300, 4, 0.5)[0]
    points[7] = np.nan
    with pytest.raises(ValueError, match="finite"):
        centroid_linkage(points, threads)


@settings(deadline=None)
@given(
    count=st.integers(2, 60),
    clusters=st.integers(1, 6),
    spread=st.floats(0.05, 2.0),
    threshold=st.floats(0.05, 1.5),
    seed=st.integers(0, 1000),
)
def test_one_part_has_scipys_clusters(
    count: int, clusters: int, spread: float, threshold: float, seed: int
) -> None:
    points = gathered(count, clusters, spread, seed)[0]
    whole = split(points, threshold, part_size=count)
    assert cut(whole, threshold) == cut(stock(points), threshold)


@settings(deadline=None)
@given(
    count=st.integers(2, 60),
    clusters=st.integers(1, 6),
    spread=st.floats(0.05, 2.0),
    threshold=st.floats(0.05, 1.5),
    seed=st.integers(0, 1000),
)
def test_parts_of_one_point_have_scipys_clusters(
    count: int, clusters: int, spread: float, threshold: float, seed: int
) -> None:
    # Nothing is joined within the parts, so all of it is the linkage of what has a weight.
    points = gathered(count, clusters, spread, seed)[0]
    parts = split(points, threshold, part_size=1)
    assert cut(parts, threshold) == cut(stock(points), threshold)


@settings(deadline=None)
@given(
    count=st.integers(2, 80),
    part_size=st.integers(1, 80),
    spread=st.floats(0.05, 2.0),
    threshold=st.floats(0.05, 1.5),
    in_parts=st.integers(1, 80),
    most=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_it_is_a_dendrogram_with_no_more_clusters_than_allowed(
    count: int,
    part_size: int,
    spread: float,
    threshold: float,
    in_parts: int,
    most: int,
    seed: int,
) -> None:
    points = gathered(count, 5, spread, seed)[0]
    dendrogram = split(points, threshold, part_size, in_parts, most)
    assert is_valid_linkage(dendrogram)
    assert dendrogram.shape == (count - 1, 4)
    clusters = cut(dendrogram, threshold)
    assert len(clusters) <= most
    assert sum(map(len, clusters)) == count
    # The counts are those of the points below: what a join says is what a cut there gives.
    names: list[frozenset[int]] = [frozenset([point]) for point in range(count)]
    for one, other, _, size in dendrogram:
        names.append(names[int(one)] | names[int(other)])
        assert len(names[-1]) == size
    # A cut at the threshold takes a beginning of the joins: pyannote counts on their order.
    heights = dendrogram[:, 2]
    below = np.count_nonzero(heights <= threshold)
    assert np.all(heights[:below] <= threshold)
    assert len(clusters) == count - below


@pytest.mark.parametrize("part_size", [10, 37, 100, 400])
def test_well_separated_speakers_are_found_whatever_the_parts(part_size: int) -> None:
    points, owners = gathered(400, 6, 0.15)
    expected = {frozenset(np.flatnonzero(owners == owner).tolist()) for owner in range(6)}
    assert cut(stock(points), 0.6) == expected
    assert cut(split(points, 0.6, part_size), 0.6) == expected


@pytest.mark.parametrize("part_size", [100, 1000])
def test_too_many_clusters_join_their_nearest_and_large_ones_stay_apart(part_size: int) -> None:
    # Six crowds, closer to each other than most loose points are to anything.
    random = np.random.default_rng(0)
    axes = np.eye(32)
    crowds = np.repeat(axes[0] + 0.2 * axes[1:7], 60, axis=0)
    crowds += 0.01 * random.standard_normal(crowds.shape)
    loose = axes[0] + 0.3 * random.standard_normal((100, 32))
    order = random.permutation(460)
    points = np.concatenate([crowds, loose])[order]
    crowd_of = np.where(order < 360, order // 60, -1)

    assert len(cut(stock(points), 0.2)) > 50
    clusters = cut(split(points, 0.2, part_size, most=6), 0.2)
    held = sorted(sorted({int(crowd_of[point]) for point in group} - {-1}) for group in clusters)
    assert held == [[crowd] for crowd in range(6)]


def test_memory_does_not_grow_with_the_square_of_the_points() -> None:
    points = gathered(6000, 4, 0.3)[0]
    tracemalloc.start()
    try:
        split(points, 0.6, part_size=500)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6000 * 5999 / 2 * 8 / 4
