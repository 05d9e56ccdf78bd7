"""Where the weights are: paths, and no others.

Both libraries unpickle what they load, which runs code. What came from the hub was held against its
sums when it was downloaded (``engine/hub.py``). A path of the operator's is the operator's word; a
directory with a ``SHA256SUMS`` file is held against it.
"""

from __future__ import annotations

from pathlib import Path

from engine.checksums import require_nemo, verify_directory
from speech.errors import EngineError
from speech.protocol import EngineSettings


def speech_checkpoint(settings: EngineSettings) -> Path:
    """The ``.nemo`` file of the speech model.

    Raises:
        EngineError: ``model_unavailable``; the message says what is wrong with it.
    """
    checkpoint = Path(settings.asr_model)
    if not checkpoint.is_file():
        raise EngineError("model_unavailable", f"there is no file {checkpoint.name}")
    return require_nemo(checkpoint)


def diarization_directory(settings: EngineSettings) -> Path:
    """The directory of the diarization pipeline.

    A directory without a ``SHA256SUMS`` file is trusted as it is.

    Raises:
        EngineError: The settings' problem, or ``diarization_unavailable``; the message says what is
            missing.
    """
    problem = settings.diarization_problem
    if problem is not None:
        raise EngineError(problem.code, problem.message, retryable=problem.retryable)
    if settings.diarization_model is None:
        raise EngineError("diarization_unavailable", "there is no diarization model")
    directory = Path(settings.diarization_model)
    if not (directory / "config.yaml").is_file():
        raise EngineError(
            "diarization_unavailable",
            f"{directory.name} is no directory with the config.yaml of a pyannote pipeline",
        )
    verify_directory(directory)
    return directory


def sortformer_checkpoint(settings: EngineSettings) -> Path:
    """The ``.nemo`` file of Sortformer.

    Raises:
        EngineError: The settings' problem, or ``diarization_unavailable``; the message says what is
            wrong with it.
    """
    problem = settings.sortformer_problem
    if problem is not None:
        raise EngineError(problem.code, problem.message, retryable=problem.retryable)
    if settings.sortformer_model is None:
        raise EngineError("diarization_unavailable", "there is no Sortformer model")
    checkpoint = Path(settings.sortformer_model)
    if not checkpoint.is_file():
        raise EngineError("diarization_unavailable", f"there is no file {checkpoint.name}")
    try:
        return require_nemo(checkpoint)
    except EngineError as error:
        raise EngineError("diarization_unavailable", error.message) from error
