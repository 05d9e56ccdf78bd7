"""``make demo``: one recording through handler.py, and who said what and when."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools import local_worker

ROOT = local_worker.ROOT
CONVERSATION = ROOT / "demo" / "conversation.flac"
DEMO_MODELS = ROOT / "demo" / "models"
OUT = ROOT / "demo" / "out"


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--audio", type=Path, default=CONVERSATION)
    parser.add_argument("--model", default="demo", help='"demo", a hub name, or a .nemo file')
    parser.add_argument("--engine-python", type=Path, required=True)
    arguments = parser.parse_args()
    if not arguments.audio.is_file():
        sys.exit(f"make demo: no file {str(arguments.audio)!r} (AUDIO=path/to/recording)")
    try:
        job, seconds = transcribe(
            arguments.audio.resolve(), arguments.model, arguments.engine_python
        )
    except local_worker.WorkerStoppedError as error:
        sys.exit(f"make demo: the worker stopped:\n{error}")
    except KeyboardInterrupt:
        sys.exit("make demo: interrupted")
    if job.get("status") != "COMPLETED":
        sys.exit(f"make demo: {job.get('error')}")
    result = OUT / "result.json"
    result.write_text(json.dumps(job["output"], indent=2, ensure_ascii=False) + "\n")
    print_conversation(job["output"])
    print(f"\n{summary(job['output'], seconds)}\nThe whole envelope: {result.relative_to(ROOT)}")


def transcribe(audio: Path, model: str, engine_python: Path) -> tuple[dict[str, Any], float]:
    """The job, and the seconds from the request to the answer."""
    OUT.mkdir(parents=True, exist_ok=True)
    with local_worker.file_server(audio) as url:
        environment = worker_environment(model, engine_python, url)
        python = local_worker.worker_python()
        with local_worker.running(python, OUT / "worker.log", environment) as worker:
            begin = time.monotonic()
            job = worker.transcribe({"audio_url": url})
            return job, time.monotonic() - begin


def worker_environment(model: str, engine_python: Path, url: str) -> dict[str, str]:
    """The settings of a worker on a laptop."""
    volume = ROOT / ".cache" / "volume"  # it stays, and so does what is made of the models
    volume.mkdir(parents=True, exist_ok=True)
    environment = {
        "PARAKEET_ENGINE_PYTHON": str(engine_python),
        "PARAKEET_LOCAL_HOME": str(ROOT / ".cache" / "parakeet"),
        "PARAKEET_VOLUME": str(volume),
        "PARAKEET_ALLOWED_PRIVATE_HOSTS": url.split("/")[2],
    }
    if model == "demo":
        environment |= {
            "PARAKEET_ASR_MODEL": str(DEMO_MODELS / "speech.nemo"),
            "PARAKEET_DIARIZATION_MODEL": str(DEMO_MODELS / "speakers"),
        }
    elif model != os.environ.get("PARAKEET_ASR_MODEL"):
        environment["PARAKEET_ASR_MODEL"] = model
    return environment


def print_conversation(envelope: Mapping[str, Any]) -> None:
    """A line a segment: when, who, what."""
    for segment in envelope["timestamps"]["segment"]:
        minutes, seconds = divmod(segment["start"], 60)
        speaker = segment.get("speaker") or "-"
        print(f"{minutes:02.0f}:{seconds:04.1f}  {speaker:<11} {segment['text']}")


def summary(envelope: Mapping[str, Any], seconds: float) -> str:
    """One line: how much, by whom, how fast."""
    count = len(envelope["speakers"])
    models = ", ".join(envelope["models"].values())
    return (
        f"{envelope['duration']:.1f} s of audio, {count} speaker{'s' * (count != 1)}, heard in "
        f"{seconds:.1f} s ({models}; the engine's start included)"
    )


if __name__ == "__main__":
    main()
