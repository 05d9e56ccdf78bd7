"""Stand-ins for the real models: true size, random weights, made once and kept in ``.cache``.

    python -m benchmarks.true_size [--small]

by a Python of the models' environment; prints where they are, as JSON. The folder's name is a
digest of the code that makes them, so that a change of it makes new ones. The true-size speech
model is a file of 2.5 GB; ``--small`` ones take seconds and are for tests.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = ROOT / ".cache" / "stand-ins"
DEMO: Final = ROOT / "demo"
MADE_FROM: Final = (
    "benchmarks/true_size_speech.py",
    "benchmarks/true_size_speakers.py",
    "benchmarks/least_squares.py",
    "engine/small_resnet.py",
    "demo/conversation.flac",
    "demo/conversation.json",
    "demo/models/speech.nemo",
)


@dataclass(frozen=True, slots=True)
class ModelPaths:
    """A pair of models."""

    speech: Path
    """A ``.nemo`` file."""
    speakers: Path
    """The folder of a pyannote pipeline."""


DEMO_MODELS: Final = ModelPaths(DEMO / "models" / "speech.nemo", DEMO / "models" / "speakers")


def stand_ins(python: Path, *, small: bool = False) -> ModelPaths:
    """The stand-ins, made by a process of their own where they are not there yet.

    Args:
        python: Of the models' environment.
        small: For tests.
    """
    folder = folder_of(small=small)
    if not folder.is_dir():
        command: list[str | Path] = [python, "-m", "benchmarks.true_size"]
        subprocess.run(
            [*command, *(["--small"] if small else [])],
            cwd=ROOT,
            env=quiet_environment(),
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return paths_in(folder)


def quiet_environment() -> dict[str, str]:
    """This process's variables, without telemetry, and with compiled files kept for next time."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYANNOTE_METRICS_ENABLED": "false", "NO_VCS_VERSION": "1"}


def folder_of(*, small: bool) -> Path:
    """Where the stand-ins of this code are or will be."""
    digest = hashlib.sha256()
    for name in MADE_FROM:
        digest.update((ROOT / name).read_bytes())
    return CACHE / f"{'small' if small else 'true'}-{digest.hexdigest()[:12]}"


def paths_in(folder: Path) -> ModelPaths:
    """The models of such a folder."""
    return ModelPaths(folder / "speech.nemo", folder / "speakers")


def make(folder: Path, *, small: bool) -> None:
    """Make both models; the folder is there only when they are whole."""
    import soundfile

    from benchmarks import true_size_speakers, true_size_speech

    samples, _rate_hz = soundfile.read(DEMO / "conversation.flac", dtype="float32")
    said = json.loads((DEMO / "conversation.json").read_text())
    turns = [
        (said["speakers"].index(turn["speaker"]), turn["start_s"], turn["end_s"])
        for turn in said["turns"]
    ]
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    unfinished.mkdir(parents=True)
    size = true_size_speech.SMALL if small else true_size_speech.TRUE
    paths = paths_in(unfinished)
    true_size_speech.build(size, samples, paths.speech)
    true_size_speakers.build(samples, turns, paths.speakers, small=small)
    try:
        unfinished.rename(folder)
    except OSError:  # another process was quicker; what it made is the same
        shutil.rmtree(unfinished)


def main() -> None:
    """Make what is not there, and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print
    folder = folder_of(small=arguments.small)
    if not folder.is_dir():
        make(folder, small=arguments.small)
    paths = paths_in(folder)
    answers.write(json.dumps({"speech": str(paths.speech), "speakers": str(paths.speakers)}) + "\n")
    answers.flush()
    os._exit(0)  # an orderly end of torch and NeMo takes seconds


if __name__ == "__main__":
    main()
