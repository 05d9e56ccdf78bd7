"""The demo diarizer, through pyannote's real pipeline, on voices that its training never heard."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

os.environ["PYANNOTE_METRICS_ENABLED"] = "false"  # before the import: no telemetry

import pytest
import torch
from pyannote.audio import Pipeline

from tests.environments import DIARIZATION_MODEL
from training.speakers_data import DEVELOPMENT, TRAINING
from training.speakers_evaluate import (
    Score,
    error_rate,
    pipeline_input,
    right_counts,
    score,
    synthetic_conversations,
)
from training.voices import HELD_OUT


@pytest.fixture(scope="module")
def pipeline() -> Any:
    loaded = Pipeline.from_pretrained(DIARIZATION_MODEL)
    assert loaded is not None
    return loaded


@pytest.fixture(scope="module")
def scores(pipeline: Any) -> Sequence[Score]:
    return [
        score(truth, pipeline(pipeline_input(truth)).speaker_diarization)
        for truth in synthetic_conversations(12, seed=1000, speech_s=(24.0, 60.0))
    ]


def test_the_voices_of_the_test_were_not_heard_in_training() -> None:
    assert not set(HELD_OUT) & {*TRAINING, *DEVELOPMENT}


def test_little_of_the_speech_is_attributed_wrongly(scores: Sequence[Score]) -> None:
    # Aimed at 10 % and not reached: 13.6 % on the 24 conversations whose first half this is.
    # training/README.md says what was tried. The limit keeps it from getting worse.
    assert error_rate(scores) <= 0.13


def test_most_conversations_get_the_right_number_of_speakers(scores: Sequence[Score]) -> None:
    assert {one.speakers for one in scores} == {2, 3, 4}
    # Aimed at 90 % and not reached: 79 % on the 24 conversations.
    assert right_counts(scores) >= 0.75


def test_the_directory_is_small_enough_to_live_in_the_repository() -> None:
    size = sum(path.stat().st_size for path in DIARIZATION_MODEL.rglob("*") if path.is_file())
    assert size <= 6_000_000


def test_stacked_masks_give_the_embeddings_of_separate_passes(pipeline: Any) -> None:
    network = pipeline._embedding.model_
    truth = next(iter(synthetic_conversations(1, seed=7001, speech_s=(20.0, 20.0))))
    waveforms = torch.from_numpy(truth.audio[:320_000]).reshape(2, 1, 160_000)
    generator = torch.Generator().manual_seed(1)
    masks = (torch.rand(2, 3, 294, generator=generator) > 0.5).float()
    with torch.inference_mode():
        stacked = network(waveforms, weights=masks)
        separate = [network(waveforms, weights=masks[:, speaker]) for speaker in range(3)]
    torch.testing.assert_close(stacked, torch.stack(separate, dim=1))
    assert not torch.allclose(stacked[:, 0], stacked[:, 1])
