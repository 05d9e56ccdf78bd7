"""pyannote's own pipeline on the demo networks: what ours is compared with."""

from __future__ import annotations

import os
import warnings
from typing import Any

os.environ["PYANNOTE_METRICS_ENABLED"] = "false"  # before the import: no telemetry

import numpy as np
import torch

from engine.chunks import Track
from engine.recorded import SAMPLE_RATE_HZ, Samples
from engine.speaker_turns import turns_of
from speech.types import Diarization
from tests.models import SPEAKERS_MODEL, read_conversation, silence


def load_pipeline() -> Any:
    """The demo pipeline, untouched."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyannote.audio import Pipeline

        pipeline: Any = Pipeline.from_pretrained(SPEAKERS_MODEL)
    return pipeline


def as_file(samples: Samples) -> dict[str, Any]:
    """A recording in pyannote's form."""
    waveform = torch.from_numpy(samples)[None]
    return {"waveform": waveform, "sample_rate": SAMPLE_RATE_HZ, "uri": "recording"}


def stock_diarization(pipeline: Any, samples: Samples, **speakers: int) -> Diarization:
    """What pyannote itself finds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        output = pipeline(as_file(samples), **speakers)
    duration_s = samples.size / SAMPLE_RATE_HZ
    return Diarization(
        turns=turns_of(output.speaker_diarization, duration_s),
        exclusive_turns=turns_of(output.exclusive_speaker_diarization, duration_s),
    )


def track_of(samples: Samples, stages: Any) -> Track:
    """A recording cut for our stages."""
    track = Track(lambda _step, _share: None)
    track.cut(samples, stages.segmentation.grid, torch.device("cpu"))
    return track


def speech_with_a_pause() -> Samples:
    """Some seconds of conversation, half a minute of digital silence, and more conversation."""
    conversation = read_conversation()
    second_s, length_s = 15, 12
    parts = [
        conversation[: length_s * SAMPLE_RATE_HZ],
        silence(30.0),
        conversation[second_s * SAMPLE_RATE_HZ : (second_s + length_s) * SAMPLE_RATE_HZ],
    ]
    return np.concatenate(parts)
