"""Parakeet as NeMo restores it: the reference, and the way where there is no fast checkpoint."""

from __future__ import annotations

import logging
import tarfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from nemo.collections.asr.models import EncDecRNNTBPEModel
from nemo.utils import logging as nemo_logging
from omegaconf import OmegaConf
from torch import Tensor

from engine import footprint
from engine.attention import Reach
from engine.nemo_attention import set_attention
from engine.nemo_hotwords import ListeningSearch, tokenizer_of
from engine.tdt import Emission
from speech.errors import EngineError


class NemoModel:
    """A TDT model of NeMo's. One batch at a time: NeMo's decoder holds state.

    Args:
        model: An ``EncDecRNNTBPEModel`` with a FastConformer encoder and TDT decoding. It is put
            into inference mode, and its decoding is set, once: NeMo rebuilds its decoder (and
            recaptures its CUDA graphs) at every change.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.device = torch.device(model.device)
        self.frame_s = float(
            model.cfg.preprocessor.window_stride * model.cfg.encoder.subsampling_factor
        )
        self.pieces: Sequence[str] = model.tokenizer.ids_to_tokens(
            list(range(model.tokenizer.vocab_size))
        )
        model.preprocessor.featurizer.dither = 0.0
        model.preprocessor.featurizer.pad_to = 0
        model.change_decoding_strategy(_decoding(model.cfg.decoding, self.device), verbose=False)
        model.freeze()
        model.eval()

    def pass_bytes(self, batch: int, seconds: float, reach: Reach) -> int:
        """What a pass takes beside the model."""
        encoder = self.model.cfg.encoder
        element_bytes = next(self.model.encoder.parameters()).element_size()
        return batch * footprint.of_nemos(
            encoder.n_heads, encoder.d_model, element_bytes, seconds / self.frame_s, reach
        )

    @property
    def tokenizer(self) -> bytes:
        """SentencePiece's model."""
        return tokenizer_of(self.model)

    @cached_property
    def _listening(self) -> ListeningSearch:
        return ListeningSearch(self.model)

    def prepare(self) -> None:
        """NeMo finds out for itself, at its first batch."""

    @torch.inference_mode()
    def hear(
        self,
        samples: Tensor,
        lengths: Tensor,
        reach: Reach,
        hotwords: Sequence[Sequence[str]] = (),
    ) -> list[list[Emission]]:
        """What is said in each recording of a batch.

        Args:
            samples: Shape (batch, samples), 16 kHz.
            lengths: Shape (batch,), in samples.
            reach: What each encoder frame may see.
            hotwords: Of each recording, the phrases to listen for; empty where none has any.
        """
        set_attention(self.model, reach)
        encoded, frames = self.model(input_signal=samples, input_signal_length=lengths)
        return [
            self.search(encoded[i : i + 1, :, :n], n, phrases)
            for i, (n, phrases) in enumerate(
                zip(frames.tolist(), hotwords or [()] * len(frames), strict=True)
            )
        ]

    def search(self, encoded: Tensor, frames: int, hotwords: Sequence[str]) -> list[Emission]:
        """Greedy search in one recording; shape (1, width, frames).

        Not in the whole batch: NeMo 3.0.0 then tells durations of other tokens, those at which the
        search stood when the slowest recording of the batch found its next token (the inner loop of
        tdt_label_looping.py takes new ones for all).
        """
        length = torch.tensor([frames], device=encoded.device)
        phrases = self._listening.writable(hotwords) if hotwords else []
        if phrases:
            return _emissions(self._listening(encoded, length, phrases))
        (hypothesis,) = self.model.decoding.rnnt_decoder_predictions_tensor(
            encoded, length, return_hypotheses=True
        )
        return _emissions(hypothesis)


def load(checkpoint: Path, device: torch.device) -> NemoModel:
    """Restore a ``.nemo`` checkpoint.

    Args:
        checkpoint: The file. It is unpickled: it must come from a source that is trusted.
        device: Where to.

    Raises:
        EngineError: ``model_unavailable``, if the file is no such checkpoint.
    """
    levels = [(handler, handler.level) for handler in logging.root.handlers]
    nemo_logging.setLevel(logging.ERROR)
    for handler, level in levels:  # NeMo sets the level of everybody's handlers
        handler.setLevel(level)
    try:
        return NemoModel(EncDecRNNTBPEModel.restore_from(str(checkpoint), map_location=device))
    except (OSError, tarfile.TarError, KeyError, AttributeError, ValueError) as error:
        raise EngineError(
            "model_unavailable",
            f"{checkpoint.name} cannot be restored as a NeMo TDT model; it is damaged or of"
            " another kind",
        ) from error


def _emissions(hypothesis: Any) -> list[Emission]:
    return [
        Emission(int(token), int(frame), int(frames), float(confidence))
        for token, frame, frames, confidence in zip(
            hypothesis.y_sequence,
            hypothesis.timestamp,
            hypothesis.token_duration,
            hypothesis.token_confidence,
            strict=True,
        )
    ]


def _decoding(checkpoint: Any, device: torch.device) -> Any:
    """The checkpoint's decoding settings with ours on top.

    The confidence of a token is its probability (``max_prob`` with alpha 1, scaled so that a
    uniform guess is 0), the only one of NeMo's measures that people can read as a share of right
    answers. Neither blanks nor durations have a part in it.
    """
    settings = OmegaConf.create(OmegaConf.to_container(checkpoint))  # the checkpoint's is closed
    return OmegaConf.merge(
        settings,
        {
            "strategy": "greedy_batch",
            "tdt_include_token_duration": True,
            "compute_timestamps": False,  # NeMo's words; ours are made from frames and durations
            "preserve_alignments": False,
            "greedy": {"use_cuda_graph_decoder": device.type == "cuda"},
            "confidence_cfg": {
                "preserve_frame_confidence": True,
                "preserve_token_confidence": True,
                "preserve_word_confidence": False,
                "exclude_blank": True,
                "tdt_include_duration": False,
                "method_cfg": {"name": "max_prob", "alpha": 1.0},
            },
        },
    )
