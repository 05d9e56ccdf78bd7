"""NeMo's streaming Sortformer on recordings of any length, a chunk at a time.

NeMo's own ``forward`` makes the features of the whole recording first: 4.4 GB a day, and five times
that on the way. Here each chunk's features are made when it is heard, which gives the same ones.
What is known of the past is of a fixed size: frames that tell the speakers apart (the speaker
cache) and the latest ones (the FIFO queue).
"""

from __future__ import annotations

import logging
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from nemo.collections.asr.models import SortformerEncLabelModel
from nemo.utils import logging as nemo_logging

from engine.memory import reporting_out_of_memory
from engine.recorded import SAMPLE_RATE_HZ, Waveform
from engine.sortformer_turns import TICKS_PER_S, Probabilities
from speech.errors import EngineError


@dataclass(frozen=True, slots=True)
class Streaming:
    """How a recording is heard, in frames of 80 ms."""

    chunk_len: int
    """Frames in a chunk."""
    chunk_left_context: int
    """Frames before a chunk that its first convolutions see."""
    chunk_right_context: int
    """Frames after it that it hears too; they are told in the next chunk."""
    fifo_len: int
    """The latest frames that are kept whole."""
    spkcache_update_period: int
    """How many of them go to the speaker cache at once."""
    spkcache_len: int
    """Frames in the speaker cache."""


PUBLISHED: Final = Streaming(
    chunk_len=340,
    chunk_left_context=1,
    chunk_right_context=40,
    fifo_len=40,
    spkcache_update_period=300,
    spkcache_len=188,
)
"""Of NVIDIA's settings those that look ahead furthest, 30 s, which a file can afford (the model's
card, "very high latency")."""


class StreamingSortformer:
    """The network. It hears one recording at a time.

    Args:
        model: A ``SortformerEncLabelModel`` for streaming. It is put into inference mode.
        streaming: How recordings are heard.

    Raises:
        ValueError: The model is not for streaming, or not for speech at 16 kHz in steps of 10 ms.
    """

    def __init__(self, model: Any, streaming: Streaming = PUBLISHED) -> None:
        features = model.cfg.preprocessor
        if features.normalize in ("per_feature", "all_features") or not model.streaming_mode:
            raise ValueError("it is not made for streaming")
        if (features.sample_rate, features.window_stride) != (SAMPLE_RATE_HZ, 1 / TICKS_PER_S):
            raise ValueError("it wants other features than 100 a second, at 16 kHz")
        self._model = model.eval()
        model.freeze()
        model.async_streaming = False
        model.preprocessor.featurizer.dither = 0.0
        model.preprocessor.featurizer.pad_to = 0
        for name in streaming.__slots__:
            setattr(model.sortformer_modules, name, getattr(streaming, name))
        model.sortformer_modules._check_streaming_parameters()
        self._streaming = streaming
        self._hop = SAMPLE_RATE_HZ // TICKS_PER_S
        # An STFT frame reaches half a window to both sides; the emphasis, one sample further back.
        self._margin = -(-(model.preprocessor.featurizer.n_fft // 2 + 1) // self._hop)
        self.frame_ticks = int(model.encoder.subsampling_factor)

    @torch.inference_mode()
    def probabilities(self, samples: Waveform, report: Callable[[float], None]) -> Probabilities:
        """How probable it is that each speaker speaks, frame by frame.

        Args:
            samples: Mono at 16 kHz. What is not finite is silence.
            report: Called with the share of the recording that is heard. What it raises ends it.

        Returns:
            Shape (frames, speakers); speakers are in the order in which they are first heard.
        """
        modules, subsampling = self._model.sortformer_modules, self.frame_ticks
        state = modules.init_streaming_state(batch_size=1, device=self._model.device)
        before = torch.zeros((1, 0, modules.n_spk), device=self._model.device)
        total = samples.size // self._hop
        step = self._streaming.chunk_len * subsampling
        heard = [np.empty((0, modules.n_spk), dtype=np.float32)]
        report(0.0)
        for begin in range(0, total, step):
            end = min(begin + step, total)
            left = min(self._streaming.chunk_left_context * subsampling, begin)
            right = min(self._streaming.chunk_right_context * subsampling, total - end)
            features = self.features(samples, begin - left, end + right)
            state, found = self._model.forward_streaming_step(
                processed_signal=features,
                processed_signal_length=torch.tensor([features.shape[1]], device=features.device),
                streaming_state=state,
                total_preds=before,
                left_offset=left,
                right_offset=right,
            )
            heard.append(found[0].float().cpu().numpy())
            report(end / total)
        together: Probabilities = np.concatenate(heard)
        return together

    @torch.inference_mode()
    def features(self, samples: Waveform, first: int, last: int) -> torch.Tensor:
        """The features ``first`` to ``last`` of those that the whole recording has.

        Returns:
            Shape (1, last - first, bands), where the model is.
        """
        begin = max(0, first - self._margin)
        piece = samples[begin * self._hop : min(samples.size, (last + self._margin) * self._hop)]
        signal = torch.from_numpy(np.nan_to_num(piece, nan=0.0, posinf=0.0, neginf=0.0))[None]
        signal = signal.to(self._model.device)
        found, _ = self._model.preprocessor(
            input_signal=signal, length=torch.tensor([signal.shape[1]], device=signal.device)
        )
        return torch.Tensor(found[:, :, first - begin : last - begin].mT)


def load(checkpoint: Path, device: str, streaming: Streaming = PUBLISHED) -> StreamingSortformer:
    """Restore a ``.nemo`` checkpoint.

    Args:
        checkpoint: The file. It is unpickled: it must come from a source that is trusted.
        device: ``cuda`` or ``cpu``.
        streaming: How recordings are heard.

    Raises:
        EngineError: ``diarization_unavailable``, if the file is no such checkpoint;
            ``engine_out_of_memory``.
    """
    try:
        with _quiet_nemo(), reporting_out_of_memory("Sortformer itself does not fit"):
            where = torch.device(device)
            model = SortformerEncLabelModel.restore_from(str(checkpoint), map_location=where)
            return StreamingSortformer(model, streaming)
    except (
        *(OSError, tarfile.TarError, KeyError, AttributeError),
        *(ValueError, TypeError, RuntimeError),  # a cut or a foreign checkpoint, by torch and NeMo
    ) as error:
        raise EngineError(
            "diarization_unavailable",
            f"{checkpoint.name} cannot be restored as a streaming Sortformer; it is damaged or of"
            " another kind",
        ) from error


@contextmanager
def _quiet_nemo() -> Iterator[None]:
    """NeMo warns of what training would need, and sets the level of everybody's handlers."""
    levels = [(handler, handler.level) for handler in logging.root.handlers]
    nemo_logging.setLevel(logging.ERROR)
    for handler, level in levels:
        handler.setLevel(level)
    yield
