"""The diarizer on a GPU, where there is one."""

from __future__ import annotations

import pytest
import torch

from engine.diarizer import Diarizer, Recording
from engine.recorded import Samples
from speech.types import Diarization
from tests.models import RATE_HZ, SPEAKERS_MODEL, read_conversation

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

FRAME_S = 0.04


@pytest.fixture(scope="module")
def clips() -> list[Samples]:
    conversation = read_conversation()
    return [conversation[: 20 * RATE_HZ], conversation[5 * RATE_HZ :], conversation[:RATE_HZ]]


@pytest.fixture(scope="module")
def diarizer() -> Diarizer:
    return Diarizer.load(SPEAKERS_MODEL, "cuda")


def test_our_way_is_used_and_gives_the_turns_of_a_cpu(
    diarizer: Diarizer, clips: list[Samples], caplog: pytest.LogCaptureFixture
) -> None:
    assert "its own way" not in caplog.text
    assert diarizer._stages is not None
    on_cpu = Diarizer.load(SPEAKERS_MODEL, "cpu", "exact")
    for clip in clips:
        found, expected = diarizer.diarize(clip)[0], on_cpu.diarize(clip)[0]
        assert len(found.turns) == len(expected.turns)
        for one, other in zip(found.turns, expected.turns, strict=True):
            assert one.speaker == other.speaker
            assert one.start_s == pytest.approx(other.start_s, abs=FRAME_S)
            assert one.end_s == pytest.approx(other.end_s, abs=FRAME_S)


def test_recordings_together_have_the_turns_of_each_alone(
    diarizer: Diarizer, clips: list[Samples]
) -> None:
    together = diarizer.diarize_all([Recording(clip) for clip in clips])
    assert together == [diarizer.diarize(clip) for clip in clips]
    assert isinstance(together[0], tuple)
    assert isinstance(together[0][0], Diarization)


def test_the_convolutions_keep_their_arithmetic(diarizer: Diarizer, clips: list[Samples]) -> None:
    diarizer.diarize(clips[0])
    assert torch.backends.cudnn.allow_tf32
