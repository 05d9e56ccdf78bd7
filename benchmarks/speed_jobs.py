"""How fast recordings are answered by a warm engine, with the demo models, beside the baseline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import agreement, baseline, engine_run, recordings, true_size, under_test
from benchmarks.rows import Row
from tests.environments import engine_python

CONVERSATION_S = 600.0
WARM_UP_S = 15.0
CLIPS = 64


def conversation_rows(folder: Path, runs: int) -> Iterator[Row]:
    """Ten minutes of the demo conversation, words and speakers."""
    python = engine_python()
    models = true_size.DEMO_MODELS
    warm_up, audio = (recordings.long(length, folder) for length in (WARM_UP_S, CONVERSATION_S))
    runs = min(runs, 3)
    theirs = baseline.measured(python, models, [warm_up, *[audio] * runs]).jobs[1:]
    stock = tuple(job.transcribe_s + (job.diarize_s or 0.0) for job in theirs)
    fast = under_test.fast_checkpoint(python, models)
    with engine_run.running(python, under_test.settings(models, fast, device="cpu")) as engine:
        engine.ready().hear(warm_up)
        ours = [engine.hear(audio) for _ in range(runs)]
    seconds = tuple(answer.seconds for answer in ours)
    yield Row("10 minutes of conversation, words and speakers, demo models", seconds, "s",
              ">= 3 times", stock, wanted_times=3)  # fmt: skip
    found, expected = ours[0], theirs[0]
    same = 100 * agreement.words(found.text, expected.text)
    yield Row("  words as the baseline's", (same,), "%")
    speaking = agreement.speaking(found.hearing["turns"], expected.turns or [], CONVERSATION_S)
    yield Row("  time in which the same people speak", (100 * speaking,), "%")


def clip_rows(folder: Path, runs: int) -> Iterator[Row]:
    """64 short clips: the baseline and ours one after another, and ours all at once."""
    python = engine_python()
    models = true_size.DEMO_MODELS
    clips = recordings.short_clips(CLIPS, folder / "clips")
    theirs = baseline.measured(python, models, [clips[0], *clips]).jobs[1:]
    fast = under_test.fast_checkpoint(python, models)
    with engine_run.running(python, under_test.settings(models, fast, device="cpu")) as engine:
        engine.ready().hear_all(clips[:4])
        for diarize in (False, True):
            took: dict[int, list[float]] = {1: [], CLIPS: []}
            texts: dict[int, list[str]] = {}
            for _ in range(min(runs, 3)):
                for at_once, seconds in took.items():
                    begin = time.monotonic()
                    answers = engine.hear_all(clips, diarize=diarize, at_once=at_once)
                    seconds.append(time.monotonic() - begin)
                    texts[at_once] = [answer.text for answer in answers]
            stock = sum(job.transcribe_s + (job.diarize_s or 0.0) * diarize for job in theirs)
            what = "words and speakers" if diarize else "words only"
            alone, together = tuple(took[1]), tuple(took[CLIPS])
            yield Row(f"64 clips of 2 to 15 s at once, {what}, demo models", together, "s",
                      ">= 4 times", (stock,), wanted_times=4)  # fmt: skip
            yield Row("  against ours one after another", together, "s", "", alone)
            same = sum(a == b for a, b in zip(texts[1], texts[CLIPS], strict=True))
            yield Row("  clips with the same text as alone", (float(same),), "of 64", "64")
    expected = " ".join(job.text for job in theirs)
    found = " ".join(texts[CLIPS])
    yield Row("  words as the baseline's", (100 * agreement.words(found, expected),), "%")
