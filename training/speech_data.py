"""Training clips for the speech model: spoken, joined, disturbed and turned into features.

    python -m training.speech_data OUT_DIR [--seed 1] [--shards 400] [--clips 100]

writes one shard of fresh clips after another, so that a training beside it can take them up as
they appear. Nothing is repeated: every clip has new sentences, voices, pauses and noise.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.signal
import torch

from training import grammar
from training.espeak import SAMPLE_RATE_HZ, Espeak, SpokenWord, Utterance
from training.voices import random_voice

MEL_BANDS = 80
_EVALUATION_SHARE = 8  # one in so many sentences is never in training
_EVALUATION_WORDS = 5  # shorter ones have too few forms to do without some of them
_SECONDS = ((4.0, 0.35), (8.0, 0.35), (14.0, 0.2), (28.0, 0.08), (75.0, 0.02))  # clip length, share
Audio = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Clip:
    """Log-mel features [80, frames] in half precision, not normalised, and the words in them."""

    mel: torch.Tensor
    words: tuple[SpokenWord, ...]


def is_for_evaluation(sentence: str) -> bool:
    """Whether a sentence is kept out of training. Decided by its text alone.

    Sentences of templates with few forms are all in training: a recogniser that has heard "I am a
    little tired today." and three more of the kind, and never the fifth, writes one of the four.
    """
    return (
        sentence not in grammar.RARE
        and len(sentence.split()) >= _EVALUATION_WORDS
        and zlib.crc32(sentence.encode()) % _EVALUATION_SHARE == 0
    )


def text_for(rng: random.Random, *, evaluation: bool) -> str:
    """One or two sentences, all of them for training or all for evaluation."""
    count = rng.choice((1, 1, 2))
    sentences: list[str] = []
    while len(sentences) < count:
        sentence = grammar.sentence(rng)
        if is_for_evaluation(sentence) == evaluation:
            sentences.append(sentence)
    return " ".join(sentences)


def utterance(
    espeak: Espeak, rng: random.Random, *, held_out: bool = False, evaluation: bool = False
) -> Utterance:
    """A random text spoken by a random voice, drawn again where a word has no time."""
    while True:
        text = text_for(rng, evaluation=evaluation)
        spoken = espeak.say(text, random_voice(rng, held_out=held_out))
        if spoken is not None:
            return spoken


def evaluation_set(espeak: Espeak, seed: int, count: int, *, held_out: bool) -> list[Utterance]:
    """Utterances of sentences that are never in training.

    Args:
        espeak: The synthesiser.
        seed: Same seed, same utterances.
        count: How many.
        held_out: Whether in voices that are never in training either.
    """
    rng = random.Random(seed)
    return [utterance(espeak, rng, held_out=held_out, evaluation=True) for _ in range(count)]


def _noise(rng: np.random.Generator, length: int) -> Audio:
    """White or pink noise of unit deviation."""
    noise = rng.standard_normal(length)
    if rng.random() < 0.5:
        spectrum = np.fft.rfft(noise)
        noise = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 1.0), length)
    return (noise / noise.std()).astype(np.float32)


def _room(rng: np.random.Generator, audio: Audio) -> Audio:
    """A small room: the direct sound and an exponentially decaying tail behind it."""
    reverberation_s = rng.uniform(0.1, 0.4)
    time_s = np.arange(int(reverberation_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    response = rng.standard_normal(len(time_s)) * np.exp(-6.9 * time_s / reverberation_s)
    response *= rng.uniform(0.1, 0.4) / np.linalg.norm(response)
    response[0] = 1.0
    return scipy.signal.oaconvolve(audio, response)[: len(audio)].astype(np.float32)


def _telephone(audio: Audio) -> Audio:
    """The band of a telephone, 300 to 3400 Hz."""
    band = scipy.signal.butter(4, (300, 3400), "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return scipy.signal.sosfilt(band, audio).astype(np.float32)


def disturb(rng: random.Random, audio: Audio) -> Audio:
    """Leave a clip as it is, or put it into a room, on a telephone line or into noise."""
    numbers = np.random.default_rng(rng.getrandbits(32))
    if rng.random() < 0.12:
        audio = _room(numbers, audio)
    if rng.random() < 0.08:
        audio = _telephone(audio)
    if rng.random() < 0.5:
        ratio_db = rng.uniform(15, 50)
        level = (audio.std() + 1e-6) * 10 ** (-ratio_db / 20)
        audio = audio + _noise(numbers, len(audio)) * level
    return audio.astype(np.float32)


def compose(espeak: Espeak, rng: random.Random) -> tuple[Audio, tuple[SpokenWord, ...]]:
    """A clip: turns of one to three voices with pauses, each at its own level."""
    lengths, shares = zip(*_SECONDS, strict=True)
    wanted_s = rng.choices(lengths, shares)[0] * rng.uniform(0.5, 1.0)
    length_s = rng.choice((0.0, rng.uniform(0, 0.4), rng.uniform(0, 1.2)))
    parts: list[Audio] = [np.zeros(round(length_s * SAMPLE_RATE_HZ), np.float32)]
    words: list[SpokenWord] = []
    samples = len(parts[0])
    while not words or samples < wanted_s * SAMPLE_RATE_HZ:
        spoken = utterance(espeak, rng)
        gain = 10 ** (rng.uniform(-14, 0) / 20)
        offset_s = samples / SAMPLE_RATE_HZ
        words += [
            SpokenWord(word.text, word.start_s + offset_s, word.end_s + offset_s)
            for word in spoken.words
        ]
        pause_s = rng.choice((rng.uniform(0.0, 0.3), rng.uniform(0.1, 0.8), rng.uniform(0.3, 1.5)))
        parts += [spoken.audio * gain, np.zeros(round(pause_s * SAMPLE_RATE_HZ), np.float32)]
        samples += len(parts[-2]) + len(parts[-1])
    return disturb(rng, np.concatenate(parts)), tuple(words)


def mel_features() -> Callable[[Audio], torch.Tensor]:
    """NeMo's log-mel front end without its normalisation, which the training does per clip.

    Returns:
        A function from mono audio at 16 kHz to half-precision features [80, frames].
    """
    from nemo.collections.asr.modules import AudioToMelSpectrogramPreprocessor

    front_end: Any = AudioToMelSpectrogramPreprocessor(
        sample_rate=SAMPLE_RATE_HZ,
        normalize="NA",
        window_size=0.025,
        window_stride=0.01,
        window="hann",
        features=MEL_BANDS,
        n_fft=512,
        dither=0.0,
        pad_to=0,
    ).eval()

    def features(audio: Audio) -> torch.Tensor:
        with torch.inference_mode():
            mel, frames = front_end(
                input_signal=torch.from_numpy(audio)[None], length=torch.tensor([len(audio)])
            )
        return mel[0, :, : int(frames)].half().clone()

    return features


def write_shard(path: Path, clips: list[Clip]) -> None:
    """Write clips in one step, so that a reader meets only whole files."""
    plain = [(clip.mel, [dataclasses.astuple(word) for word in clip.words]) for clip in clips]
    unfinished = path.with_suffix(".tmp")
    torch.save(plain, unfinished)
    unfinished.replace(path)


def read_shard(path: Path) -> list[Clip]:
    """The clips that ``write_shard`` wrote."""
    return [
        Clip(mel, tuple(SpokenWord(*word) for word in words)) for mel, words in torch.load(path)
    ]


def main() -> None:
    """Write shards until there are enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shards", type=int, default=400)
    parser.add_argument("--clips", type=int, default=100, help="clips in a shard")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    espeak, features = Espeak(), mel_features()
    for index in range(args.shards):
        rng = random.Random(f"{args.seed}/{index}")
        clips = []
        for _ in range(args.clips):
            audio, words = compose(espeak, rng)
            clips.append(Clip(features(audio), words))
        write_shard(args.out / f"{args.seed}-{index:05d}.pt", clips)


if __name__ == "__main__":
    main()
