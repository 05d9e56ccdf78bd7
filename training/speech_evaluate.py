"""Measure the speech model through the worker's own engine, on sentences it was not trained on.

    python -m training.speech_evaluate MODEL.nemo [--count 150] [--long-s 600]

Word errors and the errors of word times in voices that are held out and in voices that were
trained on, full against local attention, and one long recording under either.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from engine.attention import Reach
from engine.parakeet import Parakeet
from speech.types import Transcript
from training.espeak import SAMPLE_RATE_HZ, Espeak, Utterance
from training.speech_data import evaluation_set
from training.speech_scoring import plain, word_error_rate

_EDGE_S = 0.2  # silence before and after each utterance
_HELD_OUT_SEED, _SEEN_SEED = 101, 102
_FULL_LOCAL_FULL: tuple[Reach, ...] = ("full", "local", "full")
Audio = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TimeErrors:
    """Absolute errors of word times and their signed mean, in seconds."""

    mean_s: float
    p95_s: float
    bias_s: float


@dataclass(frozen=True, slots=True)
class Measures:
    """How well a set of utterances was transcribed.

    Attributes:
        raw_wer: Word error rate in percent; case and punctuation count.
        plain_wer: The same in lower case without punctuation.
        exact: Utterances whose text is right to the letter.
        count: Utterances.
        timed_words: Words that the time errors are of: the right words of utterances with the
            right number of words.
        start, end: Errors of the word times.
    """

    raw_wer: float
    plain_wer: float
    exact: int
    count: int
    timed_words: int
    start: TimeErrors
    end: TimeErrors


def padded(spoken: Utterance) -> Audio:
    """The utterance with silence around it."""
    return np.pad(spoken.audio, round(_EDGE_S * SAMPLE_RATE_HZ))


def transcribe(
    model: Parakeet, audio: Sequence[Audio], attention: Reach = "full"
) -> list[Transcript]:
    """What the worker's engine hears, one transcript for each recording."""
    return [model.transcribe(item, attention) for item in audio]


def _errors(values: list[float]) -> TimeErrors:
    errors = np.array(values)
    size = np.abs(errors)
    return TimeErrors(float(size.mean()), float(np.percentile(size, 95)), float(errors.mean()))


def measure(spoken: Sequence[Utterance], found: Sequence[Transcript]) -> Measures:
    """Compare what was heard with what was spoken.

    Args:
        spoken: The utterances, as ``padded`` lengthened them.
        found: The transcripts of them.
    """
    starts: list[float] = []
    ends: list[float] = []
    for utterance, transcript in zip(spoken, found, strict=True):
        if len(transcript.words) != len(utterance.words):
            continue
        for word, truth in zip(transcript.words, utterance.words, strict=True):
            if plain(word.text) == plain(truth.text):
                starts.append(word.start_s - truth.start_s - _EDGE_S)
                ends.append(word.end_s - truth.end_s - _EDGE_S)
    texts, guesses = [item.text for item in spoken], [item.text for item in found]
    return Measures(
        raw_wer=word_error_rate(texts, guesses),
        plain_wer=word_error_rate([plain(x) for x in texts], [plain(x) for x in guesses]),
        exact=sum(text == guess for text, guess in zip(texts, guesses, strict=True)),
        count=len(texts),
        timed_words=len(starts),
        start=_errors(starts),
        end=_errors(ends),
    )


def _show(
    name: str, spoken: Sequence[Utterance], found: Sequence[Transcript], spent_s: float
) -> None:
    """Print the measures of one kind of voices, and what was heard wrongly."""
    result = measure(spoken, found)
    audio_s = sum(len(padded(item)) for item in spoken) / SAMPLE_RATE_HZ
    print(
        f"{name} voices: word error rate raw {result.raw_wer:.2f} %, plain "
        f"{result.plain_wer:.2f} %, exact {result.exact}/{result.count}, "
        f"{audio_s / spent_s:.0f} times real time"
    )
    for edge, errors in (("start", result.start), ("end", result.end)):
        print(
            f"  word {edge}s off by {errors.mean_s * 1000:.0f} ms on average, 95 % within "
            f"{errors.p95_s * 1000:.0f} ms, bias {errors.bias_s * 1000:+.0f} ms "
            f"({result.timed_words} words)"
        )
    for utterance, transcript in zip(spoken, found, strict=True):
        if utterance.text != transcript.text:
            print(f"    {utterance.text}\n  > {transcript.text}")


def compare_attention(model: Parakeet, audio: Sequence[Audio]) -> None:
    """Print how many texts stay the same under local attention, and back under full attention."""
    full, local, back = (
        [item.text for item in transcribe(model, audio, kind)] for kind in _FULL_LOCAL_FULL
    )
    for name, found in (("local attention", local), ("back to full attention", back)):
        equal = sum(a == b for a, b in zip(full, found, strict=True))
        print(f"{name}: {equal}/{len(full)} texts the same", flush=True)


def recording(spoken: Sequence[Utterance], length_s: float, seed: int = 1) -> tuple[Audio, str]:
    """One long recording made of many utterances in random order, and its text."""
    rng = random.Random(seed)
    parts: list[Audio] = []
    texts: list[str] = []
    while sum(map(len, parts)) < length_s * SAMPLE_RATE_HZ:
        item = rng.choice(spoken)
        pause = np.zeros(round(SAMPLE_RATE_HZ * rng.uniform(0.4, 1.0)), np.float32)
        parts += [item.audio * np.float32(10 ** (rng.uniform(-10, 0) / 20)), pause]
        texts.append(item.text)
    return np.concatenate(parts), " ".join(texts)


def evaluate_long(model: Parakeet, spoken: Sequence[Utterance], length_s: float) -> None:
    """Print the word error rate over one long recording under full and under local attention."""
    audio, text = recording(spoken, length_s)
    seconds = len(audio) / SAMPLE_RATE_HZ
    for kind in _FULL_LOCAL_FULL[:2]:
        begin = time.monotonic()
        found = model.transcribe(audio, kind).text
        spent_s = time.monotonic() - begin
        print(
            f"{seconds:.0f} s in one recording, {kind} attention: word error rate raw "
            f"{word_error_rate([text], [found]):.2f} %, plain "
            f"{word_error_rate([plain(text)], [plain(found)]):.2f} %, "
            f"{seconds / spent_s:.0f} times real time",
            flush=True,
        )


def main() -> None:
    """Parse the command line and print the evaluation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--count", type=int, default=150, help="utterances of each kind")
    parser.add_argument("--long-s", type=float, default=600.0, help="0 leaves it out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, espeak = Parakeet.load(args.model, "cpu"), Espeak()
    held_out = evaluation_set(espeak, _HELD_OUT_SEED, args.count, held_out=True)
    seen = evaluation_set(espeak, _SEEN_SEED, args.count, held_out=False)
    for name, spoken in (("held-out", held_out), ("seen", seen)):
        begin = time.monotonic()
        found = transcribe(model, [padded(item) for item in spoken])
        _show(name, spoken, found, time.monotonic() - begin)
    compare_attention(model, [padded(item) for item in held_out[:30] + seen[:30]])
    if args.long_s:
        evaluate_long(model, held_out + seen, args.long_s)


if __name__ == "__main__":
    main()
