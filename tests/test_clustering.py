"""Clustering by parts: pyannote's own, number for number, up to the limit; beyond it as good."""

from __future__ import annotations

import logging
import tracemalloc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pyannote.audio.core.plda import PLDA
from pyannote.audio.pipelines.clustering import (
    AgglomerativeClustering,
    KMeansClustering,
    VBxClustering,
)
from scipy.optimize import linear_sum_assignment

from engine.clustering import Limits, install
from tests.models import SPEAKERS_MODEL
from tests.synthetic_speakers import Recording, recording

FRAMES = 60
PLDA_FOLDER = SPEAKERS_MODEL / "plda"


def made(minutes: float, speakers: int, looseness: float = 1.0, seed: int = 0) -> Recording:
    return recording(
        PLDA_FOLDER, minutes * 60, speakers, frames=FRAMES, looseness=looseness, seed=seed
    )


def vbx() -> Any:
    plda = PLDA(PLDA_FOLDER / "xvec_transform.npz", PLDA_FOLDER / "plda.npz")
    return VBxClustering(plda).instantiate({"threshold": 0.6, "Fa": 0.07, "Fb": 0.8})


def agglomerative(method: str = "centroid") -> Any:
    return AgglomerativeClustering().instantiate(
        {"method": method, "threshold": 0.6, "min_cluster_size": 8}
    )


def split(clustering: Any, limits: Limits | None = None) -> Any:
    """The same, with ours installed."""
    assert install(SimpleNamespace(clustering=clustering), limits)
    return clustering


def clustered(clustering: Any, found: Recording, **speakers: int | None) -> Any:
    """Labels, scores and centroids, as pyannote's pipeline asks for them."""
    wanted = {"num_clusters": None, "min_clusters": 1, "max_clusters": np.inf, **speakers}
    return clustering(found.embeddings.copy(), segmentations=found.segmentations, **wanted)


def agreement(found: Recording, one: np.ndarray, other: np.ndarray) -> float:
    """The share of local speakers with the same label, under the best renaming."""
    there = found.speakers >= 0
    table = np.zeros((30, 30))
    np.add.at(table, (one[there] + 2, other[there] + 2), 1)  # -2 is nobody's
    return float(table[linear_sum_assignment(-table)].sum() / there.sum())


@pytest.mark.parametrize(
    "speakers",
    [
        {},
        {"num_clusters": 3, "min_clusters": 3, "max_clusters": 3},
        {"num_clusters": 6, "min_clusters": 6, "max_clusters": 6},
        {"min_clusters": 7},
        {"max_clusters": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [vbx, agglomerative])
def test_up_to_the_limit_it_is_pyannotes_own(kind: Any, speakers: dict[str, int]) -> None:
    found = made(8, 4)
    ours = clustered(split(kind()), found, **speakers)
    stock = clustered(kind(), found, **speakers)
    assert len(set(stock[0].ravel())) > 1
    for one, other in zip(ours, stock, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other, equal_nan=True)


@pytest.mark.parametrize("speakers", [2, 5, 8])
@pytest.mark.parametrize("looseness", [0.5, 1.0, 2.0])
def test_beyond_the_limit_speakers_are_the_same(
    speakers: int, looseness: float, caplog: pytest.LogCaptureFixture
) -> None:
    found = made(20, speakers, looseness, seed=speakers)
    with caplog.at_level(logging.INFO):
        labels, _, centroids = clustered(split(vbx(), Limits(linked=600)), found)
    assert [message.endswith("are clustered by parts") for message in caplog.messages] == [True]
    expected, _, expected_centroids = clustered(vbx(), found)
    assert len(centroids) == len(expected_centroids) == speakers
    assert agreement(found, labels, expected) > 0.995
    assert agreement(found, labels, found.speakers) > 0.97


@pytest.mark.parametrize("wanted", [None, 3])
def test_beyond_the_limit_agglomerative_clustering_finds_them_too(wanted: int | None) -> None:
    found = made(20, 5)
    forced = {"num_clusters": wanted, "min_clusters": wanted, "max_clusters": wanted}
    speakers = forced if wanted else {}
    labels, _, centroids = clustered(split(agglomerative(), Limits(linked=600)), found, **speakers)
    expected, _, _ = clustered(agglomerative(), found, **speakers)
    assert len(centroids) == (wanted or 5)
    assert wanted or agreement(found, labels, expected) > 0.995


def test_beyond_the_limit_a_number_of_speakers_can_be_asked_for() -> None:
    found = made(20, 5)
    labels, _, _ = clustered(
        split(vbx(), Limits(linked=600)), found, num_clusters=3, min_clusters=3, max_clusters=3
    )
    assert set(labels[found.speakers >= 0]) == {0, 1, 2}


def test_scattered_embeddings_start_from_no_more_clusters_than_allowed() -> None:
    found = made(10, 4, looseness=30.0)
    tracemalloc.start()
    try:
        clustered(split(vbx(), Limits(linked=100, clusters=20)), found)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        clustered(vbx(), found)
        stock_peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < stock_peak / 4


def test_other_methods_are_left_to_scipy() -> None:
    found = made(3, 3)
    ours = clustered(split(agglomerative("average"), Limits(linked=10)), found)
    stock = clustered(agglomerative("average"), found)
    assert np.array_equal(ours[0], stock[0])


def test_what_links_nothing_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    clustering = KMeansClustering()
    assert not install(SimpleNamespace(clustering=clustering))
    assert type(clustering) is KMeansClustering
    assert caplog.messages == []


def test_installing_twice_is_installing_once() -> None:
    clustering = split(vbx())
    kind = type(clustering)
    assert install(SimpleNamespace(clustering=clustering))
    assert type(clustering) is kind


def test_a_changed_pyannote_switches_it_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def changed(self: Any, embeddings: Any, **options: Any) -> Any:
        return "another version's"

    monkeypatch.setattr(VBxClustering, "__call__", changed)
    clustering = vbx()
    with caplog.at_level(logging.WARNING):
        assert not install(SimpleNamespace(clustering=clustering))
    assert type(clustering) is VBxClustering
    assert clustering(np.empty(0)) == "another version's"
    (message,) = caplog.messages
    assert message == "clustering by parts is off: VBxClustering.__call__ changed in the library"
