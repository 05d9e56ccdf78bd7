"""``make eval``: scores over held-out conversations, as a table here and in docs/benchmarks.

The engine's own process hears them, the worker's own stages label them, and ``scoring`` scores
them. Rates are those of all words, or of all speech, of a condition together.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import pipeline
from benchmarks import (
    engine_run,
    evaluation_set,
    evaluation_table,
    recordings,
    true_size,
    under_test,
)
from benchmarks.evaluation_set import CONDITIONS, Condition
from benchmarks.machine import describe_machine
from benchmarks.rows import Row, as_line, save
from scoring import results
from scoring.score import score
from speech import envelope, protocol
from speech.request import Options
from speech.types import Audio, Diarization, Hearing, SpeakerTurn
from tests.environments import engine_python
from training.espeak import Espeak
from training.speakers_mixing import Conversation

ROOT: Final = Path(__file__).resolve().parent.parent
OUT: Final = ROOT / "docs" / "benchmarks"
WARM_UP_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Scored:
    """One recording."""

    condition: str
    duration_s: float
    seconds: float
    """That the engine took."""
    scores: dict[str, Any]


def main() -> None:
    """Generate, hear, score, print, save."""
    parser = argparse.ArgumentParser(prog="make eval", description=__doc__)
    parser.add_argument("conditions", nargs="*", help="names, or parts of them; default: all")
    parser.add_argument("--most-minutes", type=float, help="leave longer recordings out")
    parser.add_argument("--times", type=int, default=1, help="as many recordings of each condition")
    parser.add_argument("--out", type=Path, default=OUT, help="the folder of the tables")
    arguments = parser.parse_args()
    chosen = [
        replace(condition, recordings=condition.recordings * arguments.times)
        for condition in CONDITIONS
        if not arguments.conditions or any(name in condition.name for name in arguments.conditions)
        if condition.minutes <= (arguments.most_minutes or condition.minutes)
    ]
    if not chosen:
        parser.error(f"no such condition: there are {', '.join(c.name for c in CONDITIONS)}")
    evaluate(chosen, arguments.out)


def evaluate(conditions: Sequence[Condition], out: Path) -> None:
    """All conditions; the tables go to ``evaluation.json`` and ``evaluation.md``."""
    machine, begin_s = describe_machine(), time.monotonic()
    print(evaluation_table.HEADING)
    scored: list[Scored] = []
    for one in hear_all(conditions):
        scored.append(one)
        of_condition = [other for other in scored if other.condition == one.condition]
        wanted = next(c.recordings for c in conditions if c.name == one.condition)
        if len(of_condition) == wanted:
            print(evaluation_table.line(summary(one.condition, of_condition)), flush=True)
    summaries = [
        summary(c.name, [one for one in scored if one.condition == c.name]) for c in conditions
    ]
    whole = summary("all", scored)
    print(evaluation_table.line(whole))
    rows = list(asked(whole))
    for row in rows:
        print(as_line(row))
    print(f"\n{machine}\n{time.monotonic() - begin_s:.0f} s in all", file=sys.stderr)
    told = [*summaries, whole]
    save(out / "evaluation.json", asdict(machine), rows, conditions=told)
    (out / "evaluation.md").write_text(evaluation_table.markdown(told, rows, machine))


def hear_all(conditions: Sequence[Condition]) -> Iterator[Scored]:
    """Each recording of each condition, heard by one engine, one after the other."""
    python, models = engine_python(), true_size.DEMO_MODELS
    fast = under_test.fast_checkpoint(python, models)
    espeak = Espeak()
    with (
        tempfile.TemporaryDirectory() as folder,
        engine_run.running(python, under_test.settings(models, fast, device="cpu")) as engine,
    ):
        path = Path(folder) / "recording.wav"
        engine.ready().hear(recordings.long(WARM_UP_S, Path(folder)))
        for condition in conditions:
            for number in range(condition.recordings):
                spoken = evaluation_set.generate(condition, number, espeak)
                recordings.write(spoken.audio, path)
                yield score_one(condition, spoken, engine.hear(path), path)


def score_one(
    condition: Condition, spoken: Conversation, answer: engine_run.Answer, path: Path
) -> Scored:
    """From the engine's answer to the scores, as the worker would."""
    duration_s = evaluation_set.duration_s(spoken)
    audio = Audio(path, duration_s)
    hearing = protocol.hearing_from_dict(answer.hearing)
    scores = scores_of(hearing, audio, spoken)
    turns = tuple(SpeakerTurn(s.speaker, s.start_s, s.end_s) for s in spoken.segments)
    told = scores_of(replace(hearing, diarization=Diarization(turns, turns)), audio, spoken)
    scores["cp_errors_with_true_turns"] = told["cp_errors"]
    return Scored(condition.name, duration_s, answer.seconds, scores)


