"""The quick reconstruction: equal to pyannote's functions, whatever comes in."""

from __future__ import annotations

import logging
import os
import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyannote.audio import Pipeline
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import SlidingWindow, SlidingWindowFeature

from engine.reconstruction import install
from tests.models import RATE_HZ, SPEAKERS_MODEL
from tests.synthetic_speakers import recording


def load() -> Any:
    os.environ["PYANNOTE_METRICS_ENABLED"] = "false"  # as Diarizer.load() does
    return Pipeline.from_pretrained(SPEAKERS_MODEL)


@pytest.fixture(scope="module")
def stock() -> Any:
    return load()


@pytest.fixture(scope="module")
def quick() -> Any:
    pipeline = load()
    assert install(pipeline)
    return pipeline


@st.composite
def segmentations(draw: st.DrawFn) -> tuple[Any, Any]:
    """Overlapping chunks of zeros and ones, and the frames that they are made of."""
    frames = draw(st.integers(2, 40))
    step_s = draw(st.sampled_from([0.01, 0.016875, 0.03375, 0.1]))
    resolution = SlidingWindow(start=0.0, duration=step_s * draw(st.floats(1.0, 4.0)), step=step_s)
    chunks = SlidingWindow(
        start=draw(st.sampled_from([0.0, 1.5])),
        duration=frames * step_s,
        step=frames * step_s * draw(st.sampled_from([0.1, 0.26, 0.5, 1.0])),
    )
    shape = (draw(st.integers(1, 25)), frames, draw(st.integers(1, 4)))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    # Runs, as speech has them, and some of the shortest possible.
    blocks = random.random((shape[0], -(-frames // 4), shape[2])) < draw(st.floats(0.0, 1.0))
    data = np.repeat(blocks, 4, axis=1)[:, :frames] ^ (random.random(shape) < 0.05)
    kind = draw(st.sampled_from([np.float32, np.float64]))
    return SlidingWindowFeature(data.astype(kind), chunks), resolution


def same(one: Any, other: Any) -> bool:
    """Whether two features are the same numbers of the same type at the same times."""
    return bool(
        one.data.dtype == other.data.dtype
        and np.array_equal(one.data, other.data, equal_nan=True)
        and times(one.sliding_window) == times(other.sliding_window)
    )


def times(window: Any) -> tuple[float, float, float]:
    return window.start, window.duration, window.step


def tracks(annotation: Any) -> list[tuple[float, float, Any, Any]]:
    return [(s.start, s.end, track, label) for s, track, label in annotation.itertracks(True)]


@settings(deadline=None)
@given(made=segmentations(), data=st.data())
def test_every_step_is_pyannotes(stock: Any, quick: Any, made: tuple[Any, Any], data: Any) -> None:
    segmented, frames = made
    ours = quick.speaker_count(segmented, frames, warm_up=(0.0, 0.0))
    count = stock.speaker_count(segmented, frames, warm_up=(0.0, 0.0))
    assert same(ours, count)

    most = data.draw(st.integers(1, 4))
    clusters = data.draw(st.integers(1, 6))
    seed = data.draw(st.integers(0, 10_000))
    chunks, _, speakers = segmented.data.shape
    hard = np.random.default_rng(seed).integers(-1, clusters, size=(chunks, speakers))
    hard = np.where(hard == -1, -2, hard).astype(np.int8)
    hard[0, 0] = clusters - 1
    count.data = np.minimum(count.data, most).astype(np.int8)
    binary = quick.reconstruct(segmented, hard, count)
    expected = stock.reconstruct(segmented, hard, count)
    assert same(binary, expected)

    pause_s = data.draw(st.sampled_from([0.0, 0.05, 0.4]))
    assert tracks(quick.to_annotation(binary, min_duration_off=pause_s)) == tracks(
        stock.to_annotation(expected, min_duration_off=pause_s)
    )


@settings(deadline=None)
@given(
    frames=st.integers(2, 40),
    speakers=st.integers(1, 4),
    share=st.floats(0.0, 1.0),
    pause_s=st.sampled_from([0.0, 0.03, 0.1]),
    seed=st.integers(0, 10_000),
)
def test_turns_are_pyannotes_to_the_last_frame(
    stock: Any, quick: Any, frames: int, speakers: int, share: float, pause_s: float, seed: int
) -> None:
    data = np.random.default_rng(seed).random((frames, speakers)) < share
    window = SlidingWindow(start=0.5, duration=0.06, step=0.016875)
    scores = SlidingWindowFeature(data.astype(np.float32), window)
    assert tracks(quick.to_annotation(scores, 0.0, pause_s)) == tracks(
        stock.to_annotation(scores, 0.0, pause_s)
    )


@settings(deadline=None)
@given(made=segmentations(), seed=st.integers(0, 10_000), part=st.sampled_from([0.0, 0.1]))
def test_what_is_not_zeros_and_ones_is_left_to_pyannote(
    stock: Any, quick: Any, made: tuple[Any, Any], seed: int, part: float
) -> None:
    segmented, frames = made
    random = np.random.default_rng(seed)
    soft = SlidingWindowFeature(random.random(segmented.data.shape), segmented.sliding_window)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a chunk is too short for what is cut off
        count = stock.speaker_count(segmented, frames, warm_up=(part, part))
        assert same(quick.speaker_count(segmented, frames, warm_up=(part, part)), count)
    count = stock.speaker_count(segmented, frames, warm_up=(0.0, 0.0))
    hard = random.integers(0, 3, size=soft.data.shape[::2]).astype(np.int8)
    ours = quick.reconstruct(soft, hard, count)
    assert same(ours, stock.reconstruct(soft, hard, count))
    scores = SlidingWindowFeature(random.random((50, 3)), frames)
    assert tracks(quick.to_annotation(scores)) == tracks(stock.to_annotation(scores))
    shortest = {"min_duration_on": 0.05}
    assert tracks(quick.to_annotation(ours, **shortest)) == tracks(
        stock.to_annotation(ours, **shortest)
    )


@pytest.mark.parametrize("speakers", [None, 2, 5])
def test_a_whole_recording_has_pyannotes_turns(
    stock: Any, quick: Any, speakers: int | None
) -> None:
    frames = stock._segmentation.model.num_frames(10 * RATE_HZ)
    found = recording(SPEAKERS_MODEL / "plda", 300, 4, frames=frames, looseness=1.0, seed=0)
    outputs = []
    for pipeline in (stock, quick):
        # In place of the networks.
        pipeline.get_segmentations = lambda *_args, **_options: found.segmentations
        pipeline.get_embeddings = lambda *_args, **_options: found.embeddings.copy()
        file = {"waveform": torch.zeros(1, 16), "sample_rate": RATE_HZ, "uri": "recording"}
        outputs.append(pipeline.apply(file, num_speakers=speakers))
    expected, ours = outputs
    assert len(expected.speaker_diarization) > 20
    for name in ("speaker_diarization", "exclusive_speaker_diarization"):
        assert tracks(getattr(ours, name)) == tracks(getattr(expected, name))
    assert np.array_equal(ours.speaker_embeddings, expected.speaker_embeddings)


def test_no_array_of_chunks_by_frames_by_clusters_is_made(quick: Any) -> None:
    data = np.zeros((600, 294, 3), dtype=np.float32)
    data[:, :100] = 1
    segmented = SlidingWindowFeature(data, SlidingWindow(start=0.0, duration=10.0, step=1.0))
    frames = quick._segmentation.model.receptive_field
    count = quick.speaker_count(segmented, frames, warm_up=(0.0, 0.0))
    hard = np.tile(np.array([0, 1, 19], dtype=np.int8), (600, 1))
    tracemalloc.start()
    try:
        quick.reconstruct(segmented, hard, count)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 600 * 294 * 20 * 8 / 2


def test_a_changed_pyannote_switches_it_off(caplog: pytest.LogCaptureFixture) -> None:
    class Changed(SpeakerDiarization):
        def reconstruct(self, *args: Any) -> Any:
            return super().reconstruct(*args)

    pipeline = load()
    pipeline.__class__ = Changed
    with caplog.at_level(logging.WARNING):
        assert not install(pipeline)
    assert type(pipeline) is Changed
    (message,) = caplog.messages
    assert message.startswith("the quick reconstruction is off: SpeakerDiarization.reconstruct ")


def test_installing_twice_is_installing_once(quick: Any, caplog: pytest.LogCaptureFixture) -> None:
    kind = type(quick)
    assert install(quick)
    assert type(quick) is kind
    assert caplog.messages == []


def test_another_kind_of_pipeline_stays_as_it_is() -> None:
    pipeline = object()
    assert not install(pipeline)
