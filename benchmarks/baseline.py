"""What the numbers are measured against: the ancestor of this worker, in its shape.

    python -m benchmarks.baseline --speech MODEL.nemo --speakers FOLDER --audio FILE...

by a Python of the models' environment. Both libraries are imported, both models are loaded as
their documentation says, and then one recording after the other is transcribed from its path
(``transcribe([path], timestamps=True)``) and diarized by the stock pipeline. Prints one JSON
object: seconds since the start of the process and the highest memory at each step, then each job.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.true_size import ROOT, ModelPaths, quiet_environment

Turn = tuple[str, float, float]


@dataclass(frozen=True, slots=True)
class Step:
    """A moment since the start of the process."""

    at_s: float
    peak_mb: float


@dataclass(slots=True)
class Answer:
    """What one recording took, and what was found."""

    audio: str
    transcribe_s: float
    text: str
    words: list[tuple[str, float, float]]
    diarize_s: float | None = None
    turns: list[Turn] | None = None
    peak_mb: float = 0.0
    """Highest memory from the start of the process to its end."""


@dataclass(slots=True)
class Report:
    """All that is printed."""

    steps: dict[str, Step] = field(default_factory=dict)
    """``imports``, ``loaded``, ``transcript`` (the first) and ``answer`` (the first whole one)."""
    jobs: list[Answer] = field(default_factory=list)

    def reached(self, name: str) -> None:
        """Note a step, the first time."""
        self.steps.setdefault(name, Step(processes.age_s(), processes.peak_mb()))


def measured(
    python: Path,
    models: ModelPaths,
    audio: Sequence[Path],
    *,
    diarize: bool = True,
    device: str = "cpu",
) -> Report:
    """Run this program.

    Args:
        python: Of the models' environment.
        models: What to load.
        audio: Answered in this order.
        diarize: Whether to load a diarizer at all.
        device: ``cpu`` or ``cuda``.
    """
    command: list[str | Path] = [python, "-m", "benchmarks.baseline", "--device", device]
    command += ["--speech", models.speech, "--speakers", models.speakers]
    command += [*([] if diarize else ["--no-diarize"]), "--audio", *audio]
    printed = subprocess.check_output(
        command, cwd=ROOT, env=quiet_environment(), stderr=subprocess.DEVNULL
    )
    told = json.loads(printed.splitlines()[-1])
    steps = {name: Step(**step) for name, step in told["steps"].items()}
    return Report(steps, [Answer(**job) for job in told["jobs"]])


def main() -> None:
    """Run as the command line says."""
    arguments = parse()
    os.environ["PYANNOTE_METRICS_ENABLED"] = "false"
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print; stdout is for the report
    report = Report()
    with contextlib.redirect_stdout(sys.stderr):
        run(arguments, report)
    answers.write(json.dumps(asdict(report)) + "\n")
    answers.close()
    os._exit(0)  # an orderly end of torch and NeMo takes seconds


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--speakers", type=Path)
    parser.add_argument("--audio", type=Path, nargs="+", required=True)
    parser.add_argument("--no-diarize", action="store_true", help="import and load no diarizer")
    parser.add_argument("--threads", type=int, default=0, help="0 lets torch choose")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    return parser.parse_args()


def run(arguments: argparse.Namespace, report: Report) -> None:
    """Import, load, and answer one recording after the other."""
    import torch
    from nemo.collections.asr.models import ASRModel

    diarize = not arguments.no_diarize
    if diarize:
        from pyannote.audio import Pipeline
    report.reached("imports")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    model: Any = ASRModel.restore_from(str(arguments.speech), map_location=device)
    model.eval()
    report.reached("speech_loaded")
    pipeline: Any = None
    if diarize:
        pipeline = Pipeline.from_pretrained(arguments.speakers)
        pipeline.to(device)
    report.reached("loaded")
    for path in arguments.audio:
        answer = transcribe(model, path)
        report.reached("transcript")
        if pipeline is not None:
            diarize_one(pipeline, path, answer)
        report.reached("answer")
        answer.peak_mb = processes.peak_mb()
        report.jobs.append(answer)


def transcribe(model: Any, path: Path) -> Answer:
    """One recording from its path, with word times."""
    begin = time.perf_counter()
    (heard,) = model.transcribe([str(path)], batch_size=1, timestamps=True, verbose=False)
    seconds = time.perf_counter() - begin
    words = [(word["word"], word["start"], word["end"]) for word in heard.timestamp["word"]]
    return Answer(str(path), seconds, heard.text, words)


def diarize_one(pipeline: Any, path: Path, answer: Answer) -> None:
    """One recording as a waveform: a path would need torchcodec."""
    import soundfile
    import torch

    begin = time.perf_counter()
    samples, rate_hz = soundfile.read(path, dtype="float32")
    found = pipeline({"waveform": torch.from_numpy(samples)[None], "sample_rate": rate_hz})
    answer.diarize_s = time.perf_counter() - begin
    tracks = found.speaker_diarization.itertracks(yield_label=True)
    answer.turns = [(str(label), segment.start, segment.end) for segment, _, label in tracks]


if __name__ == "__main__":
    main()
