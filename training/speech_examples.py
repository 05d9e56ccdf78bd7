"""Training examples: the clips of the shards as batches, and a set to watch the training with."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.espeak import SAMPLE_RATE_HZ, Espeak, SpokenWord
from training.speech_data import MEL_BANDS, Clip, evaluation_set, mel_features, read_shard
from training.speech_scoring import word_error_rate
from training.speech_targets import Token, word_tokens

_POOL_CLIPS = 40_000  # the newest clips that are kept
_SHARDS_AT_ONCE = 100
_BUCKET_CLIPS = 600  # drawn at once and sorted by length
_LONG_FRAMES = 1200  # longer clips, which attention makes slow, are drawn less often
_EDGE_SAMPLES = 3200
_WARPS = 31  # steps of the vocal tract length, shortest to longest
_WARP_RANGE = (0.86, 1.16)


@dataclass(frozen=True, slots=True)
class Example:
    """A clip with what is derived from it once."""

    mel: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor
    words: tuple[SpokenWord, ...]
    tokens: tuple[Token, ...]


def example(clip: Clip, tokenizer: Any) -> Example:
    """Features with their statistics, and tokens with their frames."""
    mel = clip.mel.float()
    tokens = [token for word in clip.words for token in word_tokens(word, tokenizer.text_to_ids)]
    return Example(clip.mel, mel.mean(1), mel.std(1), clip.words, tuple(tokens))


@functools.cache
def _warps() -> torch.Tensor:
    """[_WARPS, bands, bands] matrices that stretch the frequency axis of a mel spectrum.

    Vocal tract length perturbation (Jaitly and Hinton, 2013): a speaker's formants scale with the
    length of the vocal tract, so that stretching the axis makes a new speaker. The mel scale is
    Slaney's, as in NeMo's front end: linear below 1 kHz, logarithmic above.
    """
    step, break_hz, per_mel = 200 / 3, 1000.0, np.log(6.4) / 27

    def to_mel(hz: Any) -> Any:
        above = 15 + np.log(np.maximum(hz, break_hz) / break_hz) / per_mel
        return np.where(hz < break_hz, hz / step, above)

    def to_hz(mel: Any) -> Any:
        return np.where(mel < 15, mel * step, break_hz * np.exp(per_mel * (mel - 15)))

    top = to_mel(SAMPLE_RATE_HZ / 2)
    centres_hz = to_hz(np.linspace(0, top, MEL_BANDS + 2)[1:-1])
    matrices = np.zeros((_WARPS, MEL_BANDS, MEL_BANDS), np.float32)
    for matrix, factor in zip(matrices, np.linspace(*_WARP_RANGE, _WARPS), strict=True):
        source = to_mel(centres_hz * factor) / top * (MEL_BANDS + 1) - 1
        source = np.clip(source, 0, MEL_BANDS - 1)
        low = np.minimum(source.astype(int), MEL_BANDS - 2)
        matrix[np.arange(MEL_BANDS), low] = 1 - (source - low)
        matrix[np.arange(MEL_BANDS), low + 1] = source - low
    return torch.from_numpy(matrices)


def normalised(item: Example, rng: random.Random, pool: list[Example]) -> torch.Tensor:
    """Per-feature normalised features [bands, frames], varied from one use to the next.

    Two of three times the vocal tract is another one. A passage of a long recording is normalised
    with the whole recording's mean and deviation: mixing in another clip's statistics prepares the
    model for that.
    """
    mel, mean, std = item.mel.float(), item.mean, item.std
    if rng.random() < 2 / 3:
        mel = _warps()[rng.randrange(_WARPS)] @ mel
        mean, std = mel.mean(1), mel.std(1)
    if rng.random() < 0.4:
        other, share = rng.choice(pool), rng.uniform(0, 0.6)
        variance = share * other.std**2 + (1 - share) * std**2
        variance += share * (1 - share) * (other.mean - mean) ** 2
        mean, std = share * other.mean + (1 - share) * mean, variance.sqrt()
    return (mel - mean[:, None]) / (std[:, None] + 1e-5)


def pad(mels: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """[B, bands, T] zero-padded features and their lengths."""
    lengths = torch.tensor([mel.shape[1] for mel in mels])
    padded = torch.zeros(len(mels), MEL_BANDS, int(lengths.max()))
    for index, mel in enumerate(mels):
        padded[index, :, : mel.shape[1]] = mel
    return padded, lengths


class Pool:
    """The newest clips, taken up from the shards as these appear."""

    def __init__(self, folder: Path, tokenizer: Any) -> None:
        self.examples: list[Example] = []
        self._folder, self._tokenizer = folder, tokenizer
        self._known: set[Path] = set()

    def take_up(self) -> None:
        """Read some of the shards that are new."""
        new = sorted(set(self._folder.glob("*.pt")) - self._known)
        for path in new[:_SHARDS_AT_ONCE]:
            self._known.add(path)
            self.examples += [example(clip, self._tokenizer) for clip in read_shard(path)]
        del self.examples[:-_POOL_CLIPS]

    def batches(self, rng: random.Random, max_frames: int) -> Iterator[list[Example]]:
        """Batches without end: clips of similar length, at most max_frames with padding."""
        while True:
            self.take_up()
            drawn = rng.sample(self.examples, min(_BUCKET_CLIPS, len(self.examples)))
            chosen = [x for x in drawn if rng.random() * x.mel.shape[1] < _LONG_FRAMES]
            chosen.sort(key=lambda item: item.mel.shape[1])
            groups: list[list[Example]] = [[]]
            for item in chosen:
                if groups[-1] and (len(groups[-1]) + 1) * item.mel.shape[1] > max_frames:
                    groups.append([])
                groups[-1].append(item)
            rng.shuffle(groups)
            yield from groups


class DevelopmentSet:
    """Sentences kept out of training, in one kind of voices, to watch the training with."""

    def __init__(self, espeak: Espeak, seed: int, count: int, *, held_out: bool) -> None:
        features = mel_features()
        spoken = evaluation_set(espeak, seed, count, held_out=held_out)
        self._texts = [item.text for item in spoken]
        self._mels = []
        for item in spoken:
            mel = features(np.pad(item.audio, _EDGE_SAMPLES)).float()
            self._mels.append((mel - mel.mean(1)[:, None]) / (mel.std(1)[:, None] + 1e-5))

    @torch.inference_mode()
    def word_error_rate(self, model: Any) -> float:
        """Raw word error rate in percent; leaves the model in evaluation mode."""
        model.eval()
        found: list[str] = []
        for start in range(0, len(self._mels), 25):
            mel, lengths = pad(self._mels[start : start + 25])
            encoded, encoded_lengths = model.encoder(audio_signal=mel, length=lengths)
            hypotheses = model.decoding.rnnt_decoder_predictions_tensor(
                encoded, encoded_lengths, return_hypotheses=True
            )
            found += [hypothesis.text for hypothesis in hypotheses]
        return word_error_rate(self._texts, found)
