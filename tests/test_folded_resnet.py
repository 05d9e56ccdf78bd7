"""The embedding network in another arithmetic: close to the published one, and the same turns."""

from __future__ import annotations

import os
from types import MethodType
from typing import Any

os.environ["PYANNOTE_METRICS_ENABLED"] = "false"  # before the import: no telemetry

import numpy as np
import pytest
import torch
from pyannote.audio.models.embedding.wespeaker.resnet import ResNet34, ResNet152
from pyannote.core import Annotation, Segment
from torch import nn

from engine.diarization_stages import Arithmetic, stages_of
from engine.diarizer import Diarizer
from engine.embeddings import INT16_SCALE
from engine.folded_resnet import fold, multiplies_bfloat16
from tests.models import RATE_HZ, SPEAKERS_MODEL, read_conversation, read_sample
from tests.speaker_pipelines import load_pipeline
from tests.test_replay import RECORDED, build_directory, replaying
from training.speakers_evaluate import Score, error_rate, score, synthetic_conversations
from training.speakers_mixing import Conversation

# Of an embedding's length: 0.7 % in the middle and 1.2 % at most on the demo conversation. Noise of
# 10 % is too much for the clustering.
BFLOAT16_ERROR = 0.01
CONVERSATIONS = 6


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    found = {
        "demo": load_pipeline()._embedding.model_.resnet,
        "ResNet34": ResNet34(80, 256, two_emb_layer=False),
        "ResNet152": ResNet152(80, 256, two_emb_layer=False),  # another kind of block
    }
    for network in found.values():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d) and network is not found["demo"]:
                assert layer.running_mean is not None
                assert layer.running_var is not None
                nn.init.uniform_(layer.running_mean, -0.2, 0.2)
                nn.init.uniform_(layer.running_var, 0.5, 1.5)
                nn.init.uniform_(layer.weight, 0.5, 1.5)
                nn.init.uniform_(layer.bias, -0.2, 0.2)
        network.eval()
    return found


def speech_features(bands: int) -> torch.Tensor:
    """Of two stretches of 3 s, (2, frames, bands)."""
    samples = torch.from_numpy(read_conversation()[: 6 * RATE_HZ]).reshape(2, 1, -1)
    fbank = load_pipeline()._embedding.model_._fbank
    features = [fbank(waveform * INT16_SCALE, num_mel_bins=bands) for waveform in samples]
    return torch.stack([one - one.mean(dim=0) for one in features])


@pytest.mark.parametrize("name", ["demo", "ResNet34", "ResNet152"])
@pytest.mark.parametrize(
    ("dtype", "relative"), [(torch.float32, 5e-6), (torch.bfloat16, 3 * BFLOAT16_ERROR)]
)
def test_a_folded_network_is_the_same_network(
    name: str, dtype: torch.dtype, relative: float
) -> None:
    network = networks()[name]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    folded: Any = fold(network, dtype)
    features = speech_features(bands=64 if name == "demo" else 80)
    generator = torch.Generator().manual_seed(0)
    masks = (torch.rand(2, 40, generator=generator) > 0.3).float()
    with torch.inference_mode():
        expected = network(features, weights=masks)[1]
        found = folded.forward_embedding(folded.forward_frames(features), weights=masks)[1]
        whole = folded(features, weights=masks)[1]
    assert found.dtype == torch.float32
    torch.testing.assert_close(whole, found)
    error = torch.linalg.norm(found - expected, dim=1) / torch.linalg.norm(expected, dim=1)
    assert 0 < error.max() < relative
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_the_quickest_is_chosen_by_the_processor() -> None:
    stages = stages_of(load_pipeline())
    assert stages is not None
    wanted = torch.bfloat16 if multiplies_bfloat16() else torch.float32
    assert {layer.weight.dtype for layer in convolutions(stages.embeddings.network)} == {wanted}
    exact = stages_of(load_pipeline(), "exact")
    assert exact is not None
    assert any(isinstance(one, nn.BatchNorm2d) for one in exact.embeddings.network.modules())


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]


def test_a_network_that_would_be_another_one_stays(caplog: pytest.LogCaptureFixture) -> None:
    """Its first normalisation has a bias that no convolution can take over."""
    pipeline = load_pipeline()
    resnet = pipeline._embedding.model_.resnet

    def clipped(self: Any, image: torch.Tensor) -> torch.Tensor:
        return torch.clamp(nn.BatchNorm2d.forward(self, image), max=0.05)

    resnet.bn1.forward = MethodType(clipped, resnet.bn1)
    stages = stages_of(pipeline, "folded")
    assert stages is not None
    assert stages.embeddings.network is resnet
    assert "stays as it is" in caplog.text


@pytest.fixture(scope="module")
def conversations() -> list[Conversation]:
    return list(synthetic_conversations(CONVERSATIONS, seed=1000, speech_s=(24.0, 40.0)))


def scores(conversations: list[Conversation], arithmetic: Arithmetic) -> list[Score]:
    diarizer = Diarizer.load(SPEAKERS_MODEL, "cpu", arithmetic)
    found = []
    for truth in conversations:
        turns = diarizer.diarize(truth.audio)[0].turns
        hypothesis = Annotation()
        for track, turn in enumerate(turns):
            hypothesis[Segment(turn.start_s, turn.end_s), track] = turn.speaker
        found.append(score(truth, hypothesis))
    return found


def test_the_error_rate_does_not_move(conversations: list[Conversation]) -> None:
    exact = error_rate(scores(conversations, "exact"))
    assert 0 < exact < 0.3
    assert error_rate(scores(conversations, "folded")) == pytest.approx(exact, abs=1e-4)
    assert error_rate(scores(conversations, "bfloat16")) == pytest.approx(exact, abs=3e-3)


@pytest.mark.skipif(
    not RECORDED.is_dir(), reason="the recorded network outputs are not beside this checkout"
)
def test_the_published_models_embeddings_bear_more_noise_than_that(
    tmp_path: Any,
) -> None:
    build_directory(tmp_path)
    diarizer = replaying(tmp_path, chunks=21)
    expected = diarizer.diarize(read_sample())
    recorded = np.load(RECORDED / "02_pyannote_sample" / "raw_embeddings.npz")["embeddings"]
    for seed in range(5):
        noise = np.random.default_rng(seed).standard_normal(recorded.shape)
        noise *= np.linalg.norm(recorded, axis=2, keepdims=True)
        noise /= np.linalg.norm(noise, axis=2, keepdims=True)
        noisy = (recorded + 3 * BFLOAT16_ERROR * noise).astype(np.float32)
        diarizer._pipeline.get_embeddings = lambda *_, noisy=noisy, **__: noisy.copy()
        assert diarizer.diarize(read_sample()) == expected
