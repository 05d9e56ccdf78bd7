"""One pass for each chunk gives the embeddings that pyannote gets from one for each speaker."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pyannote.core import SlidingWindow, SlidingWindowFeature

from engine.chunks import Array
from engine.diarization_stages import Stages, stages_of
from engine.recorded import Samples
from tests.models import RATE_HZ, read_conversation
from tests.speaker_pipelines import as_file, load_pipeline, speech_with_a_pause, track_of

WINDOWS = SlidingWindow(start=0.0, duration=10.0, step=1.0)


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return load_pipeline()


@pytest.fixture(scope="module")
def stages(pipeline: Any) -> Stages:
    found = stages_of(pipeline, "exact")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def speech() -> Samples:
    return read_conversation()[: int(18.5 * RATE_HZ)]  # the last of ten chunks is filled up


def stock_embeddings(pipeline: Any, samples: Samples, active: Array, at_once: int) -> Array:
    """What pyannote computes, with so many (chunk, speaker) pairs in a pass."""
    pipeline.embedding_batch_size = at_once
    feature = SlidingWindowFeature(active.copy(), WINDOWS)
    return np.asarray(
        pipeline.get_embeddings(as_file(samples), feature, pipeline.embedding_exclude_overlap)
    )


def our_embeddings(stages: Stages, samples: Samples, active: Array, at_once: int) -> Array:
    """What we compute: the wanted chunks only, so many in a pass."""
    track = track_of(samples, stages)
    wanted = stages.embeddings.wanted(active)
    forward = stages.embeddings.forward({track: active}, at_once)
    found = list(forward([(track, index) for index in wanted])) if len(wanted) else []
    return stages.embeddings.complete(active, wanted, found)


def segmented(pipeline: Any, samples: Samples) -> Array:
    return np.asarray(pipeline.get_segmentations(as_file(samples)).data)


def odd_activity(frames: int) -> Array:
    """Ten chunks: overlap, silence, NaN, and speech alone around the least that is enough."""
    active = (np.random.default_rng(0).random((10, frames, 3)) > 0.6).astype(np.float32)
    active[1] = 0.0  # nobody
    active[2, :, 1:] = active[2, :, :1]  # nothing but overlap
    active[3] = 0.0
    active[3, 50:, 0] = 1.0  # one speaker
    for chunk, alone in ((4, 1), (5, 2), (6, 3)):  # 400 samples are a frame and a half
        active[chunk] = 0.0
        active[chunk, 100:200, 0] = active[chunk, 100 + alone :, 1] = 1.0
    active[7, 40:80] = np.nan
    active[8, :, 2] = np.nan
    active[9] = np.nan
    return active


@pytest.mark.parametrize(("at_once", "chunks"), [(1, 5), (2, 6), (5, 10), (8, 16), (32, 32)])
def test_the_numbers_are_the_same(pipeline: Any, stages: Stages, at_once: int, chunks: int) -> None:
    speech = read_conversation()[: int((chunks + 8.5) * RATE_HZ)]
    active = segmented(pipeline, speech)
    stock = stock_embeddings(pipeline, speech, active, at_once)
    assert active.any(axis=1).sum() > len(active)  # more than one speaker in some chunks
    np.testing.assert_array_equal(our_embeddings(stages, speech, active, at_once), stock)


def test_other_batches_are_equal_but_for_rounding(
    pipeline: Any, stages: Stages, speech: Samples
) -> None:
    active = segmented(pipeline, speech)
    stock = stock_embeddings(pipeline, speech, active, 32)
    length = np.linalg.norm(stock, axis=2).max()
    ours = our_embeddings(stages, speech, active, 2)
    np.testing.assert_allclose(ours / length, stock / length, rtol=0, atol=5e-7)


@pytest.mark.parametrize("exclude_overlap", [True, False])
def test_odd_activity_is_pooled_by_the_same_rule(speech: Samples, exclude_overlap: bool) -> None:
    pipeline = load_pipeline()
    pipeline.embedding_exclude_overlap = exclude_overlap
    stages = stages_of(pipeline, "exact")
    assert stages is not None
    active = odd_activity(294)
    stock = stock_embeddings(pipeline, speech, active, 5)
    np.testing.assert_array_equal(our_embeddings(stages, speech, active, 5), stock)
    # The rule has something to decide here: one frame alone is too few, two are enough.
    frames = stages.embeddings.masks(torch.from_numpy(active[4:6])).sum(dim=2)[:, 0]
    assert frames.tolist() == ([100.0, 2.0] if exclude_overlap else [100.0, 100.0])


def test_chunks_without_speech_need_no_pass(pipeline: Any, stages: Stages) -> None:
    samples = speech_with_a_pause()
    active = segmented(pipeline, samples)
    heard: list[int] = []
    counter = stages.embeddings.network.conv1.register_forward_pre_hook(
        lambda _network, inputs: heard.append(len(inputs[0]))
    )
    ours = our_embeddings(stages, samples, active, 5)
    counter.remove()
    assert sum(heard) == active.any(axis=(1, 2)).sum() < len(active) - 10
    np.testing.assert_array_equal(ours, stock_embeddings(pipeline, samples, active, 5))


def test_nobody_at_all_needs_no_pass(pipeline: Any, stages: Stages, speech: Samples) -> None:
    active = np.zeros((10, 294, 3), dtype=np.float32)
    assert len(stages.embeddings.wanted(active)) == 0
    np.testing.assert_array_equal(
        our_embeddings(stages, speech, active, 5), stock_embeddings(pipeline, speech, active, 5)
    )


def test_segmentations_are_the_same(pipeline: Any, stages: Stages, speech: Samples) -> None:
    track = track_of(speech, stages)
    ours = stages.segmentation([(track, index) for index in range(track.count)])
    np.testing.assert_array_equal(ours, segmented(pipeline, speech))


@pytest.mark.parametrize("samples", [1, 159_999, 160_000, 160_001, 176_000, 176_001, 200_000])
def test_recordings_are_cut_as_pyannote_cuts_them(
    pipeline: Any, stages: Stages, samples: int
) -> None:
    speech = read_conversation()[:samples]
    assert track_of(speech, stages).count == len(segmented(pipeline, speech))


def test_what_is_not_finite_is_silence(stages: Stages) -> None:
    samples = np.array([0.5, np.nan, np.inf, -np.inf, 0.25], dtype=np.float32)
    track = track_of(samples, stages)
    torch.testing.assert_close(
        track.waveform(0, 0)[:6], torch.tensor([0.5, 0.0, 0.0, 0.0, 0.25, 0.0]), rtol=0, atol=0
    )
    assert np.isnan(samples[1])  # the caller's array is left alone
