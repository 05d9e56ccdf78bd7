"""Where the tests find the repository, its demo, and the two Pythons of the worker."""

from __future__ import annotations

import os
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
