"""Which diarizer a recording gets, and what its caller is told of that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.cores import Cores
from engine.diarizing import Diarizing, name_of, usual_kind
from engine.job import Job
from engine.recorded import Samples
from speech.errors import EngineError
from speech.protocol import EngineSettings, Problem, settings_from_dict, settings_to_dict
from speech.request import Options
from speech.types import Hearing, Transcript, Voice
from tests.models import RATE_HZ, SPEAKERS_MODEL, read_conversation
from tests.sortformers import save

TRANSCRIPT = Transcript(text="", words=(), chars=(), attention="full")
NO_TOKEN = Problem("diarization_unavailable", "pyannote needs a token; set HF_TOKEN", False)
NOT_HERE = Problem("diarization_unavailable", "Sortformer is not on this worker", True)
VOICE = Voice("Ada", (), (0.5, 0.5))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> EngineSettings:
    """A worker with both diarizers."""
    checkpoint = save(tmp_path_factory.mktemp("sortformer") / "small.nemo")
    return EngineSettings(
        asr_model="/nowhere/speech.nemo",
        asr_name="speech",
        fast_model=None,
        diarization_model=str(SPEAKERS_MODEL),
        diarization_name="pyannote@1",
        diarization_problem=None,
        device="cpu",
        threads=1,
        sortformer_model=str(checkpoint),
        sortformer_name="sortformer@2",
        sortformer_problem=None,
    )


@pytest.fixture(scope="module")
def without_token(both: EngineSettings) -> EngineSettings:
    return replace(both, diarization_model=None, diarization_problem=NO_TOKEN)


@pytest.fixture(scope="module")
def with_neither(without_token: EngineSettings) -> EngineSettings:
    return replace(without_token, sortformer_model=None, sortformer_problem=NOT_HERE)


@pytest.fixture(scope="module")
def speech() -> Samples:
    return read_conversation()[: 6 * RATE_HZ]


def loaded(settings: EngineSettings) -> Diarizing:
    diarizing = Diarizing(settings, Cores(1), "cpu")
    diarizing.load()
    return diarizing


def heard(
    diarizing: Diarizing, samples: Samples, *requests: Options, voices: tuple[Voice, ...] = ()
) -> list[Any]:
    """The answers to recordings that come together; their words are there already."""
    answers: list[list[Any]] = [[] for _ in requests]
    jobs = [
        Job(samples, options, {"asr": "speech"}, voices, lambda _: None, told.append)
        for options, told in zip(requests, answers, strict=True)
    ]
    for job in jobs:
        job.transcribed(TRANSCRIPT, 0.0)
    diarizing.work(jobs)
    return [answer for told in answers for answer in told]


def test_each_recording_gets_the_diarizer_it_asks_for(
    both: EngineSettings, speech: Samples
) -> None:
    asked = [Options(diarizer=name) for name in ("auto", "sortformer", "pyannote", "sortformer")]
    answers = heard(loaded(both), speech, *asked)
    assert all(isinstance(answer, Hearing) and answer.diarization for answer in answers)
    assert [answer.models for answer in answers] == [
        {"asr": "speech", "diarization": name}
        for name in ("pyannote@1", "sortformer@2", "pyannote@1", "sortformer@2")
    ]
    assert {answer.warnings for answer in answers} == {()}
    assert answers[0].diarization == answers[2].diarization
    assert answers[1].diarization == answers[3].diarization != answers[0].diarization


def test_without_pyannote_sortformer_takes_its_place_and_says_why(
    without_token: EngineSettings, speech: Samples
) -> None:
    diarizing = loaded(without_token)
    (answer,) = heard(diarizing, speech, Options(num_speakers=6))
    assert answer.diarization.turns
    assert answer.models["diarization"] == "sortformer@2"
    first, second = answer.warnings
    assert first.startswith("Sortformer told the speakers apart, four at most, because pyannote")
    assert first.endswith("set HF_TOKEN")
    assert second.startswith("num_speakers was 6, but ")
    (refused,) = heard(diarizing, speech, Options(diarizer="pyannote"))
    assert (refused.code, refused.message) == (NO_TOKEN.code, NO_TOKEN.message)
    (chosen,) = heard(diarizing, speech, Options(diarizer="sortformer"))
    assert chosen.warnings == ()


def test_what_sortformer_cannot_do_is_an_error_and_not_left_out(
    without_token: EngineSettings, speech: Samples
) -> None:
    diarizing = loaded(without_token)
    for options, voices in ((Options(speaker_embeddings=True), ()), (Options(), (VOICE,))):
        (answer,) = heard(diarizing, speech, options, voices=voices)
        assert isinstance(answer, EngineError)
        assert answer.code == "diarization_unavailable"
        assert "known_speakers and speaker_embeddings need pyannote" in answer.message
        assert "set HF_TOKEN" in answer.message


def test_with_neither_a_recording_is_never_answered_without_speakers(
    with_neither: EngineSettings, speech: Samples
) -> None:
    diarizing = loaded(with_neither)
    asked = [Options(), Options(diarizer="pyannote"), Options(diarizer="sortformer")]
    whole, pyannote, sortformer = heard(diarizing, speech, *asked)
    assert isinstance(whole, EngineError)
    assert (whole.code, whole.retryable) == ("diarization_unavailable", True)
    assert NO_TOKEN.message in whole.message
    assert NOT_HERE.message in whole.message
    assert (pyannote.message, pyannote.retryable) == (NO_TOKEN.message, False)
    assert (sortformer.message, sortformer.retryable) == (NOT_HERE.message, True)


def test_a_diarizer_that_does_not_load_is_as_one_that_is_not_there(
    both: EngineSettings, speech: Samples, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text("pipeline: {name: no.such.Pipeline}\n")
    damaged = replace(both, diarization_model=str(tmp_path))
    (answer,) = heard(loaded(damaged), speech, Options())
    assert answer.models["diarization"] == "sortformer@2"
    assert "cannot be loaded as a pyannote pipeline" in answer.warnings[0]


def test_the_worker_is_told_which_diarizer_is_the_usual_one(
    both: EngineSettings, without_token: EngineSettings, with_neither: EngineSettings
) -> None:
    for settings, name in (
        (both, "pyannote@1"),
        (without_token, "sortformer@2"),
        (with_neither, "pyannote@1"),
    ):
        assert name_of(settings, usual_kind(settings)) == name


def test_the_settings_cross_the_seam(with_neither: EngineSettings, both: EngineSettings) -> None:
    for settings in (with_neither, both):
        assert settings_from_dict(settings_to_dict(settings)) == settings
