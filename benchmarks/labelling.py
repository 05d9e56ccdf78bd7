"""How many words get the wrong speaker if the words are true and the turns nearly so.

Generated conversations give the true words and turns; the edges of the turns are moved at random,
as a diarizer misses them. Beside this worker's labelling stands what WhisperX does
(``assign_word_speakers``): a word belongs to whoever speaks longest during it, and to nobody where
nobody speaks. Words without a speaker count as wrong. WDER as Shafey et al. 2019 define it; all
words are the true ones, so it is the share of words with a wrong speaker.

    python -m benchmarks.labelling
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.rows import HEADING, Row, as_line
from speech import activity, labelling
from speech.types import Diarization, SpeakerTurn, Word
from training.conversations import conversation, different_voices
from training.espeak import Espeak
from training.speakers_mixing import Conversation
from training.voices import HELD_OUT

CONVERSATIONS = 10
SPEAKERS = (2, 3, 4, 5, 6)
LENGTH_S = 120.0
OVERLAP = 0.2
"""Share of turns that begin before the one before them has ended."""
JITTER_S = 0.25
FIRST_SEED = 4000

Jitter = Callable[[random.Random], float]
Labels = list[str | None]
Label = Callable[[Sequence[Word], tuple[SpeakerTurn, ...]], Labels]


def evenly(rng: random.Random) -> float:
    """Up to the jitter, either way."""
    return rng.uniform(-JITTER_S, JITTER_S)


def normally(rng: random.Random) -> float:
    """With the jitter as standard deviation: a third of the edges is moved further than it."""
    return rng.gauss(0.0, JITTER_S)


def conversations(count: int, length_s: float) -> list[Conversation]:
    """Held-out voices, 2 to 6 in turn; always the same."""
    espeak = Espeak()
    return [_conversation(number, length_s, espeak) for number in range(count)]


def _conversation(number: int, length_s: float, espeak: Espeak) -> Conversation:
    rng = random.Random(FIRST_SEED + number)
    voices = different_voices(rng, SPEAKERS[number % len(SPEAKERS)], HELD_OUT)
    return conversation(
        rng, voices=voices, espeak=espeak, duration_s=length_s, overlap=OVERLAP, channel=_clean
    )


def _clean(_: random.Random, audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return audio


def moved(truth: Conversation, jitter: Jitter, rng: random.Random) -> tuple[SpeakerTurn, ...]:
    """The true turns, each edge moved by itself."""
    turns: list[SpeakerTurn] = []
    for segment in truth.segments:
        edges_s = (segment.start_s + jitter(rng), segment.end_s + jitter(rng))
        turns.append(SpeakerTurn(segment.speaker, max(0.0, min(edges_s)), max(0.0, *edges_s)))
    return tuple(turns)


def ours(words: Sequence[Word], turns: tuple[SpeakerTurn, ...]) -> Labels:
    """As the worker does it."""
    return [word.speaker for word in labelling.label_words(words, Diarization(turns, ()))]


def by_overlap(words: Sequence[Word], turns: tuple[SpeakerTurn, ...]) -> Labels:
    """As WhisperX does it, without ``fill_nearest``, which is its default."""
    timeline = activity.activity(turns)
    found: Labels = []
    for word in words:
        seconds = activity.heard(timeline, word.start_s, word.end_s).seconds
        found.append(max(seconds, key=seconds.__getitem__) if seconds else None)
    return found


def by_nearest_overlap(words: Sequence[Word], turns: tuple[SpeakerTurn, ...]) -> Labels:
    """The same, and the nearest turn where nobody speaks."""
    lasting = [turn for turn in turns if turn.start_s < turn.end_s]
    starts = activity.edges((turn.start_s, turn.speaker) for turn in lasting)
    ends = activity.edges((turn.end_s, turn.speaker) for turn in lasting)
    found = by_overlap(words, turns)
    for index, word in enumerate(words):
        if found[index] is None:
            gaps_s = activity.gaps_s(starts, ends, word.start_s, word.end_s)
            found[index] = min(gaps_s, key=gaps_s.__getitem__)
    return found


def wder(
    label: Label,
    truths: Sequence[Conversation],
    jitter: Jitter | None,
    seed: int = 0,
) -> float:
    """Percent of all words that get a wrong speaker."""
    wrong = count = 0
    for number, truth in enumerate(truths):
        rng = random.Random(f"{seed} {number}")
        turns = moved(truth, jitter or (lambda _: 0.0), rng)
        words = [Word(word.text, word.start_s, word.end_s, 1.0) for word in truth.words]
        found = label(words, turns)
        wrong += sum(a != b.speaker for a, b in zip(found, truth.words, strict=True))
        count += len(words)
    return 100 * wrong / count


def rows(_: Path, runs: int) -> Iterator[Row]:
    """One run is one draw of the jitter. The baseline is WhisperX's way."""
    truths = conversations(CONVERSATIONS, LENGTH_S)
    for name, jitter, target in (
        ("true turns", None, ""),
        ("turns within 250 ms", evenly, "<= 1 %"),
        ("turns with a deviation of 250 ms", normally, ""),
    ):
        seeds = range(runs)
        mine = tuple(wder(ours, truths, jitter, seed) for seed in seeds)
        for way, baseline in (("overlap", by_overlap), ("overlap, nearest", by_nearest_overlap)):
            theirs = tuple(wder(baseline, truths, jitter, seed) for seed in seeds)
            yield Row(f"WDER, {name}; beside: {way}", mine, "%", target, theirs)


if __name__ == "__main__":
    print(HEADING)
    for row in rows(Path(), 5):
        print(as_line(row), flush=True)
