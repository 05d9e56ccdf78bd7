"""The scoring where it runs: as a process beside the worker, in a job, and on the command line."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
import soundfile

import pipeline
from speech import envelope as envelopes
from speech import references
from speech.request import Base64Source, Options, Reference, Request
from speech.spoken import Scored
from speech.types import (
    Audio,
    Diarization,
    Hearing,
    Report,
    Result,
    SpeakerTurn,
    Transcript,
    Voice,
    Word,
)
from tests.environments import ROOT, engine_python
from tests.worker_process import wait_for
from utils import scoring_process

if TYPE_CHECKING:
    from tests.demo_worker import DemoWorker

SECRET = "xyzzy"
STM = "x 1 Ann 0 2 one two three\nx 1 Bob 2 3 four\n"


def envelope() -> dict[str, Any]:
    said = [("One", "S0"), ("two", "S0"), ("five", "S1"), ("four", "S1")]
    words = [
        {"word": word, "speaker": who, "start": 0.7 * n, "end": 0.7 * n + 0.5}
        for n, (word, who) in enumerate(said)
    ]
    return {"text": "One two five four", "timestamps": {"word": words}}


def ask(
    reference: Reference, turns: list[SpeakerTurn] | None = None, options: Options | None = None
) -> dict[str, object]:
    return scoring_process.question(reference, envelope(), turns, options or Options())


def score(asked: dict[str, object], python: Path | None = None, timeout_s: float = 300) -> Scored:
    return asyncio.run(
        scoring_process.score(python or engine_python(), ROOT, asked, timeout_s=timeout_s)
    )


def test_a_result_is_scored_in_the_models_environment() -> None:
    turns = [SpeakerTurn("S0", 0.5, 2.0), SpeakerTurn("S1", 2.0, 3.0)]
    found = score(ask(Reference("stm", STM), turns, Options(start_s=0.5)))
    assert found.warnings == ()
    assert found.scores is not None
    # From 0.5 s on: "one", whose middle is at 0.27 s, is not asked for.
    assert (found.scores["reference_words"], found.scores["turns_from"]) == (3, "diarizer")
    assert (found.scores["substitutions"], found.scores["insertions"]) == (1, 1)
    assert found.scores["der"] == 0


def test_what_goes_wrong_is_a_warning_and_no_word_of_it_is_logged(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = {**ask(Reference("text", SECRET)), "result": {"timestamps": SECRET}}
    with caplog.at_level(logging.ERROR):
        found = score(asked)
    assert found.scores is None
    (warning,) = found.warnings
    assert warning.startswith("The result could not be scored: the scoring failed.")
    assert "ResultError at " in caplog.text
    assert SECRET not in caplog.text + "".join(capfd.readouterr())


def test_without_the_models_environment_there_are_no_scores(tmp_path: Path) -> None:
    found = score(ask(Reference("text", "one")), tmp_path / "python")
    assert found.scores is None
    assert "its process does not start" in found.warnings[0]


def test_a_scoring_that_takes_too_long_is_ended() -> None:
    found = score(ask(Reference("text", "one")), timeout_s=0.05)
    assert found == Scored(None, (scoring_process.NOT_SCORED.format("it took too long"),))
    assert scorings() == []


def test_a_cancelled_job_takes_its_scoring_along() -> None:
    async def cancel() -> None:
        asked = ask(Reference("stm", STM))
        task = asyncio.create_task(scoring_process.score(engine_python(), ROOT, asked))
        await asyncio.to_thread(wait_for, "a scoring", scorings, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert scorings() == []

    asyncio.run(cancel())


def scorings() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "answer.py" in " ".join(child.cmdline())
    ]


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [engine_python(), "-m", "scoring", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_the_command_line_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    for name, text in (("said.stm", STM), ("result.json", json.dumps(envelope()))):
        (tmp_path / name).write_text(text)
    out = tmp_path / "scores.json"
    done = command(tmp_path / "said.stm", tmp_path / "result.json", "--json", out)
    assert done.returncode == 0, done.stderr
    scores = json.loads(out.read_text())
    assert (scores["wer"], scores["wder"]) == (0.25, 0.25)
    lines = done.stdout.splitlines()
    assert any(line.startswith("words wrong (WER)") and "25.00 %" in line for line in lines)
    assert any(line.endswith("1 of 4 words") for line in lines)
    assert "coverage" not in done.stdout


def test_the_command_line_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    (tmp_path / "said.stm").write_text("x 1 Ann 0")
    (tmp_path / "result.json").write_text("{}")
    done = command(tmp_path / "said.stm", tmp_path / "result.json")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith("said.stm, line 1, must hold recording, channel, speaker, start, end "
                         "and words; 4 fields came.")  # fmt: skip


class Hears:
    """An engine that has heard two words, and whose scoring is as it is told."""

    def __init__(self, scored: Scored) -> None:
        self.scored = scored
        self.asked: list[Mapping[str, Any]] = []

    async def hear(
        self,
        job_id: str,
        audio: Audio,
        options: Options,
        report: Report,
        voices: Sequence[Voice] = (),
    ) -> Hearing:
        words = (Word("One", 0.25, 0.5, 1.0), Word("two", 0.75, 1.0, 1.0))
        turns = (SpeakerTurn("x", 0.25, 1.0),)
        return Hearing(
            Transcript("One two", words, (), "full"),
            Diarization(turns, turns),
            {"asr": "x", "diarization": "y"},
            timings_s={"engine": 0.0},
        )

    async def score(self, asked: Mapping[str, object]) -> Scored:
        self.asked.append(asked)
        return self.scored


def run(engine: Hears, directory: Path, reference: Reference | None) -> Result:
    soundfile.write(directory / "sent.wav", np.zeros(48_000, np.int16), 16_000)
    source = Base64Source(base64.b64encode((directory / "sent.wav").read_bytes()).decode())
    request = Request(source, Options(timestamps=(), start_s=1.0), reference=reference)
    return asyncio.run(pipeline.run(request, engine, "job", directory))


def test_a_result_is_scored_with_its_words_and_turns_in_the_recordings_time(tmp_path: Path) -> None:
    engine = Hears(Scored({"wer": 0.5}, ("told",)))
    result = run(engine, tmp_path, Reference("text", "one"))
    assert (result.scores, result.timestamps) == ({"wer": 0.5}, ())
    assert result.warnings[-1] == "told"
    (asked,) = engine.asked
    assert [word["start"] for word in asked["result"]["timestamps"]["word"]] == [1.25, 1.75]
    assert asked["turns"] == [["x", 1.25, 2.0]]
    assert asked["part"] == [1.0, None]
    assert asked["reference"] == {"format": "text", "content": "one"}


def test_a_scoring_that_fails_leaves_the_transcript(tmp_path: Path) -> None:
    result = run(Hears(Scored(None, ("not scored",))), tmp_path, Reference("text", "one"))
    assert (result.text, result.scores) == ("One two", None)
    assert "not scored" in result.warnings
    assert "scores" not in envelopes.success(result)


def test_nothing_is_scored_without_a_reference(tmp_path: Path) -> None:
    engine = Hears(Scored(None))
    assert run(engine, tmp_path, None).scores is None
    assert engine.asked == []


def test_a_job_with_a_reference_is_answered_with_its_scores(shared_worker: DemoWorker) -> None:
    from scoring import results
    from scoring.score import score as score_here
    from tests.demo_worker import conversation_base64, conversation_reference

    truth = conversation_reference()
    segments = [
        {
            "words": word["text"],
            "speaker": turn["speaker"],
            "start_time": word["start_s"],
            "end_time": word["end_s"],
        }
        for turn in truth["turns"]
        for word in turn["words"]
    ]
    request = {"audio_base64": conversation_base64(), "reference": {"seglst": segments}}
    job = shared_worker.run(request)
    output = shared_worker.completed(job)
    scores = output["scores"]
    spoken = references.parse(Reference("seglst", json.dumps(segments)))
    expected = score_here(spoken, results.read(output)).scores
    assert expected is not None
    of_turns = {name for name in expected if "speech_s" in name or name.startswith(("der", "jer"))}
    for name in set(expected) - of_turns - {"turns_from", "reference_speakers", "found_speakers"}:
        assert scores[name] == expected[name], name
    assert scores["reference_words"] == len(segments)
    assert scores["turns_from"] == "diarizer"
    assert scores["der"] is not None
    assert scores["coverage"] == output["coverage"]["ratio"]
    assert "score" in shared_worker.stages(job)
    assert output["timings"]["score"] > 0


def test_a_job_with_a_wrong_reference_fails_before_it_is_heard(shared_worker: DemoWorker) -> None:
    job = shared_worker.run({"audio_url": "https://example.com/a", "reference": {"stm": "x"}})
    view = shared_worker.finished(job)
    assert view["status"] == "FAILED"
    assert view["output"]["error_code"] == "invalid_input"
    assert view["output"]["message"].startswith("reference.stm, line 1, must hold")
