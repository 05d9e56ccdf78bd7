"""Training material of the demo diarizer: synthetic speakers and ten-second mixtures of them."""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr
import torch

from training.espeak import SAMPLE_RATE_HZ, Espeak, SpokenWord, Utterance
from training.grammar import exchange
from training.speakers_effects import degrade
from training.speakers_mixing import (
    Conversation,
    Segment,
    arrange,
    clearly_different,
    next_speaker,
)
from training.speakers_models import CHUNK_S, LOCAL_SPEAKERS
from training.voices import SEEN, Voice, random_voice

# Variants of SEEN that training leaves out, so that thresholds are tuned on unknown voices.
DEVELOPMENT = ("m5", "Mario", "victor", "robert", "f5", "belinda")
TRAINING = tuple(variant for variant in SEEN if variant not in DEVELOPMENT)

# Played faster or slower with the pitch going along, a voice becomes another speaker: its
# formants move too. That makes more speakers than espeak-ng has variants.
_SPEEDS = (0.84, 0.92, 1.0, 1.0, 1.09, 1.18)
_LEAST_PITCH_DIFFERENCE = 8  # of speakers who share variant, accent and speed


@dataclass(frozen=True, slots=True)
class Speaker:
    """One class of the embedding's training: a fixed voice and some of what it said."""

    voice: Voice
    speed: float
    utterances: tuple[Utterance, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Chunks of ``CHUNK_S`` seconds with truth, as tensors.

    Attributes:
        audio: (batch, 1, samples).
        activity: (batch, frames, LOCAL_SPEAKERS), 1.0 where that speaker speaks.
        speakers: (batch, LOCAL_SPEAKERS) indices of the pool's speakers, -1 for nobody.
    """

    audio: torch.Tensor
    activity: torch.Tensor
    speakers: torch.Tensor


def _identities(rng: random.Random, count: int) -> list[tuple[Voice, float]]:
    """Voices that can be told apart."""
    pitches: dict[tuple[str, float], list[int]] = {}
    chosen: list[tuple[Voice, float]] = []
    while len(chosen) < count:
        voice, speed = random_voice(rng, held_out=False), rng.choice(_SPEEDS)
        if voice.name.partition("+")[2] not in TRAINING:
            continue
        taken = pitches.setdefault((voice.name, speed), [])
        if all(abs(voice.pitch - pitch) >= _LEAST_PITCH_DIFFERENCE for pitch in taken):
            taken.append(voice.pitch)
            chosen.append((voice, speed))
    return chosen


def _at_speed(utterance: Utterance, speed: float) -> Utterance:
    if speed == 1.0:
        return utterance
    audio = soxr.resample(utterance.audio, SAMPLE_RATE_HZ * speed, SAMPLE_RATE_HZ)
    words = tuple(
        SpokenWord(word.text, word.start_s / speed, word.end_s / speed) for word in utterance.words
    )
    return Utterance(audio.astype(np.float32), words, utterance.text)


def render_pool(seed: int, *, speakers: int, utterances: int) -> list[Speaker]:
    """Synthesise the training speakers.

    Args:
        seed: The same seed gives the same pool.
        speakers: How many; some 900 can be told apart.
        utterances: Of each speaker, one or two sentences each.

    Returns:
        The pool; about 2.5 s and 160 kB an utterance.
    """
    rng, espeak = random.Random(seed), Espeak()
    pool = []
    for voice, speed in _identities(rng, speakers):
        said: list[Utterance] = []
        while len(said) < utterances:
            for text in exchange(rng)[: utterances - len(said)]:
                utterance = espeak.say(text, voice)
                if utterance is not None:
                    said.append(_at_speed(utterance, speed))
        pool.append(Speaker(voice, speed, tuple(said)))
    return pool


def load_pool(path: Path | None, seed: int, *, speakers: int, utterances: int) -> list[Speaker]:
    """``render_pool``, kept in a file of the caller's own if a path is given."""
    if path is not None and path.exists():
        pool: list[Speaker] = pickle.loads(path.read_bytes())  # noqa: S301 - our own file
        return pool
    pool = render_pool(seed, speakers=speakers, utterances=utterances)
    if path is not None:
        path.write_bytes(pickle.dumps(pool, protocol=pickle.HIGHEST_PROTOCOL))
    return pool


def _mixture(rng: random.Random, pool: Sequence[Speaker]) -> tuple[Conversation, dict[str, int]]:
    """A conversation a little longer than a chunk, and the pool index of each label."""
    count = rng.choices((1, 2, 3), (0.12, 0.43, 0.45))[0]
    members: dict[str, int] = {}
    while len(members) < count:
        index = rng.randrange(len(pool))
        others = [pool[other].voice for other in members.values()]
        if all(clearly_different(pool[index].voice, other) for other in others):
            members[str(index)] = index
    said_s = dict.fromkeys(members, 0.0)
    spoken: list[tuple[str, Utterance]] = []
    while sum(said_s.values()) < 12.0:
        name = next_speaker(rng, list(members), said_s, [label for label, _ in spoken])
        utterance = rng.choice(pool[members[name]].utterances)
        said_s[name] += len(utterance.audio) / SAMPLE_RATE_HZ
        spoken.append((name, utterance))
    return arrange(rng, spoken, overlap=rng.choice((0.25, 0.6))), members


def activity(
    segments: Sequence[Segment], names: Sequence[str], times_s: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """(times, names) truth: 1.0 where the speaker speaks at that time."""
    active = np.zeros((len(times_s), len(names)), np.float32)
    for segment in segments:
        if segment.speaker in names:
            inside = (times_s >= segment.start_s) & (times_s < segment.end_s)
            active[inside, names.index(segment.speaker)] = 1.0
    return active


def chunk(
    rng: random.Random, pool: Sequence[Speaker], frames_s: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], list[int]]:
    """One training example.

    Args:
        rng: Source of all randomness.
        pool: The speakers.
        frames_s: Centres of the segmentation network's frames in seconds from the chunk's start.

    Returns:
        Audio, activity (frames, LOCAL_SPEAKERS), and the speakers' pool indices, -1 for nobody.
    """
    mixed, members = _mixture(rng, pool)
    samples = round(CHUNK_S * SAMPLE_RATE_HZ)
    # One chunk in eight begins before the conversation or ends after it, as in a real file.
    spare_s = len(mixed.audio) / SAMPLE_RATE_HZ - CHUNK_S
    start_s = rng.uniform(0.0, spare_s) if rng.random() < 0.875 else rng.uniform(-4.0, spare_s + 4)
    first = round(start_s * SAMPLE_RATE_HZ)
    padded = np.pad(mixed.audio, (max(0, -first), max(0, first + samples - len(mixed.audio))))
    audio = padded[max(0, first) :][:samples]
    names = list(members)
    active = np.zeros((len(frames_s), LOCAL_SPEAKERS), np.float32)
    active[:, : len(names)] = activity(mixed.segments, names, frames_s + first / SAMPLE_RATE_HZ)
    indices = [members[name] for name in names] + [-1] * (LOCAL_SPEAKERS - len(names))
    return degrade(rng, audio), active, indices


def batch(
    rng: random.Random, pool: Sequence[Speaker], frames_s: npt.NDArray[np.float64], size: int
) -> Batch:
    """``size`` chunks; see ``chunk``."""
    chunks = [chunk(rng, pool, frames_s) for _ in range(size)]
    return Batch(
        torch.from_numpy(np.stack([audio for audio, _, _ in chunks]))[:, None],
        torch.from_numpy(np.stack([active for _, active, _ in chunks])),
        torch.tensor([indices for _, _, indices in chunks]),
    )
