"""Our way is used only for as long as it gives what pyannote's own way gives."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import SlidingWindowFeature
from torch import nn

from engine.diarization_stages import stages_of
from engine.diarizer import Diarizer
from engine.recorded import Samples
from tests.models import RATE_HZ, read_conversation
from tests.speaker_pipelines import load_pipeline, stock_diarization


class OtherMasks(SpeakerDiarization):
    """A version that pools overlapped speech, too."""

    def get_embeddings(
        self, file: Any, binary: Any, exclude_overlap: bool = False, hook: Any = None
    ) -> Any:
        return super().get_embeddings(file, binary, exclude_overlap=False, hook=hook)


class OtherThreshold(SpeakerDiarization):
    """A version for which less speech is enough."""

    def get_embeddings(self, *arguments: Any, **options: Any) -> Any:
        self._embedding.__dict__["min_num_samples"] = 200
        return super().get_embeddings(*arguments, **options)


class OtherSegmentation(SpeakerDiarization):
    """A version that names local speakers in another order."""

    def get_segmentations(self, file: Any, hook: Any = None) -> Any:
        found = super().get_segmentations(file, hook=hook)
        return SlidingWindowFeature(np.roll(found.data, 1, axis=2), found.sliding_window)


class WithoutStacks(nn.Module):
    """A network that gives no frames and pools for one speaker at a time."""

    def __init__(self, resnet: nn.Module) -> None:
        super().__init__()
        self.inner = resnet
        self.embed_dim = resnet.embed_dim

    def forward(self, features: torch.Tensor, weights: torch.Tensor | None = None) -> Any:
        assert weights is None or weights.dim() == 2
        return self.inner(features, weights=weights)


def of_kind(kind: type) -> Callable[[Any], None]:
    """Make a pipeline one of another version."""

    def change(pipeline: Any) -> None:
        pipeline.__class__ = kind

    return change


def without_stacks(pipeline: Any) -> None:
    model = pipeline._embedding.model_
    model.resnet = WithoutStacks(model.resnet)


def without_attribute(pipeline: Any) -> None:
    del pipeline._embedding.model_._fbank


class OtherEmbedding:
    """An embedding that is no network of pyannote's, as its ONNX and NeMo kinds."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.sample_rate, self.dimension = inner.sample_rate, inner.dimension
        self.min_num_samples, self.device = inner.min_num_samples, inner.device

    def __call__(self, waveforms: torch.Tensor, masks: torch.Tensor) -> Any:
        return self._inner(waveforms, masks=masks)


def with_other_embedding(pipeline: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the tiny windows that the least length is tried on
        embedding = OtherEmbedding(pipeline._embedding)
    del pipeline._embedding
    pipeline._embedding = embedding


CHANGES = {
    "other masks": of_kind(OtherMasks),
    "other threshold": of_kind(OtherThreshold),
    "other segmentation": of_kind(OtherSegmentation),
    "no stacked masks": without_stacks,
    "an attribute is missing": without_attribute,
    "another kind of network": with_other_embedding,
}


@pytest.fixture(scope="module")
def speech() -> Samples:
    return read_conversation()[: 14 * RATE_HZ]


@pytest.mark.parametrize("name", CHANGES)
def test_another_pyannote_is_left_its_own_way(
    name: str, speech: Samples, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline, untouched = load_pipeline(), load_pipeline()
    CHANGES[name](pipeline)
    if name == "an attribute is missing":
        assert stages_of(pipeline) is None
        assert "its own way" in caplog.text
        return  # nor can pyannote run it
    CHANGES[name](untouched)
    with caplog.at_level(logging.WARNING):
        diarizer = Diarizer(pipeline)
        first, second = diarizer.diarize(speech)[0], diarizer.diarize(speech)[0]
    assert caplog.text.count("is run its own way") == 1
    assert first == second
    assert first.turns
    assert first == stock_diarization(untouched, speech)


def test_the_pipeline_itself_is_run_our_way(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = load_pipeline()
    window_s, batch = pipeline._segmentation.duration, pipeline.embedding_batch_size
    stages = stages_of(pipeline)
    assert stages is not None
    assert not caplog.text
    assert stages.embeddings.silent is not None
    # The comparison left nothing behind.
    assert (pipeline._segmentation.duration, pipeline.embedding_batch_size) == (window_s, batch)


def test_a_pipeline_with_preprocessors_is_run_its_own_way(
    speech: Samples, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = load_pipeline()
    pipeline.preprocessors = {"annotation": lambda _file: None}
    diarizer = Diarizer(pipeline)
    assert "it has preprocessors" in caplog.text
    assert diarizer.diarize(speech)[0] == stock_diarization(load_pipeline(), speech)
