"""What is timed on a card: an hour, many short clips, starts and warm-up, beside the baseline."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import agreement, baseline, engine_run, recordings, under_test
from benchmarks.engine_run import EngineUnderTest
from benchmarks.gpu_ceilings import best_s
from benchmarks.gpu_watch import watching
from benchmarks.rows import Row
from benchmarks.true_size import ModelPaths


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    hour_s: float
    conversation_s: float
    """What the baseline hears, too; of an hour its attention would need 450 GB."""
    clips: int
    together: int
    """Clips in one batch, for the model by itself."""
    queue: int
    in_hand: int
    """Recordings of the queue that the engine has at a time, as a worker gives them."""
    runs: int


FULL: Final = Plan(3600.0, 600.0, clips=512, together=128, queue=20, in_hand=4, runs=3)
SMALL: Final = Plan(20.0, 12.0, clips=4, together=2, queue=3, in_hand=2, runs=1)
WARM_UP_CLIP_S: Final = 15.0
ANSWERS: Final = 6


@dataclass(frozen=True, slots=True)
class Setting:
    """Where things are and how they are run."""

    python: Path
    models: ModelPaths
    fast: Path | None
    device: str
    isolated: bool
    """Whether the engine is started as in production, without PYTHONPATH."""
    plan: Plan
    folder: Path
    limit_s: float
    """For everything."""


def engine_rows(setting: Setting) -> Iterator[Row]:
    """Everything that one engine answers, from its start on."""
    chosen = under_test.settings(setting.models, setting.fast, device=setting.device)
    with (
        watching(setting.device) as card,
        engine_run.running(setting.python, chosen, isolated=setting.isolated) as engine,
    ):
        yield from warm_up_rows(engine, setting)
        yield from hour_rows(engine, setting)
        yield from clip_rows(engine, setting)
        yield from queue_rows(engine, setting)
    if card.used_bytes:
        yield Row("memory of the card in use at most, all of the above", (card.peak_gb,), "GB")


def warm_up_rows(engine: EngineUnderTest, setting: Setting) -> Iterator[Row]:
    """From the start to the first word, and how soon answers are as quick as they get."""
    clip = recordings.long(WARM_UP_CLIP_S, setting.folder)
    first = engine.ready().hear(clip, diarize=False)
    yield Row("engine start to hello", (engine.since_start_s("hello"),), "s")
    yield Row("engine start to loaded", (engine.since_start_s("ready"),), "s")
    yield Row("engine start to first transcript", (first.answered_s - engine.started_s,), "s")
    yield Row("  host memory until then", (engine.peak_mb(),), "MB")
    yield Row(f"first answer to {WARM_UP_CLIP_S:g} s, words only", (first.seconds,), "s")
    later = tuple(engine.hear(clip, diarize=False).seconds for _ in range(ANSWERS))
    yield Row("  the answers after it", later, "s")


def hour_rows(engine: EngineUnderTest, setting: Setting) -> Iterator[Row]:
    """An hour with both models, and with each by itself as far as it can be told."""
    plan = setting.plan
    hour = recordings.long(plan.hour_s, setting.folder)
    engine.hear(recordings.long(plan.conversation_s, setting.folder))  # the first has its own cost
    with watching(setting.device) as card:
        answers = [engine.hear(hour) for _ in range(plan.runs)]
    last = answers[-1].hearing
    seconds = tuple(answer.seconds for answer in answers)
    yield Row(f"{plan.hour_s:g} s of conversation, both models", seconds, "s", "<= 6 s")
    yield Row("  times real time", tuple(plan.hour_s / s for s in seconds), "", ">= 600")
    for stage in ("transcribe", "diarize"):
        took = tuple(answer.hearing["timings_s"][stage] for answer in answers)
        yield Row(f"  of it {stage}", took, "s")
    if card.idle_percent is not None:
        yield Row("  idle share of the card", (card.idle_percent,), "%")
        yield Row("  memory of the card in use at most", (card.peak_gb,), "GB")
    yield Row("  words a second", (len(last["words"]) / plan.hour_s,), "")
    speakers = {turn[0] for turn in last["turns"]}
    yield Row("  speakers", (float(len(speakers)),), "")
    yield Row("  turns a minute", (60 * len(last["turns"]) / plan.hour_s,), "")


def clip_rows(engine: EngineUnderTest, setting: Setting) -> Iterator[Row]:
    """Short clips all at once, words only."""
    clips = recordings.short_clips(setting.plan.clips, setting.folder / "clips")
    length_s = recordings.seconds(clips)
    few = clips[: max(2, len(clips) // 8)]
    begin = time.monotonic()
    alone = engine.hear_all(few, diarize=False, at_once=1)
    one_by_one = recordings.seconds(few) / (time.monotonic() - begin)
    speeds = []
    for _ in range(setting.plan.runs):
        begin = time.monotonic()
        together = engine.hear_all(clips, diarize=False)
        speeds.append(length_s / (time.monotonic() - begin))
    yield Row(f"{len(clips)} clips of 2 to 15 s at once, words only", tuple(speeds),
              "x real time", ">= 3000 x", (one_by_one,), more_is_better=True)  # fmt: skip
    same = sum(a.text == b.text for a, b in zip(alone, together, strict=False))
    yield Row("  clips with the same text as alone", (float(same),), f"of {len(few)}")


def queue_rows(engine: EngineUnderTest, setting: Setting) -> Iterator[Row]:
    """A queue of mixed recordings."""
    plan = setting.plan
    files = recordings.mixed(plan.queue, setting.folder / "mixed", suffix=".wav")
    begin = time.monotonic()
    with watching(setting.device) as card:
        answers = engine.hear_all(files, at_once=plan.in_hand)
        seconds = time.monotonic() - begin
    speed = recordings.seconds(files) / seconds
    yield Row(f"{plan.queue} mixed recordings, {plan.in_hand} at a time, both models", (speed,),
              "x real time", more_is_better=True)  # fmt: skip
    told = [answer.idle_s for answer in sorted(answers, key=lambda one: one.answered_s)]
    if told[0] is not None and told[-1] is not None:
        idle = 100 * (told[-1] - told[0]) / seconds
        yield Row("  share of time in which the engine has nothing to do", (idle,), "%", "< 5 %")
    if card.idle_percent is not None:
        yield Row("  idle share of the card", (card.idle_percent,), "%", "< 5 %")


def baseline_rows(setting: Setting) -> Iterator[Row]:
    """The ancestor's shape on the same card, beside a new engine that answers the same."""
    plan = setting.plan
    clip = recordings.long(WARM_UP_CLIP_S, setting.folder)
    audio = recordings.long(plan.conversation_s, setting.folder)
    report = baseline.measured(setting.python, setting.models, [clip, audio], device=setting.device)
    chosen = under_test.settings(setting.models, setting.fast, device=setting.device)
    with engine_run.running(setting.python, chosen, isolated=setting.isolated) as engine:
        first = engine.ready().hear(clip, diarize=False)
        first_s, peak_mb = first.answered_s - engine.started_s, engine.peak_mb()
        engine.hear(clip)
        found = engine.hear(audio)
    step, job = report.steps["transcript"], report.jobs[1]
    yield Row("start to first transcript, files in the page cache", (first_s,), "s", "<= 1/4",
              (step.at_s,), wanted_times=4)  # fmt: skip
    yield Row("  host memory until then", (peak_mb,), "MB", "<= 1/2", (step.peak_mb,),
              wanted_times=2)  # fmt: skip
    stock_s = job.transcribe_s + (job.diarize_s or 0.0)
    yield Row(f"{plan.conversation_s:g} s of conversation, both models", (found.seconds,), "s", "",
              (stock_s,))  # fmt: skip
    timings = found.hearing["timings_s"]
    yield Row("  transcribe", (timings["transcribe"],), "s", "", (job.transcribe_s,))
    yield Row("  diarize", (timings["diarize"],), "s", "", (job.diarize_s or 0.0,))
    same = 100 * agreement.words(found.text, job.text)
    yield Row("  words as the baseline's", (same,), "%")
    turns = agreement.speaking(found.hearing["turns"], job.turns or [], plan.conversation_s)
    yield Row("  time in which the same people speak", (100 * turns,), "%")


