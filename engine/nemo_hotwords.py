"""Hotwords through NeMo's own biasing by stream: the reference for ``engine.hotwords``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from nemo.collections.asr.parts.context_biasing.biasing_multi_model import BiasingRequestItemConfig
from nemo.collections.asr.parts.context_biasing.boosting_graph_batched import (
    BoostingTreeModelConfig,
)
from nemo.collections.asr.parts.submodules.rnnt_decoding import RNNTBPEDecoding
from nemo.collections.asr.parts.utils.rnnt_utils import batched_hyps_to_hypotheses
from omegaconf import OmegaConf
from torch import Tensor

from engine.hotwords import FIRST_SCORE, NEXT_SCORE, WEIGHT, Speller, written


class ListeningSearch:
    """A search beside the model's own, which so stays as fast as it is.

    Args:
        model: An ``EncDecRNNTBPEModel`` whose decoding is set.
    """

    def __init__(self, model: Any) -> None:
        self._tokenizer = model.tokenizer
        self._speller = Speller(tokenizer_of(model))
        settings = OmegaConf.create(OmegaConf.to_container(model.cfg.decoding))
        more = {"enable_per_stream_biasing": True, "use_cuda_graph_decoder": False}
        with torch.inference_mode(False):  # trees are put into its buffers later
            self._computer = RNNTBPEDecoding(
                decoding_cfg=OmegaConf.merge(settings, {"greedy": more}),
                decoder=model.decoder,
                joint=model.joint,
                tokenizer=model.tokenizer,
            ).decoding.decoding_computer

    def writable(self, hotwords: Sequence[str]) -> list[str]:
        """The ways in which hotwords may be written that the model has pieces for."""
        return [way for way in written(hotwords) if self._speller.spelled(way)]

    def __call__(self, encoded: Tensor, length: Tensor, phrases: list[str]) -> Any:
        """NeMo's hypothesis of one recording, shape (1, width, frames), with phrases favoured.

        Not by NeMo's partial hypotheses, with which it forgets the durations of the tokens. The
        confidence of a token is that of the one which the model alone would have chosen.
        """
        with self._tree(phrases) as number:
            batch, *_ = self._computer(
                x=encoded.mT,
                out_len=length,
                multi_biasing_ids=torch.tensor([number], device=encoded.device),
            )
        (hypothesis,) = batched_hyps_to_hypotheses(batch, 1)
        hypothesis.token_confidence = hypothesis.non_blank_step_confidence_precomputed
        return hypothesis

    @contextmanager
    def _tree(self, phrases: list[str]) -> Iterator[int]:
        """NeMo's tree of the phrases while it is needed, by its number."""
        request = BiasingRequestItemConfig(
            boosting_model_cfg=BoostingTreeModelConfig(
                key_phrases_list=phrases,
                context_score=FIRST_SCORE,
                depth_scaling=NEXT_SCORE / FIRST_SCORE,
                use_triton=False,
            ),
            boosting_model_alpha=WEIGHT,
        )
        trees = self._computer.biasing_multi_model
        with torch.inference_mode(False):
            request.add_to_multi_model(self._tokenizer, trees)
        number = request.multi_model_id
        assert number is not None
        try:
            yield number
        finally:
            with torch.inference_mode(False):
                request.remove_from_multi_model(trees)


def tokenizer_of(model: Any) -> bytes:
    """The SentencePiece model of a NeMo model."""
    return bytes(model.tokenizer.tokenizer.serialized_model_proto())
