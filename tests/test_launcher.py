"""What the volume provides, in the engine's terms and in the callers'."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import config
import launching
from speech.errors import CODES
from speech.protocol import Problem
from speech.types import Progress
from volume import models
from volume.errors import BootstrapError
from volume.provide import Provided
from volume.provide_models import Diarizers
from volume.steps import Step

PATH = "/runpod-volume/Parakeet/.install/venv-1/staging-1-secret"


@pytest.mark.parametrize(
    ("step", "progress"),
    [
        (Step("looking"), Progress("install", None, "looking")),
        (
            Step("downloading", 0.25, 5, 20, 60.5, worker="pod-1"),
            Progress("install", 0.25, "downloading, by pod-1", 5, 20, 60.5),
        ),
    ],
)
def test_a_step_of_the_bootstrap_is_a_jobs_progress(step: Step, progress: Progress) -> None:
    assert launching.as_progress(step) == progress


@pytest.mark.parametrize("code", ["model_unavailable", "diarization_unavailable", "gpu_unusable"])
@pytest.mark.parametrize("retryable", [True, False])
def test_callers_are_told_what_they_can_mend(code: str, retryable: bool) -> None:
    error = launching.as_worker_error(BootstrapError(code, "Set HF_TOKEN.", retryable=retryable))
    assert (error.code, error.message, error.retryable) == (code, "Set HF_TOKEN.", retryable)


@pytest.mark.parametrize("code", ["bootstrap_failed", "volume_full"])
@pytest.mark.parametrize("retryable", [True, False])
def test_callers_are_told_no_paths(code: str, retryable: bool) -> None:
    error = launching.as_worker_error(
        BootstrapError(code, f"no room in {PATH}", retryable=retryable)
    )
    assert (error.code, error.retryable) == (code, retryable)
    assert "secret" not in error.message
    assert "bootstrap.py" in error.message


def codes_in_volume() -> set[object]:
    """Every word in the place of a BootstrapError's code."""
    calls = [
        node
        for path in (config.ROOT / "volume").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "BootstrapError"
    ]
    places: list[ast.AST] = [call.args[0] for call in calls]
    places += [part for place in places if isinstance(place, ast.IfExp) for part in ast.walk(place)]
    words = {place.value for place in places if isinstance(place, ast.Constant)}
    return words | set(models.CODES.values())


def test_every_code_of_the_bootstrap_is_one_of_the_worker() -> None:
    codes = codes_in_volume()
    assert codes >= {"bootstrap_failed", "volume_full", "gpu_unusable", "model_unavailable"}
    assert codes <= set(CODES)


def test_the_engine_is_told_what_was_provided() -> None:
    provided = Provided(
        python=Path("/tree/bin/python"),
        speech_model=Path("/m/model.nemo"),
        fast_model=Path("/m/model-fast1"),
        diarizers=Diarizers(pyannote=Path("/m/speakers"), sortformer=Path("/m/sortformer.nemo")),
    )
    settings = launching.engine_settings(provided)
    assert settings.asr_model == "/m/model.nemo"
    assert settings.fast_model == "/m/model-fast1"
    assert settings.asr_name == f"{config.ASR_MODEL}@{config.ASR_REVISION[:8]}"
    assert settings.diarization_model == "/m/speakers"
    assert settings.diarization_name == (
        f"{config.DIARIZATION_MODEL}@{config.DIARIZATION_REVISION[:8]}"
    )
    assert settings.sortformer_model == "/m/sortformer.nemo"
    assert settings.sortformer_name == f"{config.SORTFORMER_MODEL}@{config.SORTFORMER_REVISION[:8]}"
    assert settings.diarization_problem is settings.sortformer_problem is None
    assert (settings.device, settings.threads) == (config.DEVICE, config.THREADS)


def test_the_engine_is_told_why_there_is_no_diarizer() -> None:
    pyannote = BootstrapError("diarization_unavailable", "Set HF_TOKEN.", retryable=True)
    sortformer = BootstrapError("volume_full", "No room.")
    diarizers = Diarizers(pyannote_problem=pyannote, sortformer_problem=sortformer)
    provided = Provided(Path("/tree/bin/python"), Path("/m/model.nemo"), None, diarizers)
    settings = launching.engine_settings(provided)
    assert settings.fast_model is None
    assert settings.diarization_model is settings.sortformer_model is None
    assert settings.diarization_problem == Problem(
        "diarization_unavailable", "Set HF_TOKEN.", retryable=True
    )
    assert settings.sortformer_problem == Problem("volume_full", "No room.", retryable=False)
