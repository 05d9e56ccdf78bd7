"""Conversations that no training heard, with their truth, under the conditions of ``make eval``.

The voices are the held-out ones; sentences, rooms and noise are drawn from seeds of their own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.recordings import Samples
from speech.spoken import Spoken, Utterance
from speech.types import SpeakerTurn
from training.conversations import conversation
from training.espeak import SAMPLE_RATE_HZ, Espeak
from training.speakers_effects import add_noise, reverberate, telephone
from training.speakers_mixing import Conversation, clearly_different
from training.voices import HELD_OUT, Voice, random_voice

PEAK: Final = 0.5
TRIES: Final = 200

Channel = Callable[[random.Random, Samples], Samples]


@dataclass(frozen=True, slots=True)
class Condition:
    """What a group of recordings has in common."""

    name: str
    voices: int
    minutes: float
    recordings: int = 2
    overlap: float = 0.2
    """Share of turns that begin before the one before them has ended."""
    channel: Channel = lambda _rng, audio: audio


def noise(rng: random.Random, audio: Samples) -> Samples:
    """White or pink noise, 10 dB below the speech."""
    return add_noise(rng, audio, 10.0)


def telephone_line(rng: random.Random, audio: Samples) -> Samples:
    """300 to 3400 Hz, with some noise."""
    return add_noise(rng, telephone(audio), 25.0)


CONDITIONS: Final[Sequence[Condition]] = (
    Condition("clean", 3, 2),
    Condition("noise, 10 dB", 3, 2, channel=noise),
    Condition("reverberation", 3, 2, channel=reverberate),
    Condition("telephone band", 3, 2, channel=telephone_line),
    Condition("much overlap", 3, 2, overlap=0.6),
    Condition("2 voices", 2, 2),
    Condition("4 voices", 4, 3),
    Condition("6 voices", 6, 4),
    Condition("1 minute", 3, 1),
    Condition("10 minutes", 3, 10, recordings=1),
    Condition("30 minutes", 3, 30, recordings=1),
    Condition("60 minutes", 3, 60, recordings=1),
)


def generate(condition: Condition, number: int, espeak: Espeak) -> Conversation:
    """One recording of a condition.

    The same number gives the same voices, words and order; the samples depend a little on what
    espeak-ng has said before.
    """
    rng = random.Random(f"evaluation {condition.name} {number}")

    def channel(rng: random.Random, audio: Samples) -> Samples:
        heard = condition.channel(rng, audio)
        return np.asarray(heard * np.float32(PEAK / np.max(np.abs(heard))), dtype=np.float32)

    return conversation(
        rng,
        voices=different_voices(rng, condition.voices),
        espeak=espeak,
        duration_s=60.0 * condition.minutes / (1.0 + 0.25 * (1.0 - condition.overlap)),
        overlap=condition.overlap,
        channel=channel,
    )


def different_voices(rng: random.Random, count: int) -> list[Voice]:
    """Held-out voices that a listener tells apart at once.

    Some first choices leave no room for six; then it begins anew.
    """
    while True:
        chosen: list[Voice] = []
        for _ in range(TRIES):
            voice = random_voice(rng, held_out=True)
            if all(clearly_different(voice, other) for other in chosen):
                chosen.append(voice)
            if len(chosen) == count:
                assert all(voice.name.partition("+")[2] in HELD_OUT for voice in chosen)
                return chosen


def truth_of(spoken: Conversation) -> Spoken:
    """The words with their times, and the turns, split at their pauses as diarizers see them."""
    words = (Utterance(w.text, w.speaker, w.start_s, w.end_s) for w in spoken.words)
    turns = (SpeakerTurn(one.speaker, one.start_s, one.end_s) for one in spoken.segments)
    return Spoken(tuple(words), tuple(turns))


def duration_s(spoken: Conversation) -> float:
    """Of the recording."""
    return len(spoken.audio) / SAMPLE_RATE_HZ
