"""Can the transcript be trusted? Local attention, cuts, skipped speech, noise, the memory plan.

The demo models throughout; the figures are of texts and not of time, so that they do not depend on
the machine but for its rounding.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jiwer
import numpy as np

from benchmarks import recordings, true_size, under_test
from benchmarks.rows import Row
from tests.environments import DIARIZATION_MODEL as SPEAKERS
from tests.environments import engine_python

if TYPE_CHECKING:
    from engine.parakeet import Parakeet
    from speech.types import Transcript, Word

CUT_MINUTES: Final = 30
HOLES: Final = 40
HOLE_S: Final = (2.0, 20.0)
NOISE_MINUTES: Final = 10
PLANS: Final = tuple(
    (reach, seconds, precision)
    for reach, seconds in (("full", 120), ("full", 480), ("local", 900), ("local", 2400))
    for precision in ("fp32", "bf16")
)


def rows(_folder: Path, _: int) -> Iterator[Row]:
    """All of them."""
    from engine.parakeet import Parakeet

    python = engine_python()
    fast = under_test.fast_checkpoint(python, true_size.DEMO_MODELS)
    assert fast is not None
    parakeet = Parakeet.load(fast, "cpu")
    yield from attention_rows(parakeet)
    yield from cut_rows(parakeet)
    yield from hole_rows(parakeet)
    yield from invention_rows(parakeet)
    yield from plan_rows()


def attention_rows(parakeet: Parakeet) -> Iterator[Row]:
    """Full against local attention, beyond the 20 s that local attention sees."""
    for minutes in (2, 30):
        samples = recordings.conversation(60.0 * minutes)
        full = parakeet.transcribe(samples, "full").text
        rate = 100 * jiwer.wer(full, parakeet.transcribe(samples, "local").text)
        yield Row(f"words of local attention unlike full, {minutes} min", (rate,), "%", "<= 1 %")


def cut_rows(parakeet: Parakeet) -> Iterator[Row]:
    """A recording in several passes against one pass; with pauses to cut in, and without."""
    from engine.passes import cut, stitch
    from speech.types import Plan

    samples = recordings.conversation(60.0 * CUT_MINUTES)
    whole = parakeet.transcribe(samples, "full").text
    for longest_s in (600.0, 60.0, 20.0):
        parts = cut(samples, longest_s)
        heard = [parakeet.transcribe(samples[part.begin : part.end], "full") for part in parts]
        found = stitch(parts, heard, "full", Plan(len(parts), longest_s, "a benchmark"))
        rate = 100 * jiwer.wer(whole, found.text)
        target = "<= 0.3 %" if longest_s == 600.0 else ""
        yield Row(f"words of passes of {longest_s:g} s unlike one pass", (rate,), "%", target)
    yield from forced_rows(parakeet)


def forced_rows(parakeet: Parakeet) -> Iterator[Row]:
    """Parts that overlap because nobody pauses where they are cut."""
    from engine.passes import OVERLAP_S, Part, stitch
    from speech.types import Plan

    rate_hz = recordings.RATE_HZ
    samples = recordings.conversation(600.0)
    step, overlap = 57 * rate_hz, int(OVERLAP_S * rate_hz)
    parts = [
        Part(begin, min(begin + step + overlap, samples.size))
        for begin in range(0, samples.size - overlap, step)
    ]
    heard = [parakeet.transcribe(samples[part.begin : part.end], "full") for part in parts]
    found = stitch(parts, heard, "windows", Plan(len(parts), 63.0, "a benchmark"))
    whole = parakeet.transcribe(samples, "full").text
    rate = 100 * jiwer.wer(whole, found.text)
    yield Row("words unlike one pass where parts overlap", (rate,), "%", "<= 0.3 %")
    changed = jiwer.process_words(whole, found.text)
    extra = changed.insertions + changed.deletions
    yield Row(f"words lost or doubled at {len(parts) - 1} seams", (float(extra),), "", "0")


def hole_rows(parakeet: Parakeet) -> Iterator[Row]:
    """Speech that the model is made to skip, and what a second look brings back."""
    from engine.cores import Cores
    from engine.transcribing import Transcriber
    from tests.deaf_models import make_deaf

    samples = recordings.conversation(120.0)
    whole = parakeet.transcribe(samples, "full")
    transcriber = Transcriber(parakeet, Cores(1), "cpu")
    rng = random.Random(0)
    lost = back = 0
    for _ in range(HOLES):
        length_s = rng.uniform(*HOLE_S)
        start_s = rng.uniform(1.0, 119.0 - length_s)
        make_deaf(parakeet.network, [(start_s, start_s + length_s)])  # type: ignore[arg-type]
        first, mended = second_look(transcriber, samples, whole)
        missing = len(whole.words) - right_words(whole, first)
        lost += missing
        back += missing - (len(whole.words) - right_words(whole, mended))
    make_deaf(parakeet.network, [])  # type: ignore[arg-type]
    share = 100 * back / max(1, lost)
    yield Row(f"of {lost} words in {HOLES} planted holes mended", (share,), "%", ">= 95 %")


def second_look(
    transcriber: Any, samples: recordings.Samples, whole: Transcript
) -> tuple[Transcript, Transcript]:
    """As ``look_twice``, where speech is where the whole has words."""
    return look_twice(transcriber, samples, speech_of(whole.words))


def look_twice(
    transcriber: Any, samples: recordings.Samples, turns: tuple[Any, ...]
) -> tuple[Transcript, Transcript]:
    """What is heard first, and after speech without words was heard again."""
    from engine.courses import LookBack
    from engine.job import Job
    from speech.request import Options
    from speech.types import Diarization, report_nothing

    answers: list[Any] = []
    looks: list[LookBack] = []
    firsts: list[Transcript] = []

    def look_again(job: Job, heard: Transcript, holes: Any) -> None:
        firsts.append(heard)
        looks.append(LookBack(job, heard, holes))

    options = Options(attention="full")
    job = Job(samples, options, {}, (), report_nothing, answers.append, look_again)
    transcriber.work([job])
    job.diarized(Diarization(turns, turns), (), 0.0)
    transcriber.work(looks)
    mended = answers[0].transcript
    return (firsts[0] if firsts else mended), mended


def speech_of(words: Sequence[Word]) -> tuple[Any, ...]:
    """Where speech is: the words themselves, and pauses of less than half a second."""
    from speech.types import SpeakerTurn

    spans: list[tuple[float, float]] = []
    for word in words:
        if spans and word.start_s - spans[-1][1] < 0.5:
            spans[-1] = (spans[-1][0], word.end_s)
        else:
            spans.append((word.start_s, word.end_s))
    return tuple(SpeakerTurn("a", *span) for span in spans)


def right_words(whole: Transcript, heard: Transcript) -> int:
    """How many of the words are there."""
    return int(jiwer.process_words(whole.text, heard.text or "-").hits)


def invention_rows(parakeet: Parakeet) -> Iterator[Row]:
    """Sound in which nobody speaks; the diarizer's answer decides what is looked at again."""
    from engine.cores import Cores
    from engine.diarizer import Diarizer
    from engine.transcribing import Transcriber

    rate_hz = recordings.RATE_HZ
    size = 60 * NOISE_MINUTES * rate_hz
    rng = np.random.default_rng(0)
    time_s = np.arange(size) / rate_hz
    chord = sum(np.sin(2 * np.pi * f * time_s) for f in (220.0, 277.2, 329.6, 440.0))
    beat = 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * 2.0 * time_s))
    sounds = {
        "silence": np.zeros(size),
        "white noise": 0.05 * rng.standard_normal(size),
        "music": 0.1 * chord * beat,
    }
    diarizer = Diarizer.load(SPEAKERS, "cpu")
    transcriber = Transcriber(parakeet, Cores(1), "cpu")
    for name, sound in sounds.items():
        samples = sound.astype(np.float32)
        turns = diarizer.diarize(samples)[0].turns
        words = look_twice(transcriber, samples, turns)[1].words
        repaired = sum(word.repaired for word in words)
        where = f"{NOISE_MINUTES} min of {name}"
        yield Row(f"words in {where}", (float(len(words)),), "", "0")
        yield Row(f"  of them by the second look, in {where}", (float(repaired),), "", "0")
        speech_s = sum(turn.end_s - turn.start_s for turn in turns)
        yield Row(f"  speech that the diarizer hears in {where}", (speech_s,), "s", "0")


def plan_rows() -> Iterator[Row]:
    """The memory that a pass was estimated to take against what it took, at true size."""
    for reach, seconds, precision in PLANS:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "benchmarks.pass_memory",
            reach,
            str(seconds),
            precision,
        ]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = re.search(r"^(\d+) (\d+)$", said, re.MULTILINE)
        assert found, said
        estimated, measured = map(int, found.groups())
        share = 100 * estimated / measured
        what = f"memory estimated against peak: {reach}, {seconds} s, {precision}"
        yield Row(what, (share,), "%", "90 to 125 %")
