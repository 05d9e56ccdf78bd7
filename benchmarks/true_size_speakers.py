"""A pyannote pipeline of true size with random weights: community-1's networks and its clustering.

Time and memory depend on the shapes, which are the published ones, and on who is heard. Random
networks hear nobody, or everybody at once, and one speaker for ever. The last linear layer of each
is therefore fitted to the demo conversation, whose three speakers are known, by least squares: no
training, seconds of work, and on that recording (and on repetitions of it) the pipeline then does
as much as with people who talk.

The LSTM's forget gates are opened first, so that its output changes a few times a second and not
with every frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lightning
import numpy as np
import torch
import yaml  # type: ignore[import-untyped]  # its stubs are another package
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.embedding.wespeaker import WeSpeakerResNet34
from pyannote.audio.models.segmentation import PyanNet

from benchmarks.least_squares import least_squares
from engine.small_resnet import SmallResNet

Turn = tuple[int, float, float]

RATE_HZ: Final = 16000
CHUNK_S: Final = 10
WINDOWS: Final = 22
CLASSES: Final = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
"""Who speaks in each of the powerset's classes, in pyannote's order."""
SPEAKERS: Final = 3
OPEN: Final = 2.0
ROUNDS: Final = 30
RIDGE: Final = 1e-5
NOISE: Final = 0.3
LDA_DIMENSION: Final = 128
MIN_FRAMES: Final = 60
"""A second: who speaks for less has an embedding of nothing much."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Windows of a recording, and who speaks in them."""

    windows: torch.Tensor
    """(windows, 1, samples)"""
    active: torch.Tensor
    """0 or 1, (windows, speakers, frames)"""


def build(samples: np.ndarray, turns: Sequence[Turn], folder: Path, *, small: bool) -> None:
    """Make both networks from a seed, and write the pipeline's folder.

    Args:
        samples: A conversation of three, mono at 16 kHz.
        turns: Its speaker (0 to 2), begin and end in seconds, of each turn.
        folder: What ``Pipeline.from_pretrained`` is then given.
        small: Narrower networks of the same kinds, for tests.
    """
    torch.manual_seed(0)
    segmentation = segmentation_network(small=small)
    truth = cut_windows(samples, turns, frames=segmentation.num_frames(CHUNK_S * RATE_HZ))
    fit_segmentation(segmentation, truth)
    save_network(segmentation, folder / "segmentation" / "pytorch_model.bin")
    embedding = embedding_network(small=small)
    basis = fit_embedding(embedding, truth)
    save_network(embedding, folder / "embedding" / "pytorch_model.bin")
    save_plda(basis, folder / "plda")
    save_config(folder)


def cut_windows(samples: np.ndarray, turns: Sequence[Turn], frames: int) -> Truth:
    """Chunks of 10 s from all over a recording."""
    length = CHUNK_S * RATE_HZ
    starts = np.linspace(0, samples.size - length, WINDOWS).astype(int)
    active = torch.zeros(WINDOWS, SPEAKERS, frames)
    for number, start in enumerate(starts):
        times_s = start / RATE_HZ + (torch.arange(frames) + 0.5) * CHUNK_S / frames
        for speaker, begin_s, end_s in turns:
            active[number, speaker] += (times_s >= begin_s) & (times_s < end_s)
    windows = np.stack([samples[start : start + length] for start in starts])
    return Truth(torch.from_numpy(windows)[:, None], active.clamp(max=1))


def segmentation_network(*, small: bool) -> Any:
    """community-1's PyanNet: frames of 17 ms, three speakers, two at once."""
    lstm = {"hidden_size": 64, "num_layers": 2} if small else {"hidden_size": 128, "num_layers": 4}
    network: Any = PyanNet(
        sincnet={"stride": 10},
        lstm={**lstm, "bidirectional": True, "monolithic": True, "dropout": 0.5},
        linear={"hidden_size": 128, "num_layers": 2},
    )
    network.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=float(CHUNK_S),
        min_duration=None,
        warm_up=(0.0, 0.0),
        classes=[f"speaker#{number + 1}" for number in range(SPEAKERS)],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    network.setup()
    return network.eval()


