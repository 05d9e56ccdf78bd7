"""What this worker's configuration asks of a volume."""

from __future__ import annotations

import contextlib

import config
from volume import fast_model
from volume.environment import Recipe
from volume.models import Model


def recipe() -> Recipe:
    """What the environment is made from."""
    return Recipe(
        config.LOCK,
        config.ENGINE_IMPORTS,
        config.ENGINE_IMPORTS_AHEAD,
        config.ENGINE_BYTES,
        config.FLASH_ATTN_WHEEL,
    )


def speech_model() -> Model:
    """The speech model that is configured."""
    return Model("speech", config.ASR_MODEL, config.ASR_REVISION, 2_600_000_000)


def diarization_model() -> Model:
    """The diarization model that is configured."""
    name, revision = config.DIARIZATION_MODEL, config.DIARIZATION_REVISION
    return Model("diarization", name, revision, 50_000_000)


def sortformer_model() -> Model:
    """The diarization model that needs no token: like a speech model, one .nemo file."""
    name, revision = config.SORTFORMER_MODEL, config.SORTFORMER_REVISION
    return Model("speech", name, revision, 480_000_000)


def fast_model_name() -> str | None:
    """What the speech model's fast checkpoint is called; None where there is to be none."""
    if config.FAST_CHECKPOINT:
        with contextlib.suppress(OSError):
            return fast_model.name_of(speech_model())
    return None


def hub_models() -> list[Model]:
    """The configured models that come from the hub, those included that may not be needed."""
    models = [speech_model()]
    if config.DIARIZER != "sortformer":
        models.append(diarization_model())
    if config.DIARIZER != "pyannote":
        models.append(sortformer_model())
    return [model for model in models if not model.is_path]
