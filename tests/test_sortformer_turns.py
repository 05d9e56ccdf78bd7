"""Probabilities to turns, held against NeMo's own way of doing it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from nemo.collections.asr.parts.utils.vad_utils import PostProcessingParams, ts_vad_post_processing
from omegaconf import OmegaConf

from engine.sortformer_turns import PUBLISHED, Probabilities, Smoothing, diarization_of, speech_of
from speech.types import Diarization

FRAME_TICKS = 8
FRAME_S = 0.08
PLAIN = Smoothing(0.5, 0.5, 0.0, 0.0, 0.0, 0.0)

# NVIDIA's two sets for the model, as they stand in NeMo's repository.
DIHARD = (0.56, 1.0, 0.063, 0.002, 0.007, 0.151)
CALLHOME = (0.641, 0.561, 0.229, 0.079, 0.511, 0.296)


def conversation(frames: int, seed: int) -> Probabilities:
    """Probabilities of four speakers that rise and fall, near 0 and 1 and in between."""
    generator = np.random.default_rng(seed)
    steps = generator.standard_normal((frames, 4)).cumsum(axis=0) * 1.5
    return (1 / (1 + np.exp(-steps))).astype(np.float32)


def nemos_spans(probability: np.ndarray[Any, Any], published: tuple[float, ...]) -> list[Any]:
    params = OmegaConf.structured(PostProcessingParams(*published))
    found = ts_vad_post_processing(torch.from_numpy(probability), params, FRAME_TICKS)
    return sorted(found.tolist())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("published", "smoothing"),
    [(DIHARD, PUBLISHED), (CALLHOME, Smoothing(*CALLHOME))],
    ids=["dihard", "callhome"],
)
def test_turns_are_those_of_nemo(
    published: tuple[float, ...], smoothing: Smoothing, seed: int
) -> None:
    for probability in np.ascontiguousarray(conversation(80, seed).T):
        expected = nemos_spans(probability, published)
        found = speech_of(probability, FRAME_TICKS, smoothing) / 100
        assert len(found) == len(expected)
        # NeMo ends a turn at the recording's end one step of 10 ms early, and of the pieces that
        # begin with the recording, which an offset of 1.0 makes, it takes the end of any.
        assert np.abs(found - np.array(expected).reshape(-1, 2)).max(initial=0) < 0.03


def test_hysteresis_keeps_a_turn_between_the_thresholds() -> None:
    probability = np.array([0.5, 0.7, 0.5, 0.5, 0.3, 0.5], dtype=np.float32)
    found = speech_of(probability, FRAME_TICKS, Smoothing(0.6, 0.4, 0.0, 0.0, 0.0, 0.0))
    assert found.tolist() == [[8, 32]]


def test_short_turns_go_before_short_pauses_are_closed() -> None:
    speaks = np.array([1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0], dtype=np.float32)
    found = speech_of(speaks, FRAME_TICKS, Smoothing(0.5, 0.5, 0.0, 0.0, 0.2, 0.1))
    assert found.tolist() == [[0, 56]]


def times(diarization: Diarization, *, exclusive: bool = False) -> list[tuple[str, float, float]]:
    turns = diarization.exclusive_turns if exclusive else diarization.turns
    return [(turn.speaker, turn.start_s, turn.end_s) for turn in turns]


def test_where_two_speak_the_more_probable_one_has_the_exclusive_turn() -> None:
    columns = [[0.9, 0.9, 0.8, 0.7, 0.1, 0.1], [0.0, 0.0, 0.6, 0.9, 0.9, 0.0]]
    probabilities = np.array(columns, dtype=np.float32).T
    found = diarization_of(probabilities, FRAME_TICKS, 0.48, smoothing=PLAIN)
    assert times(found) == [("SPEAKER_00", 0.0, 0.32), ("SPEAKER_01", 0.16, 0.4)]
    assert times(found, exclusive=True) == [("SPEAKER_00", 0.0, 0.24), ("SPEAKER_01", 0.24, 0.4)]


def test_exclusive_turns_are_the_most_probable_of_those_who_speak() -> None:
    probabilities = conversation(150, seed=7)
    found = diarization_of(probabilities, FRAME_TICKS, 150 * FRAME_S)
    middles = np.arange(0.005, 150 * FRAME_S, 0.01)
    for at_s in middles:
        active = [int(turn.speaker[-1]) for turn in found.turns if turn.start_s < at_s < turn.end_s]
        chosen = [
            int(turn.speaker[-1])
            for turn in found.exclusive_turns
            if turn.start_s < at_s < turn.end_s
        ]
        frame = probabilities[min(int(at_s / FRAME_S), 149)]
        assert chosen == sorted(active, key=lambda speaker: -frame[speaker])[:1]


def test_nothing_is_beyond_the_recording() -> None:
    always = np.ones((13, 1), dtype=np.float32)
    found = diarization_of(always, FRAME_TICKS, 1.0)
    assert times(found) == times(found, exclusive=True) == [("SPEAKER_00", 0.0, 1.0)]


def test_of_too_many_speakers_those_who_speak_longest_are_kept() -> None:
    probabilities = np.zeros((40, 4), dtype=np.float32)
    for speaker, frames in enumerate((5, 12, 3, 9)):
        probabilities[speaker * 10 : speaker * 10 + frames, speaker] = 1.0
    for most, kept in ((1, {1}), (2, {1, 3}), (3, {0, 1, 3}), (4, {0, 1, 2, 3}), (9, {0, 1, 2, 3})):
        found = diarization_of(probabilities, FRAME_TICKS, 3.2, most)
        for turns in (found.turns, found.exclusive_turns):
            assert {int(turn.speaker[-1]) for turn in turns} == kept


@pytest.mark.parametrize("frames", [0, 1, 5])
def test_nobody_speaks(frames: int) -> None:
    silent = np.zeros((frames, 4), dtype=np.float32)
    assert diarization_of(silent, FRAME_TICKS, frames * FRAME_S) == Diarization((), ())
