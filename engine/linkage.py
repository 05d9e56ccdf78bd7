"""Centroid linkage of many points: as scipy does it, quicker; and in parts, for hours.

Centroid linkage joins the two nearest clusters, again and again, until one is left. Cut at a
threshold, it is what stood when even the nearest two were further apart than that. It looks at
every pair of points: N (N - 1) / 2 distances, which are twice in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from scipy.cluster.hierarchy import linkage, maxdists
from scipy.spatial.distance import cdist, pdist, squareform

Points = np.ndarray[tuple[int, int], np.dtype[np.float64]]
Dendrogram = np.ndarray[tuple[int, int], np.dtype[np.float64]]
"""Shape (points - 1, 4), as scipy's: two clusters that are joined, their distance, and the number
of points in both together. Cluster i is point i, or what row i - points has made."""

_BLOCK_ROWS: Final = 128


def centroid_linkage(points: Points, threads: int = 1) -> Dendrogram:
    """``scipy.cluster.hierarchy.linkage(points, "centroid", "euclidean")``, bit for bit.

    Two thirds of its time go to the distances, which several threads compute here.

    Args:
        points: Shape (points, dimension), at least two.
        threads: How many.

    Raises:
        ValueError: There are fewer than two points, or some are not finite.
    """
    if threads < 2 or len(points) < 2 * _BLOCK_ROWS:
        return np.asarray(linkage(points, method="centroid", metric="euclidean"))
    return np.asarray(linkage(_distances(points, threads), method="centroid"))


def split_linkage(
    points: Points,
    threshold: float,
    *,
    part_size: int,
    most_in_parts: int,
    most_clusters: int,
    threads: int = 1,
) -> Dendrogram:
    """A dendrogram like ``centroid_linkage``'s, in memory and time that grow with the points.

    Consecutive points are joined up to the threshold, part by part. What stands then goes on by
    the same rule, centroids with the weight of the points behind them. Only the order of the joins
    differs, and with it what lies near the threshold.

    Args:
        points: Shape (points, dimension), in the order of time.
        threshold: Where the dendrogram will be cut.
        part_size: How many points are looked at together.
        most_in_parts: How many clusters there may be in all parts before they are joined: they are
            looked at together too. Where there are more, the smallest join their nearest others.
        most_clusters: The same for where the dendrogram is cut.
        threads: For the distances.
    """
    parts = np.array_split(points, -(-len(points) // part_size))
    forests = [_part(part, threshold, threads) for part in parts]
    standing = sum(len(forest.sizes) for forest in forests)
    for forest in forests:
        share = max(1, len(forest.sizes) * most_in_parts // standing)
        forest.join(_absorption(forest, share, threshold))

    joins = [np.vstack(forest.rows)[:, :3] for forest in forests]
    forest = _Forest(points)
    forest.join(_in_one([len(part) for part in parts], joins))
    forest.join(_weighted_linkage(forest.centroids, forest.sizes, threshold))
    forest.join(_absorption(forest, most_clusters, threshold))
    rest = _weighted_linkage(forest.centroids, forest.sizes, np.inf)
    # Once above, a centroid can come nearer again; the cut must not take that for a join below.
    np.maximum(rest[:, 2], np.nextafter(threshold, np.inf), out=rest[:, 2])
    forest.join(rest)
    return np.vstack(forest.rows)


def _distances(points: Points, threads: int) -> np.ndarray:
    """``pdist(points)``: the distance of each pair once, shape (N (N - 1) / 2,)."""
    points = np.ascontiguousarray(points, dtype=np.float64)
    count = len(points)
    distances = np.empty(count * (count - 1) // 2)

    def fill(first: int) -> None:
        rows = cdist(points[first : first + _BLOCK_ROWS], points[first:])
        for row, values in enumerate(rows):
            index = first + row
            begin = index * count - index * (index + 1) // 2
            distances[begin : begin + count - 1 - index] = values[row + 1 :]

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, range(0, count, _BLOCK_ROWS)))
    return distances


class _Forest:
    """Clusters of points in the making.

    Joins have the shape (joins, 3): two clusters and their distance. In what is handed in, a number
    is a place among the clusters that stand, and beyond them a place among the new joins.

    Attributes:
        centroids: Of the clusters that stand, shape (clusters, dimension).
        sizes: How many points each has.
        rows: The dendrogram so far.
    """

    def __init__(self, points: Points) -> None:
        self.centroids = np.asarray(points, dtype=np.float64)
        self.sizes = np.ones(len(points))
        self.rows: list[Dendrogram] = []
        self._names = np.arange(len(points))
        self._next_name = len(points)

    def join(self, joins: np.ndarray) -> None:
        """Join clusters, in the order given."""
        standing = len(self.sizes)
        pairs = joins[:, :2].astype(int)
        names = np.concatenate([self._names, self._next_name + np.arange(len(joins))])
        sizes = np.concatenate([self.sizes, np.zeros(len(joins))])
        for place, (one, other) in enumerate(pairs, start=standing):
            sizes[place] = sizes[one] + sizes[other]
        self.rows.append(
            np.column_stack([np.sort(names[pairs], axis=1), joins[:, 2], sizes[standing:]])
        )
        tops = np.arange(len(names))
        for place, pair in zip(reversed(range(standing, len(names))), pairs[::-1], strict=True):
            tops[pair] = tops[place]
        roots, clusters = np.unique(tops[:standing], return_inverse=True)
        sums = np.zeros((len(roots), self.centroids.shape[1]))
        np.add.at(sums, clusters, self.centroids * self.sizes[:, None])
        self.centroids = sums / sizes[roots, None]
        self.sizes = sizes[roots]
        self._names = names[roots]
        self._next_name += len(joins)


def _part(points: Points, threshold: float, threads: int) -> _Forest:
    """One part, joined up to the threshold."""
    forest = _Forest(points)
    if len(points) > 1:
        forest.join(_below(centroid_linkage(points, threads), threshold))
    return forest


def _below(dendrogram: Dendrogram, threshold: float) -> np.ndarray:
    """The joins below the threshold, by height.

    A centroid can come nearer to others by a join, so that a distance is smaller than one that it
    rests on. What counts at a cut is the largest of all below, which takes its place here.
    """
    highest = maxdists(dendrogram)
    order = np.argsort(highest, kind="stable")  # a join still comes after those it rests on
    order = order[: np.count_nonzero(highest <= threshold)]
    points = len(dendrogram) + 1
    names = np.arange(points + len(dendrogram))
    names[points + order] = points + np.arange(len(order))
    return np.column_stack([names[dendrogram[order, :2].astype(int)], highest[order]])


def _in_one(sizes: Sequence[int], parts: Sequence[np.ndarray]) -> np.ndarray:
    """The joins of all parts as joins of the whole, by height."""
    joins = np.vstack(parts)
    order = np.argsort(joins[:, 2], kind="stable")
    places = np.empty(len(order), dtype=int)
    places[order] = np.arange(len(order))
    first_point = first_join = 0
    for size, part in zip(sizes, parts, strict=True):
        own = slice(first_join, first_join + len(part))
        names = np.concatenate([first_point + np.arange(size), sum(sizes) + places[own]])
        joins[own, :2] = names[part[:, :2].astype(int)]
        first_point += size
        first_join += len(part)
    return joins[order]


def _absorption(forest: _Forest, most: int, height: float) -> np.ndarray:
    """Joins that leave the ``most`` largest clusters, each with the small ones nearest to it.

    Not the nearest of all: those are large ones, whose centroids have little noise in them, and
    there is a reason that they are two.
    """
    standing = len(forest.sizes)
    order = np.argsort(-forest.sizes, kind="stable")
    large, small = order[:most], order[most:]
    if not len(small):
        return np.empty((0, 3))
    homes = large[cdist(forest.centroids[small], forest.centroids[large]).argmin(axis=1)]
    joins = np.empty((len(small), 3))
    names = np.arange(standing)  # what each large one is called by now
    for row, (one, other) in enumerate(zip(homes, small, strict=True)):
        joins[row] = names[one], other, height
        names[one] = standing + row
    return joins


def _weighted_linkage(centroids: Points, sizes: np.ndarray, threshold: float) -> np.ndarray:
    """The joins of centroid linkage up to a threshold, of clusters that have sizes already.

    The distance of a joined cluster to each other one follows from those of its two halves
    (Lance and Williams, 1967), here with the squares of distances.
    """
    count = len(centroids)
    squares = squareform(pdist(centroids, "sqeuclidean"))
    np.fill_diagonal(squares, np.inf)
    sizes, names = sizes.copy(), np.arange(count)
    nearest, bounds = squares.argmin(axis=1), squares.min(axis=1)
    # The nearest of a stale row is gone, and its distance is a lower bound: it is looked at when
    # its turn comes, and few turns come.
    stale = np.zeros(count, dtype=bool)
    joins: list[tuple[int, int, float]] = []
    while len(joins) < count - 1:
        one = int(bounds.argmin())
        if stale[one]:
            nearest[one] = squares[one].argmin()
            bounds[one] = squares[one, nearest[one]]
            stale[one] = False
            continue
        square, other = bounds[one], int(nearest[one])
        distance = float(np.sqrt(square))
        if distance > threshold:
            break
        joins.append((names[one], names[other], distance))
        share = sizes[one] / (sizes[one] + sizes[other])
        row = share * squares[one] + (1 - share) * squares[other] - share * (1 - share) * square
        row = np.maximum(row, 0.0)
        row[[one, other]] = np.inf
        squares[one] = squares[:, one] = row
        squares[other] = squares[:, other] = bounds[other] = np.inf
        sizes[one] += sizes[other]
        names[one] = count - 1 + len(joins)
        stale |= (nearest == one) | (nearest == other)
        nearer = row <= bounds
        nearest[nearer], bounds[nearer], stale[nearer] = one, row[nearer], False
        bounds[one], stale[one] = row.min(), True
    return np.asarray(joins, dtype=np.float64).reshape(-1, 3)