@torch.inference_mode()
def fit_segmentation(network: Any, truth: Truth) -> None:
    """Let the classifier hear who speaks, as well as random features allow."""
    units = network.hparams.lstm["hidden_size"]
    for name, parameter in network.lstm.named_parameters():
        if name.startswith("bias"):  # input, forget, cell and output gate, in torch's order
            parameter[units : 2 * units] = OPEN / 2
    features = inputs_of(network.classifier, lambda: network(truth.windows))
    active = truth.active.transpose(1, 2).reshape(-1, SPEAKERS)
    classes = torch.tensor([[float(who in one) for who in range(SPEAKERS)] for one in CLASSES])
    wanted = (active[:, None] == classes).all(dim=2).float()
    weight, bias = least_squares(features, wanted, RIDGE)
    scores = features @ weight.T + bias
    shares, found_bias = wanted.mean(dim=0) + 1e-3, torch.zeros(len(CLASSES))
    for _ in range(ROUNDS):  # the rare classes, too, are heard as often as they are there
        best = (scores + found_bias).argmax(dim=1)
        found = torch.bincount(best, minlength=len(CLASSES)) / len(scores)
        found_bias += 0.1 * torch.log(shares / (found + 1e-3))
    network.classifier.weight.copy_(weight)
    network.classifier.bias.copy_(bias + found_bias)


def embedding_network(*, small: bool) -> Any:
    """community-1's WeSpeaker ResNet34, or the demo's narrow one."""
    network: Any = SmallResNet() if small else WeSpeakerResNet34()
    network.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0
    )
    network.setup()
    return network.eval()


@torch.inference_mode()
def fit_embedding(network: Any, truth: Truth) -> np.ndarray:
    """Let the embeddings of each speaker lie around a direction of their own.

    Returns:
        An orthonormal basis of the embeddings' space, (size, size); the first three columns are
        the speakers' directions.
    """
    layer = network.resnet.seg_1

    def embed() -> None:
        for window, active in zip(truth.windows, truth.active, strict=True):
            network(window[None], weights=active[None])

    heard = truth.active.sum(dim=2).flatten() > MIN_FRAMES
    maps = inputs_of(layer, embed)[heard]
    basis, _ = torch.linalg.qr(torch.randn(layer.out_features, layer.out_features))
    speakers = torch.arange(SPEAKERS).repeat(len(truth.windows))[heard]
    weight, bias = least_squares(maps, basis.T[speakers], RIDGE)
    others = layer.weight / (layer.weight @ (maps - maps.mean(dim=0)).T).norm(dim=0).mean()
    layer.weight.copy_(weight + NOISE * others)
    layer.bias.copy_(bias - NOISE * others @ maps.mean(dim=0))
    return np.asarray(basis.numpy(), dtype=np.float64)


def inputs_of(layer: Any, run: Callable[[], object]) -> torch.Tensor:
    """What a layer is given while something runs, (count, features)."""
    seen: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda _layer, inputs, _output: seen.append(inputs[0]))
    run()
    hook.remove()
    return torch.cat([one.reshape(-1, layer.in_features) for one in seen])


def save_network(network: Any, path: Path) -> None:
    """Write a checkpoint as ``Model.from_pretrained`` expects it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint: dict[str, Any] = {
        "state_dict": network.state_dict(),
        "hyper_parameters": dict(network.hparams),
        "pytorch-lightning_version": lightning.__version__,
        "epoch": 0,
        "global_step": 0,
        "loops": {},
        "callbacks": {},
        "optimizer_states": [],
        "lr_schedulers": [],
    }
    network.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)


def save_plda(basis: np.ndarray, folder: Path) -> None:
    """Write a PLDA that keeps the first half of this basis; speakers differ most in its first."""
    folder.mkdir(parents=True, exist_ok=True)
    size = len(basis)
    kept = min(LDA_DIMENSION, size)
    np.savez(
        folder / "xvec_transform.npz",
        mean1=basis[:, :SPEAKERS].mean(axis=1),  # each speaker lies around one of the three
        mean2=np.zeros(kept),
        lda=basis[:, :kept],
    )
    np.savez(
        folder / "plda.npz", mu=np.zeros(kept), tr=np.eye(kept), psi=np.geomspace(10.0, 0.1, kept)
    )


def save_config(folder: Path) -> None:
    """Write community-1's ``config.yaml``."""
    config = {
        "dependencies": {"pyannote.audio": "4.0.0"},
        "pipeline": {
            "name": "pyannote.audio.pipelines.SpeakerDiarization",
            "params": {
                "clustering": "VBxClustering",
                "segmentation": "$model/segmentation",
                "segmentation_batch_size": 32,
                "embedding": "$model/embedding",
                "embedding_batch_size": 32,
                "embedding_exclude_overlap": True,
                "plda": "$model/plda",
            },
        },
        "params": {
            "clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8},
            "segmentation": {"min_duration_off": 0.0},
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
