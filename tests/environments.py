"""Where the tests find the repository, its demo, and the two Pythons of the worker."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONVERSATION = ROOT / "demo" / "conversation.flac"
ASR_MODEL = ROOT / "demo" / "models" / "speech.nemo"
DIARIZATION_MODEL = ROOT / "demo" / "models" / "speakers"


def _python(variable: str, default: str, what: str) -> Path:
    path = Path(os.environ.get(variable) or ROOT / ".venvs" / default / "bin" / "python")
    if not path.is_file():
        pytest.fail(f"{what}: no Python at {path}. `make test` makes it, or set {variable}.")
    return path


def engine_python() -> Path:
    """The Python of the models' environment (requirements.txt). Fails the test if absent."""
    return _python("PARAKEET_TEST_ENGINE_PYTHON", "engine", "The models' environment is missing")


def worker_python() -> Path:
    """The Python of the image (requirements-worker.txt). Fails the test if absent."""
    return _python("PARAKEET_TEST_WORKER_PYTHON", "worker", "The worker's environment is missing")


def give_fast_checkpoint(volume: Path) -> None:
    """Put the demo speech model's fast checkpoint on a volume, as a start would have left it there.

    It is made once by a real bootstrap and kept in ``.cache``: it takes half a minute.
    """
    source = b"".join(
        (ROOT / "engine" / f"{name}.py").read_bytes()
        for name in ("convert", "fast_model", "nemo_weights", "shape")
    )
    made = ROOT / ".cache" / "fast-demo" / hashlib.sha256(source).hexdigest()[:16]
    made.mkdir(parents=True, exist_ok=True)
    variables = {
        "PARAKEET_VOLUME": str(made),
        "PARAKEET_ENGINE_PYTHON": str(engine_python()),
        "PARAKEET_ASR_MODEL": str(ASR_MODEL),
        "PARAKEET_DIARIZATION_MODEL": str(DIARIZATION_MODEL),
        "PARAKEET_DEVICE": "cpu",
        "HF_HUB_OFFLINE": "1",
    }
    command: list[str | Path] = [worker_python(), "bootstrap.py"]
    quiet = subprocess.DEVNULL
    subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=True, stdout=quiet)
    models = Path("Parakeet", "models")
    shutil.copytree(made / models, volume / models, dirs_exist_ok=True)
