"""Parakeet TDT: samples in, words with times out."""

from __future__ import annotations

import logging
import tarfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from nemo.collections.asr.models import EncDecRNNTBPEModel
from nemo.utils import logging as nemo_logging
from omegaconf import OmegaConf

from engine.attention import set_attention
from engine.memory import reporting_out_of_memory
from engine.words import Token, join, words_and_chars
from speech.errors import EngineError
from speech.types import AttentionUsed, Transcript

SAMPLE_RATE_HZ: Final = 16000
MIN_SAMPLES: Final = SAMPLE_RATE_HZ
"""Shorter clips get silence after their end: the features are normalised over the clip, and a
fraction of a second has no usable statistics. NeMo's transcribe() pads both ends, which moves every
word by up to half a second."""

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]


class Parakeet:
    """A TDT model, ready to hear. One recording at a time: NeMo's decoder holds state.

    Args:
        model: An ``EncDecRNNTBPEModel`` with a FastConformer encoder and TDT decoding. It is put
            into inference mode, and its decoding is set, once: NeMo rebuilds its decoder (and
            recaptures its CUDA graphs) at every change.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._device = torch.device(model.device)
        self._frame_s = float(
            model.cfg.preprocessor.window_stride * model.cfg.encoder.subsampling_factor
        )
        model.preprocessor.featurizer.dither = 0.0
        model.preprocessor.featurizer.pad_to = 0
        model.change_decoding_strategy(_decoding(model.cfg.decoding, self._device), verbose=False)
        model.freeze()
        model.eval()

    @classmethod
    def load(cls, checkpoint: Path, device: str) -> Parakeet:
        """Restore a ``.nemo`` checkpoint.

        Args:
            checkpoint: The file. It is unpickled: it must come from a source that is trusted.
            device: ``cuda`` or ``cpu``.

        Raises:
            EngineError: ``model_unavailable``, if the file is no such checkpoint;
                ``engine_out_of_memory``.
        """
        nemo_logging.setLevel(logging.ERROR)
        with reporting_out_of_memory("the speech model itself does not fit"):
            try:
                model = EncDecRNNTBPEModel.restore_from(
                    str(checkpoint), map_location=torch.device(device)
                )
            except (OSError, tarfile.TarError, KeyError, AttributeError, ValueError) as error:
                raise EngineError(
                    "model_unavailable",
                    f"{checkpoint.name} cannot be restored as a NeMo TDT model; it is damaged or"
                    " of another kind",
                ) from error
            return cls(model)

    def transcribe(self, samples: Samples, attention: AttentionUsed) -> Transcript:
        """Hear a recording in one pass.

        The text is the words, joined by one space. It differs from NeMo's ``text`` in one thing:
        NeMo drops the space before every punctuation mark, opening ones like "¿" too.

        Args:
            samples: Mono at 16 kHz, shape (samples,), -1 to 1. What is not finite is silence.
            attention: See ``engine.attention``.

        Raises:
            EngineError: ``engine_out_of_memory``.
        """
        if samples.size == 0:
            return Transcript(text="", words=(), chars=(), attention=attention)
        with reporting_out_of_memory("send a shorter part of it, or choose local attention"):
            set_attention(self._model, attention)
            tokens = self._hear(samples)
        words, chars = words_and_chars(
            tokens, frame_s=self._frame_s, duration_s=samples.size / SAMPLE_RATE_HZ
        )
        return Transcript(text=join(words), words=words, chars=chars, attention=attention)

    @torch.inference_mode()
    def _hear(self, samples: Samples) -> list[Token]:
        """Run the encoder and the decoder on one recording."""
        padded = np.zeros(max(MIN_SAMPLES, samples.size), dtype=np.float32)
        padded[: samples.size] = np.where(np.isfinite(samples), samples, 0.0)
        signal = torch.from_numpy(padded).to(self._device).unsqueeze(0)
        length = torch.tensor([signal.shape[1]], device=self._device)
        encoded, encoded_length = self._model(input_signal=signal, input_signal_length=length)
        (hypothesis,) = self._model.decoding.rnnt_decoder_predictions_tensor(
            encoded, encoded_length, return_hypotheses=True
        )
        ids = [int(token) for token in hypothesis.y_sequence]
        return [
            Token(piece, int(frame), int(frames), float(confidence))
            for piece, frame, frames, confidence in zip(
                self._model.tokenizer.ids_to_tokens(ids),
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