def model_rows(setting: Setting) -> Iterator[Row]:
    """The speech model by itself on one batch of short clips, with CUDA graphs and without."""
    if setting.fast is None:
        return
    model = under_test.as_served(setting.fast, setting.device)
    rng = random.Random(0)
    lengths = sorted(rng.uniform(2, 15) for _ in range(setting.plan.together))
    clips = [recordings.conversation(length, seed) for seed, length in enumerate(lengths)]
    samples, counts = under_test.batch(clips, model.device)
    speeds = {}
    for on in (True, False) if setting.device == "cuda" else (False,):
        with under_test.graphs(model, on=on) as used:
            if used:
                seconds = best_s(lambda: model.hear(samples, counts, "full"), setting.device)
                speeds[on] = sum(lengths) / seconds
    what = f"{len(clips)} clips in one batch, the speech model by itself"
    if True in speeds:
        yield Row(f"{what}, CUDA graphs", (speeds[True],), "x real time", "", (speeds[False],),
                  more_is_better=True)  # fmt: skip
    else:
        yield Row(what, (speeds[False],), "x real time", more_is_better=True)
    encode_s = best_s(lambda: under_test.encoded(model, clips), setting.device)
    yield Row("  its encoder alone, the batch's copying included", (sum(lengths) / encode_s,),
              "x real time", more_is_better=True)  # fmt: skip
