"""Parakeet from its fast checkpoint: modules built directly, the file's weights as they are.

    <folder>/model.safetensors    every weight; the encoder's in bf16 (or fp32), the rest in fp32
    <folder>/model.json           its shape and its pieces
    <folder>/tokenizer.model      what makes pieces of a text (SentencePiece)

``engine/convert.py`` makes it from NeMo's archive. Nothing here needs NeMo, whose import and
restoring take twenty times as long as this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine import footprint
from engine.attention import Reach
from engine.fastconformer import Encoder
from engine.hotwords import Listening
from engine.mel import Mel
from engine.shape import Shape, from_dict
from engine.tdt import Emission, Transducer
from engine.tdt_steps import Search
from speech.errors import EngineError

WEIGHTS: Final = "model.safetensors"
DESCRIPTION: Final = "model.json"
TOKENIZER: Final = "tokenizer.model"


class FastModel(nn.Module):
    """Samples in, emissions out.

    Args:
        shape: The model's.
    """

    pieces: Sequence[str] = ()
    """What each token spells, as SentencePiece writes it."""
    tokenizer: bytes = b""
    """SentencePiece's model."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.mel = Mel(shape)
        self.encoder = Encoder(shape)
        self.transducer = Transducer(shape)
        self.search = Search(self.transducer)

    @property
    def frame_s(self) -> float:
        """Length of an encoder frame."""
        return self.shape.frame_s

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.mel.fb.device

    def encode(self, samples: Tensor, lengths: Tensor, reach: Reach) -> tuple[Tensor, Tensor]:
        """Features in fp32, the encoder in its own precision.

        Args:
            samples: Shape (batch, samples), 16 kHz.
            lengths: Shape (batch,), in samples.
            reach: What each frame may see.

        Returns:
            Shape (batch, frames, width), and the numbers of frames.
        """
        features, frames = self.mel(samples, lengths)
        precision = self.encoder.pre_encode.out.weight.dtype
        encoded: tuple[Tensor, Tensor] = self.encoder(features.to(precision), frames, reach)
        return encoded

    def pass_bytes(self, batch: int, seconds: float, reach: Reach) -> int:
        """What a pass takes beside the model."""
        element_bytes = self.encoder.pre_encode.out.weight.element_size()
        return footprint.of_ours(self.shape, element_bytes, batch, seconds, reach)

    def prepare(self) -> None:
        """Find out how fast this machine can search; nothing that is heard changes by it."""
        if self.device.type == "cuda":
            self.search.probe()

    @torch.inference_mode()
    def hear(
        self,
        samples: Tensor,
        lengths: Tensor,
        reach: Reach,
        hotwords: Sequence[Sequence[str]] = (),
    ) -> list[list[Emission]]:
        """What is said in each recording of a batch; see ``encode`` and ``decode``."""
        encoded, frames = self.encode(samples, lengths, reach)
        return self.search.decode(encoded, frames, self.listening(hotwords) if hotwords else None)

    @cached_property
    def listening(self) -> Listening:
        """What makes something to listen for of phrases; most jobs have none."""
        return Listening(self.tokenizer, self.shape.vocabulary, self.device)


def build(shape: Shape, weights: dict[str, Tensor]) -> FastModel:
    """A model with these weights, which are not copied.

    Raises:
        ValueError: They are not this shape's.
    """
    with _uninitialised():
        model = FastModel(shape)
    try:
        model.load_state_dict(weights, strict=True, assign=True)
    except RuntimeError as error:
        raise ValueError("the weights are of another shape") from error
    return model.requires_grad_(False).eval()


def load(folder: Path, device: torch.device) -> FastModel:
    """The model of a folder.

    Raises:
        EngineError: ``model_unavailable``, if the folder holds no such checkpoint.
    """
    try:
        description: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text("utf-8"))
        weights = load_file(folder / WEIGHTS, device=str(device))
        model = build(from_dict(description["shape"]), weights)
        model.pieces = tuple(description["pieces"])
        model.tokenizer = (folder / TOKENIZER).read_bytes()
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise EngineError(
            "model_unavailable", f"{folder.name} holds no fast checkpoint of this release"
        ) from error
    if device.type == "cpu" and not computes_bf16():
        model.encoder.float()
    return model


def save(folder: Path, model: FastModel, precision: torch.dtype) -> None:
    """Write a fast checkpoint.

    Args:
        folder: Where to.
        model: In fp32.
        precision: Of the encoder's weights in the file. All others stay in fp32: they are few, and
            the search follows their smallest differences.
    """
    weights = {
        name: value.to(precision) if name.startswith("encoder.") else value
        for name, value in model.state_dict().items()
    }
    save_file(weights, folder / WEIGHTS)
    description = {"shape": asdict(model.shape), "pieces": list(model.pieces)}
    (folder / DESCRIPTION).write_text(json.dumps(description), "utf-8")
    (folder / TOKENIZER).write_bytes(model.tokenizer)


def computes_bf16() -> bool:
    """Whether this processor multiplies bf16 matrices faster than fp32 ones.

    Only AMX does; with AVX512_BF16 alone the gain is lost in the conversions around it.
    """
    return bool(torch.cpu._is_amx_tile_supported())


@contextmanager
def _uninitialised() -> Iterator[None]:
    """Modules made here get no first values: random numbers for 600 million weights take 3 s."""
    names = [name for name in dir(nn.init) if name.endswith("_") and not name.startswith("_")]
    kept = {name: getattr(nn.init, name) for name in names}
    reset = nn.Embedding.reset_parameters

    def leave(given: Any, *_: object, **__: object) -> Any:
        return given

    try:
        for name in names:
            setattr(nn.init, name, leave)
        nn.Embedding.reset_parameters = leave  # type: ignore[method-assign, assignment]
        yield
    finally:
        for name, function in kept.items():
            setattr(nn.init, name, function)
        nn.Embedding.reset_parameters = reset  # type: ignore[method-assign]
