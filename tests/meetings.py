"""Meetings of synthetic people, and samples of their voices recorded elsewhere."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import soundfile

from engine.recorded import Samples
from speech.types import Diarization, SpeakerTurn, Voice
from tests.models import RATE_HZ
from training.conversations import conversation
from training.espeak import Espeak
from training.grammar import exchange
from training.speakers_effects import degrade
from training.speakers_mixing import Conversation, clearly_different
from training.voices import FEMALE, HELD_OUT
from training.voices import Voice as Speech

_LABELS = "ABCDEFGH"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody and how they speak."""

    name: str
    speech: Speech


def people(rng: random.Random, variants: Sequence[str] = HELD_OUT) -> list[Person]:
    """Eight people who are clearly different, four women and four men where there are as many."""
    women = [variant for variant in variants if variant in FEMALE][:4]
    men = [variant for variant in variants if variant not in FEMALE][:4]
    found = []
    for group in (women, men):
        # 15 apart and 3 to either side: never nearer than voices of one conversation are.
        for place, variant in enumerate(rng.sample(group, len(group))):
            accent = rng.choice(["en-us", "en", "en-gb-x-rp"])
            pitch = 30 + 15 * place + rng.randint(0, 3 if place else 0)
            speech = Speech(
                f"{accent}+{variant}",
                rate_wpm=rng.randint(125, 200),
                pitch=pitch,
                pitch_range=rng.randint(30, 70),
                word_gap=rng.choice([0, 0, 1]),
            )
            found.append(Person(variant, speech))
    rng.shuffle(found)
    assert all(clearly_different(a.speech, b.speech) for a, b in combinations(found, 2))
    return found


@cache
def synthesiser() -> Espeak:
    """That of this process: its library keeps global state and is not to be set up again."""
    return Espeak()


def meeting(rng: random.Random, those: Sequence[Person], duration_s: float) -> Conversation:
    """They talk with each other; the truth calls them A, B, ... in their order."""
    voices = [person.speech for person in those]
    return conversation(rng, voices=voices, espeak=synthesiser(), duration_s=duration_s)


def spoken_by(rng: random.Random, person: Person, duration_s: float) -> Samples:
    """Some seconds of one person, over a channel of its own."""
    espeak, parts, length = synthesiser(), [], 0
    while length < duration_s * RATE_HZ:
        for text in exchange(rng):
            utterance = espeak.say(text, person.speech)
            if utterance is not None:
                parts += [utterance.audio, np.zeros(RATE_HZ // 5, dtype=np.float32)]
                length += parts[-2].size + parts[-1].size
    return degrade(rng, np.concatenate(parts)[: round(duration_s * RATE_HZ)])


def voice_of(name: str, folder: Path, *samples: Samples) -> Voice:
    """A known speaker as the engine is told of one."""
    paths = []
    for number, sample in enumerate(samples):
        path = folder / f"{name}-{number}.wav"
        soundfile.write(path, sample, RATE_HZ, "PCM_16")
        paths.append(path)
    return Voice(name, tuple(paths), None)


def truly(
    truth: Conversation, those: Sequence[Person], found: Diarization
) -> Mapping[str, tuple[str, float]]:
    """For each speaker that was found, who speaks for most of its time, and for how much of it."""
    whose = {}
    for speaker in {turn.speaker for turn in found.turns}:
        own = [turn for turn in found.turns if turn.speaker == speaker]
        shares = {
            person.name: _overlap_s(truth, label, own)
            for label, person in zip(_LABELS, those, strict=False)
        }
        most = max(shares, key=lambda name: shares[name])
        whose[speaker] = most, shares[most]
    return whose


def _overlap_s(truth: Conversation, label: str, turns: Sequence[SpeakerTurn]) -> float:
    return sum(
        max(0.0, min(segment.end_s, turn.end_s) - max(segment.start_s, turn.start_s))
        for segment in truth.segments
        if segment.speaker == label
        for turn in turns
    )
