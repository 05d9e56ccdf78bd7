"""Utterances put together into a conversation, with its truth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from training.espeak import SAMPLE_RATE_HZ, Utterance
from training.voices import FEMALE, Voice

_LEAST_PITCH_DIFFERENCE = 12  # of espeak-ng's 0 to 99, between two women or two men
FILLED_PAUSE_S = 0.3  # a shorter pause between two words of one turn counts as speech


@dataclass(frozen=True, slots=True)
class Word:
    """A word as written, when it is spoken, and by whom."""

    text: str
    start_s: float
    end_s: float
    speaker: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says in one go, from the first word's start to the last word's end."""

    speaker: str
    text: str
    start_s: float
    end_s: float
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """Uninterrupted speech of one speaker: the reference of a diarization."""

    speaker: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Conversation:
    """Mono audio at 16 kHz and its truth; turns are in the order of their starts."""

    audio: npt.NDArray[np.float32]
    turns: tuple[Turn, ...]

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in the order of their starts."""
        return tuple(
            sorted((word for turn in self.turns for word in turn.words), key=lambda w: w.start_s)
        )

    @property
    def speakers(self) -> tuple[str, ...]:
        """The labels of those who speak, sorted."""
        return tuple(sorted({turn.speaker for turn in self.turns}))

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The turns, each split at its long pauses."""
        return tuple(segment for turn in self.turns for segment in _split(turn))


def _split(turn: Turn) -> list[Segment]:
    cuts = [
        (before.end_s, after.start_s)
        for before, after in pairwise(turn.words)
        if after.start_s - before.end_s >= FILLED_PAUSE_S
    ]
    starts_s = [turn.start_s, *(after_s for _, after_s in cuts)]
    ends_s = [*(before_s for before_s, _ in cuts), turn.end_s]
    return [
        Segment(turn.speaker, start_s, end_s)
        for start_s, end_s in zip(starts_s, ends_s, strict=True)
    ]


def _turn(speaker: str, utterance: Utterance, offset_s: float) -> Turn:
    words = tuple(
        Word(word.text, offset_s + word.start_s, offset_s + word.end_s, speaker)
        for word in utterance.words
    )
    return Turn(speaker, utterance.text, words[0].start_s, words[-1].end_s, words)


def clearly_different(one: Voice, other: Voice) -> bool:
    """Whether a listener would tell the two apart at once.

    Args:
        one: A voice.
        other: Another.

    Returns:
        Whether the variants differ, and the sex or else the pitch as well.
    """
    names = [voice.name.partition("+")[2] for voice in (one, other)]
    if names[0] == names[1]:
        return False
    same_sex = (names[0] in FEMALE) == (names[1] in FEMALE)
    return not same_sex or abs(one.pitch - other.pitch) >= _LEAST_PITCH_DIFFERENCE


def arrange(
    rng: random.Random, spoken: Sequence[tuple[str, Utterance]], *, overlap: float
) -> Conversation:
    """Put utterances one after another, as people do: with pauses, or one into the other.

    Args:
        rng: Source of all randomness.
        spoken: Who says what, in order.
        overlap: Share of turns that begin 0.2 to 1.0 s before the turn before them has ended.

    Returns:
        The conversation, every speaker at an own level within 8 dB. Never do three speak at once.
    """
    gains = {name: 10 ** (rng.uniform(-8.0, 0.0) / 20) for name, _ in spoken}
    turns: list[Turn] = []
    offsets_s: list[float] = []
    end_s, end_before_s = rng.uniform(0.1, 0.8), 0.0  # of the last two turns
    for position, (name, utterance) in enumerate(spoken):
        length_s = utterance.words[-1].end_s - utterance.words[0].start_s
        if position and name != spoken[position - 1][0] and rng.random() < overlap:
            start_s = end_s - min(rng.uniform(0.2, 1.0), 0.4 * length_s)
            start_s = max(start_s, end_before_s, 0.0)
        else:
            start_s = end_s + rng.uniform(0.1, 0.9)
        offset_s = max(0.0, start_s - utterance.words[0].start_s)
        turn = _turn(name, utterance, offset_s)
        turns.append(turn)
        offsets_s.append(offset_s)
        end_before_s, end_s = sorted((end_s, turn.end_s))
    audio = np.zeros(round((end_s + rng.uniform(0.3, 1.0)) * SAMPLE_RATE_HZ), np.float32)
    for (name, utterance), offset_s in zip(spoken, offsets_s, strict=True):
        first = round(offset_s * SAMPLE_RATE_HZ)
        room = audio[first : first + len(utterance.audio)]
        room += utterance.audio[: len(room)] * np.float32(gains[name])
    return Conversation(audio, tuple(turns))


def next_speaker(
    rng: random.Random, names: Sequence[str], said_s: dict[str, float], last: Sequence[str]
) -> str:
    """Who speaks now: often whoever was just answered, and rather those who said little.

    Args:
        rng: Source of all randomness.
        names: Everybody.
        said_s: How long each of them has spoken, in seconds.
        last: Who spoke, in order.

    Returns:
        Somebody else than the last speaker, unless there is nobody else.
    """
    others = [name for name in names if not last or name != last[-1]] or list(names)
    weights = [
        (3.0 if len(last) > 1 and name == last[-2] else 1.0) / (2.0 + said_s[name])
        for name in others
    ]
    return rng.choices(others, weights)[0]
