"""Conversations of synthetic voices with exact truth, and the demo conversation.

python -m training.conversations demo/
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from training.espeak import SAMPLE_RATE_HZ, Espeak, Utterance
from training.grammar import exchange
from training.speakers_effects import add_noise, degrade
from training.speakers_mixing import Conversation, arrange, clearly_different, next_speaker
from training.voices import HELD_OUT, Voice, random_voice

_LABELS = "ABCDEFGH"

# The demo: voices that no training heard, and sentences of the grammar.
_DEMO_SEED = 1
_DEMO_OVERLAP = 0.2
_DEMO_SNR_DB = 35.0
_DEMO_VOICES = {
    "Anna": Voice("en-us+Andrea", rate_wpm=145, pitch=55, pitch_range=55, word_gap=0),
    "David": Voice("en+m4", rate_wpm=142, pitch=42, pitch_range=50, word_gap=0),
    "Oscar": Voice("en-us+pedro", rate_wpm=138, pitch=48, pitch_range=50, word_gap=0),
}
_DEMO_SCRIPT = (
    ("Anna", "Good morning, everybody. Can we meet on Thursday at half past nine?"),
    ("David", "Sorry, I cannot come on Thursday. How about Friday after eleven?"),
    ("Oscar", "No, I have another meeting on Friday. Is Wednesday at noon possible?"),
    ("Anna", "Yes, Wednesday is perfect. Let us meet in the library on Wednesday at noon."),
    ("David", "That sounds great. Who has the contract?"),
    ("Oscar", "Peter has the contract. I will bring the budget."),
    ("Anna", "Please bring the report and the plan. How long is the meeting?"),
    ("David", "It takes about forty minutes."),
    ("Oscar", "Will the manager be there? I would like a meeting with you on Tuesday."),
    ("Anna", "The manager is away on Wednesday. Please call me at five seven three zero two."),
    ("David", "Of course. Do not forget the invoice."),
    ("Oscar", "Great, see you on Wednesday at noon."),
    ("Anna", "Thank you, Oscar. Have a good afternoon."),
    ("David", "See you on Wednesday, Anna."),
    ("Oscar", "Thanks, goodbye."),
)


def conversation(
    rng: random.Random,
    *,
    voices: Sequence[Voice],
    espeak: Espeak,
    duration_s: float = 45.0,
    overlap: float = 0.3,
    channel: Callable[[random.Random, npt.NDArray[np.float32]], npt.NDArray[np.float32]] = degrade,
) -> Conversation:
    """A conversation about arranging meetings.

    Args:
        rng: Source of all randomness: the same state gives the same conversation.
        voices: Who takes part; labelled A, B, ... in this order.
        espeak: The synthesiser of this process.
        duration_s: Speech to generate; pauses come on top. Everybody gets to speak.
        overlap: Share of turns that begin before the turn before them has ended.
        channel: What the recording does to the sum of the voices.

    Returns:
        Audio and truth.
    """
    names = _LABELS[: len(voices)]
    said_s = dict.fromkeys(names, 0.0)
    spoken: list[tuple[str, Utterance]] = []
    order: list[str] = []
    texts: list[str] = []
    while sum(said_s.values()) < duration_s or min(said_s.values()) < 4.0:
        texts = texts or exchange(rng)
        name = next_speaker(rng, names, said_s, order)
        utterance = espeak.say(texts.pop(0), voices[names.index(name)])
        if utterance is not None:
            spoken.append((name, utterance))
            order.append(name)
            said_s[name] += len(utterance.audio) / SAMPLE_RATE_HZ
    arranged = arrange(rng, spoken, overlap=overlap)
    return Conversation(channel(rng, arranged.audio), arranged.turns)


def different_voices(rng: random.Random, count: int, variants: Sequence[str]) -> list[Voice]:
    """``count`` clearly different random voices of ``variants``, all held out or all seen."""
    held_out = set(variants) <= set(HELD_OUT)
    chosen: list[Voice] = []
    while len(chosen) < count:
        voice = random_voice(rng, held_out=held_out)
        known = voice.name.partition("+")[2] in variants
        if known and all(clearly_different(voice, other) for other in chosen):
            chosen.append(voice)
    return chosen


def demo() -> Conversation:
    """The demo conversation: three people arrange a meeting."""
    rng, espeak = random.Random(_DEMO_SEED), Espeak()
    spoken = []
    for name, text in _DEMO_SCRIPT:
        utterance = espeak.say(text, _DEMO_VOICES[name])
        if utterance is None:
            raise ValueError(f"espeak-ng does not time every word of {text!r}")
        spoken.append((name, utterance))
    arranged = arrange(rng, spoken, overlap=_DEMO_OVERLAP)
    audio = add_noise(rng, arranged.audio, _DEMO_SNR_DB)
    return Conversation(audio * np.float32(0.7 / np.max(np.abs(audio))), arranged.turns)


def truth_as_json(truth: Conversation) -> str:
    """Turns and words as JSON, times in seconds rounded to milliseconds."""
    turns = [
        {
            "speaker": turn.speaker,
            "text": turn.text,
            "start_s": round(turn.start_s, 3),
            "end_s": round(turn.end_s, 3),
            "words": [
                {
                    "text": word.text,
                    "start_s": round(word.start_s, 3),
                    "end_s": round(word.end_s, 3),
                }
                for word in turn.words
            ],
        }
        for turn in truth.turns
    ]
    duration_s = round(len(truth.audio) / SAMPLE_RATE_HZ, 3)
    document = {"duration_s": duration_s, "speakers": list(truth.speakers), "turns": turns}
    return json.dumps(document, indent=1) + "\n"


def main() -> None:
    """Write conversation.flac and conversation.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    directory: Path = parser.parse_args().directory
    truth = demo()
    soundfile.write(directory / "conversation.flac", truth.audio, SAMPLE_RATE_HZ, "PCM_16")
    (directory / "conversation.json").write_text(truth_as_json(truth))


if __name__ == "__main__":
    main()
