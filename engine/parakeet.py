"""Parakeet TDT: samples in, words with times out, several recordings at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch
from torch import Tensor

from engine import fast_model
from engine.attention import Reach
from engine.memory import reporting_out_of_memory
from engine.tdt import Emission
from engine.words import Token, join, words_and_chars
from speech.types import Transcript

SAMPLE_RATE_HZ: Final = 16000
MIN_SAMPLES: Final = SAMPLE_RATE_HZ
"""Shorter clips get silence after their end: the features are normalised over the clip, and a
fraction of a second has no usable statistics. NeMo's transcribe() pads both ends, which moves every
word by up to half a second."""

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]


class Network(Protocol):
    """What hears: ``engine.fast_model.FastModel`` or ``engine.nemo_model.NemoModel``."""

    @property
    def pieces(self) -> Sequence[str]:
        """What each token spells, as SentencePiece writes it."""

    @property
    def frame_s(self) -> float:
        """Length of an encoder frame."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def pass_bytes(self, batch: int, seconds: float, reach: Reach) -> int:
        """Memory that a pass over so many recordings of this length takes beside the model."""

    def prepare(self) -> None:
        """Find out what this machine can do; called once the first answer is out."""

    def hear(
        self,
        samples: Tensor,
        lengths: Tensor,
        reach: Reach,
        hotwords: Sequence[Sequence[str]] = (),
    ) -> list[list[Emission]]:
        """Emissions of each recording of a batch; each is what it would be alone.

        ``hotwords``: of each recording, what to listen for; empty where there are none at all.
        """


class Parakeet:
    """A TDT model, ready to hear. One batch at a time.

    Args:
        network: Hears.
    """

    def __init__(self, network: Network) -> None:
        self.network = network

    @classmethod
    def load(cls, checkpoint: Path, device: str) -> Parakeet:
        """Load a checkpoint.

        Args:
            checkpoint: The folder of a fast checkpoint, or a ``.nemo`` file, which is unpickled: it
                must come from a source that is trusted.
            device: ``cuda`` or ``cpu``.

        Raises:
            EngineError: ``model_unavailable``, if it is no such checkpoint;
                ``engine_out_of_memory``.
        """
        with reporting_out_of_memory("the speech model itself does not fit"):
            if checkpoint.is_dir():
                return cls(fast_model.load(checkpoint, torch.device(device)))
            from engine import nemo_model  # NeMo takes six seconds to import

            return cls(nemo_model.load(checkpoint, torch.device(device)))

    def transcribe(self, samples: Samples, attention: Reach) -> Transcript:
        """Hear one recording in one pass; see ``transcribe_all``."""
        return self.transcribe_all([samples], attention)[0]

    def transcribe_all(
        self,
        recordings: Sequence[Samples],
        attention: Reach,
        hotwords: Sequence[Sequence[str]] = (),
    ) -> list[Transcript]:
        """Hear recordings in one pass.

        The text is the words, joined by one space. It differs from NeMo's ``text`` in one thing:
        NeMo drops the space before every punctuation mark, opening ones like "¿" too.

        Args:
            recordings: Mono at 16 kHz, shape (samples,) each, -1 to 1. What is not finite is
                silence. All are padded to the length of the longest.
            attention: See ``engine.attention``.
            hotwords: Of each recording, the phrases that are likely in it (``engine.hotwords``);
                empty where no recording has any.

        Raises:
            EngineError: ``engine_out_of_memory``.
        """
        heard = [samples for samples in recordings if samples.size]
        likely = [
            phrases
            for samples, phrases in zip(recordings, hotwords or [()] * len(recordings), strict=True)
            if samples.size
        ]
        emissions: list[list[Emission]] = []
        if heard:
            with reporting_out_of_memory("send a shorter part of it, or choose local attention"):
                batch = self._batch(heard)
                emissions = self.network.hear(*batch, attention, likely if any(likely) else ())
        found = iter(emissions)
        return [
            self._transcript(next(found) if samples.size else [], samples.size, attention)
            for samples in recordings
        ]

    def _batch(self, recordings: Sequence[Samples]) -> tuple[Tensor, Tensor]:
        """The recordings side by side, and their lengths."""
        lengths = [max(MIN_SAMPLES, samples.size) for samples in recordings]
        batch = torch.zeros(len(recordings), max(lengths))
        for row, samples in zip(batch.numpy(), recordings, strict=True):
            np.copyto(row[: samples.size], samples, where=np.isfinite(samples))
        return batch.to(self.network.device), torch.tensor(lengths, device=self.network.device)

    def _transcript(
        self, emissions: Sequence[Emission], samples: int, attention: Reach
    ) -> Transcript:
        words, chars = words_and_chars(
            [
                Token(self.network.pieces[e.token], e.frame, e.frames, e.confidence)
                for e in emissions
            ],
            frame_s=self.network.frame_s,
            duration_s=samples / SAMPLE_RATE_HZ,
        )
        return Transcript(text=join(words), words=words, chars=chars, attention=attention)
