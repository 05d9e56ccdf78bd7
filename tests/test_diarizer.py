"""The diarizer with the demo networks: what holds however well they are trained."""

from __future__ import annotations

import os
import socket
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engine.diarizer import Diarizer
from engine.parakeet import Samples
from speech.errors import EngineError
from speech.types import Diarization, Progress
from tests.models import RATE_HZ, SPEAKERS_MODEL, noise, read_conversation, silence

EMPTY = Diarization(turns=(), exclusive_turns=())


@pytest.fixture(scope="module")
def diarizer() -> Diarizer:
    return Diarizer.load(SPEAKERS_MODEL, "cpu")


@pytest.fixture(scope="module")
def speech() -> Samples:
    return read_conversation()[: 20 * RATE_HZ]


@pytest.fixture(scope="module")
def found(diarizer: Diarizer, speech: Samples) -> tuple[Diarization, list[Progress]]:
    said: list[Progress] = []
    diarization, warnings = diarizer.diarize(speech, report=said.append)
    assert warnings == ()
    return diarization, said


def test_turns_are_by_time_within_the_recording_and_last(
    speech: Samples, found: tuple[Diarization, list[Progress]]
) -> None:
    duration_s = speech.size / RATE_HZ
    for turns in (found[0].turns, found[0].exclusive_turns):
        assert turns
        assert all(0 <= turn.start_s < turn.end_s <= duration_s for turn in turns)
        assert all(a.start_s <= b.start_s for a, b in pairwise(turns))


def test_exclusive_turns_do_not_overlap(found: tuple[Diarization, list[Progress]]) -> None:
    assert all(a.end_s <= b.start_s for a, b in pairwise(found[0].exclusive_turns))
    named = {turn.speaker for turn in found[0].turns}
    assert {turn.speaker for turn in found[0].exclusive_turns} <= named


def test_progress_rises_to_the_end(found: tuple[Diarization, list[Progress]]) -> None:
    assert {progress.stage for progress in found[1]} == {"diarize"}
    fractions = [progress.fraction for progress in found[1] if progress.fraction is not None]
    assert len(fractions) == len(found[1])
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < 0.1
    assert len(set(fractions)) > 3
    assert fractions[-1] == 1.0


def test_the_same_recording_has_the_same_turns(
    diarizer: Diarizer, speech: Samples, found: tuple[Diarization, list[Progress]]
) -> None:
    assert diarizer.diarize(speech)[0] == found[0]


class _CancelledError(Exception):
    pass


@pytest.mark.parametrize("at_call", [1, 3])
def test_what_the_report_raises_ends_the_work(
    diarizer: Diarizer, speech: Samples, at_call: int
) -> None:
    calls: list[Progress] = []

    def report(progress: Progress) -> None:
        calls.append(progress)
        if len(calls) == at_call:
            raise _CancelledError

    with pytest.raises(_CancelledError):
        diarizer.diarize(speech, report=report)
    assert len(calls) == at_call


def test_one_speaker_can_be_asked_for(diarizer: Diarizer, speech: Samples) -> None:
    for diarization, warnings in (
        diarizer.diarize(speech, num_speakers=1),
        diarizer.diarize(speech, max_speakers=1),
    ):
        assert len({turn.speaker for turn in diarization.turns}) == 1
        assert warnings == ()


def test_more_speakers_than_can_be_found_are_a_warning(diarizer: Diarizer, speech: Samples) -> None:
    clip = speech[: 10 * RATE_HZ]  # one chunk, in which the networks tell three apart at most
    diarization, warnings = diarizer.diarize(clip, num_speakers=7)
    count = len({turn.speaker for turn in diarization.turns})
    assert count < 7
    (warning,) = warnings
    assert warning.startswith(f"num_speakers was 7, but {count} speaker")
    (warning,) = diarizer.diarize(clip, min_speakers=7)[1]
    assert warning.startswith("min_speakers was 7, but ")


def test_no_samples_have_no_speakers(diarizer: Diarizer) -> None:
    assert diarizer.diarize(silence(0)) == (EMPTY, ())
    assert diarizer.diarize(silence(0), num_speakers=2) == (
        EMPTY,
        ("num_speakers was 2, but 0 speakers were found",),
    )


@pytest.mark.parametrize(
    "samples",
    [
        silence(1 / RATE_HZ),
        silence(0.01),
        noise(0.01),
        noise(1.0),
        silence(12.0),
        np.full(RATE_HZ, np.nan, dtype=np.float32),
    ],
    ids=["one sample", "10 ms of silence", "10 ms", "noise", "silence", "nan"],
)
@pytest.mark.parametrize("num_speakers", [None, 2])
def test_odd_recordings_do_no_harm(
    diarizer: Diarizer, samples: Samples, num_speakers: int | None
) -> None:
    duration_s = samples.size / RATE_HZ
    diarization, warnings = diarizer.diarize(samples, num_speakers=num_speakers)
    for turns in (diarization.turns, diarization.exclusive_turns):
        assert all(0 <= turn.start_s < turn.end_s <= duration_s for turn in turns)
    count = len({turn.speaker for turn in diarization.turns})
    assert bool(warnings) == (num_speakers is not None and count != num_speakers)


def test_telemetry_is_off(diarizer: Diarizer) -> None:
    from pyannote.audio.telemetry.metrics import is_metrics_enabled

    assert diarizer
    assert os.environ["PYANNOTE_METRICS_ENABLED"] == "false"
    assert not is_metrics_enabled()


def test_loading_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert Diarizer.load(SPEAKERS_MODEL, "cpu")


def test_a_directory_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("pipeline: {name: no.such.Pipeline}\n")
    with pytest.raises(EngineError, match="cannot be loaded as a pyannote pipeline") as caught:
        Diarizer.load(tmp_path, "cpu")
    assert caught.value.code == "diarization_unavailable"
    assert str(tmp_path.parent) not in caught.value.message
