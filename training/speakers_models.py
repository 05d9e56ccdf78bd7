"""The two networks of the demo diarizer, and the pipeline directory that holds them.

The directory has the layout of pyannote/speaker-diarization-community-1 and is loaded the same
way, offline: ``Pipeline.from_pretrained(directory)``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import numpy as np
import numpy.typing as npt
import torch
import yaml  # type: ignore[import-untyped]  # its stubs are another package
from pyannote.audio import Model
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.segmentation import PyanNet

from engine.small_resnet import SmallResNet

CHUNK_S = 10.0  # of community-1; the pipeline takes it from the checkpoint
LOCAL_SPEAKERS = 3
AT_ONCE = 2  # speakers the powerset has a class for
EMBEDDING_DIMENSION = 128


def segmentation_network() -> Model:
    """PyanNet with community-1's output (three speakers, two at once) and a small LSTM."""
    network: Any = PyanNet(
        sincnet={"stride": 20},  # twice community-1's: frames of 34 ms for half of the work
        lstm={"hidden_size": 80, "num_layers": 2, "dropout": 0.0, "monolithic": False},
        linear={"hidden_size": 64, "num_layers": 1},
    )
    network.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=CHUNK_S,
        min_duration=None,
        warm_up=(0.0, 0.0),
        classes=[f"speaker#{number + 1}" for number in range(LOCAL_SPEAKERS)],
        powerset_max_classes=AT_ONCE,
        permutation_invariant=True,
    )
    network.setup()
    segmentation: Model = network
    return segmentation


def embedding_network() -> SmallResNet:
    """The narrow ResNet."""
    network: Any = SmallResNet(embed_dim=EMBEDDING_DIMENSION)
    network.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0
    )
    network.setup()
    embedding: SmallResNet = network
    return embedding


def save_network(network: Any, path: Path) -> None:
    """Write a checkpoint as ``Model.from_pretrained`` expects it, without training state."""
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


def save_plda(plda: dict[str, npt.NDArray[np.float64]], directory: Path) -> None:
    """Write the two files of ``pyannote.audio.core.plda``: transform, then PLDA proper."""
    directory.mkdir(parents=True, exist_ok=True)
    np.savez(
        directory / "xvec_transform.npz",
        mean1=plda["mean1"],
        mean2=plda["mean2"],
        lda=plda["lda"],
    )
    np.savez(directory / "plda.npz", mu=plda["mu"], tr=plda["tr"], psi=plda["psi"])


def save_config(clustering: dict[str, float], directory: Path) -> None:
    """Write ``config.yaml``.

    Args:
        clustering: VBx's threshold, Fa and Fb.
        directory: The pipeline directory.
    """
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
        "params": {"clustering": clustering, "segmentation": {"min_duration_off": 0.0}},
    }
    (directory / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def untrained_plda() -> dict[str, npt.NDArray[np.float64]]:
    """A PLDA that changes nothing: unit within-class and between-class covariance."""
    size = EMBEDDING_DIMENSION
    return {
        "mean1": np.zeros(size),
        "mean2": np.zeros(size),
        "lda": np.eye(size),
        "mu": np.zeros(size),
        "tr": np.eye(size),
        "psi": np.ones(size),
    }


def save_untrained(directory: Path) -> None:
    """Write a whole pipeline directory from the networks' initial weights."""
    save_network(segmentation_network(), directory / "segmentation" / "pytorch_model.bin")
    save_network(embedding_network(), directory / "embedding" / "pytorch_model.bin")
    save_plda(untrained_plda(), directory / "plda")
    save_config({"threshold": 0.6, "Fa": 0.07, "Fb": 0.8}, directory)