def scores_of(hearing: Hearing, audio: Audio, spoken: Conversation) -> dict[str, Any]:
    """What the worker's stages after the engine make of a hearing, scored."""
    options = Options(timestamps=("word",))
    shown = envelope.success(pipeline.label_mix(hearing, audio, options))
    assert hearing.diarization is not None
    found = results.read(shown, hearing.diarization.turns)
    return dict(score(evaluation_set.truth_of(spoken), found).scores or {})


def summary(name: str, scored: Sequence[Scored]) -> dict[str, Any]:
    """The scores of several recordings as if they were one."""
    every = [one.scores for one in scored]

    def total(key: str) -> float:
        return sum(float(scores.get(key) or 0.0) for scores in every)

    def rate(key: str, of: str) -> float:
        return total(key) / (total(of) or 1.0)

    def mean(key: str, weight: str) -> float:
        weighted = sum(float(s.get(key) or 0.0) * float(s.get(weight) or 0.0) for s in every)
        return weighted / (total(weight) or 1.0)

    errors = total("substitutions") + total("deletions") + total("insertions")
    speech = total("missed_speech_s") + total("false_speech_s") + total("confused_speech_s")
    right = sum(s["reference_speakers"] == s["found_speakers"] for s in every)
    shown = {
        "wer": errors / (total("reference_words") or 1.0),
        "cer": rate("character_errors", "reference_characters"),
        "cp_wer": rate("cp_errors", "reference_words"),
        "cp_wer_with_true_turns": rate("cp_errors_with_true_turns", "reference_words"),
        "tcp_wer": rate("tcp_errors", "reference_words"),
        "wder": rate("wrong_speaker_words", "aligned_words"),
        "der": speech / (total("reference_speech_s") or 1.0),
        "jer": mean("jer", "reference_speakers"),
        "word_start_mean_s": mean("word_start_mean_s", "timed_words"),
        "word_start_bias_s": mean("word_start_bias_s", "timed_words"),
        "word_end_mean_s": mean("word_end_mean_s", "timed_words"),
        "word_end_bias_s": mean("word_end_bias_s", "timed_words"),
        "coverage": mean("coverage", "reference_words"),
        "speakers_right": right / len(every),
    }
    return {
        "condition": name,
        "recordings": len(scored),
        "minutes": round(sum(one.duration_s for one in scored) / 60, 2),
        "words": round(total("reference_words")),
        "times_real_time": round(
            sum(one.duration_s for one in scored) / sum(one.seconds for one in scored), 1
        ),
        **{key: round(value, 6) for key, value in shown.items()},
    }


def asked(whole: dict[str, Any]) -> Iterator[Row]:
    """What the conversations as a whole are to reach."""
    added = 100 * (whole["cp_wer"] - whole["wer"])
    yield Row("cpWER minus WER, end to end", (added,), "points", "at most 3")
    told = 100 * (whole["cp_wer_with_true_turns"] - whole["wer"])
    yield Row("the same with the true turns in place of the diarizer's", (told,), "points")


if __name__ == "__main__":
    main()
