"""Speakers known by their voices: through the diarizer with the demo networks, and the worker."""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from engine.diarizer import Answer, Diarizer, Recording
from engine.voices import LEAST_S
from speech.errors import RequestError
from speech.types import Diarization, Voice
from tests.demo_worker import DemoWorker
from tests.meetings import Person, meeting, people, spoken_by, truly, voice_of
from tests.models import RATE_HZ, SPEAKERS_MODEL, noise, silence
from tests.speaker_pipelines import load_pipeline
from training.speakers_mixing import Conversation

ENROLLED, STRANGERS = 6, 2
SAMPLE_S = 5.0
REAL_S = 3.0
"""A speaker that was found for a shorter time than this is a slip of the diarizer's."""


@pytest.fixture(scope="module")
def diarizer() -> Diarizer:
    return Diarizer.load(SPEAKERS_MODEL, "cpu")


@dataclass(frozen=True)
class Meeting:
    """Eight people, six of whom are known by 5 s."""

    those: Sequence[Person]
    truth: Conversation
    voices: Sequence[Voice]

    @property
    def known(self) -> set[str]:
        return {voice.name for voice in self.voices}


def of_eight(seed: int, folder: Path) -> Meeting:
    rng = random.Random(f"a meeting of eight {seed}")
    those = people(rng)
    voices = [
        voice_of(person.name, folder, spoken_by(rng, person, SAMPLE_S))
        for person in those[:ENROLLED]
    ]
    return Meeting(those, meeting(rng, those, duration_s=150.0), voices)


def answered(diarizer: Diarizer, recording: Recording) -> Answer:
    (outcome,) = diarizer.diarize_all([recording])
    assert not isinstance(outcome, Exception), outcome
    return outcome


def refused(diarizer: Diarizer, voices: Sequence[Voice]) -> RequestError:
    bad, good = diarizer.diarize_all(
        [Recording(noise(1.0), voices=voices), Recording(silence(1.0))]
    )
    assert isinstance(bad, RequestError), bad
    assert not isinstance(good, Exception), "the recording beside it has nothing to do with it"
    return bad


def right_names(those: Meeting, found: Diarization) -> set[str]:
    """The names that were given to whom they belong; no other may have been given."""
    whose = truly(those.truth, those.those, found)
    assert len(set(found.names.values())) == len(found.names), "one name, one speaker"
    for speaker, name in found.names.items():
        who, _ = whose[speaker]
        assert who == name, f"{who} was called {name}"
    return set(found.names.values())


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Meeting:
    return of_eight(1, tmp_path_factory.mktemp("eight"))


@pytest.fixture(scope="module")
def heard(diarizer: Diarizer, eight: Meeting) -> Answer:
    return answered(diarizer, Recording(eight.truth.audio, voices=eight.voices, voiceprints=True))


def test_six_known_by_five_seconds_are_named_and_two_strangers_are_not(
    eight: Meeting, heard: Answer
) -> None:
    found, warnings = heard
    assert right_names(eight, found) == eight.known
    assert len(eight.known) == ENROLLED
    assert len(eight.those) == ENROLLED + STRANGERS
    assert warnings == ()


def test_nobody_is_named_where_all_are_strangers(
    diarizer: Diarizer, eight: Meeting, tmp_path: Path
) -> None:
    rng = random.Random("strangers")
    strangers = eight.those[ENROLLED:]
    truth = meeting(rng, strangers, duration_s=20.0)
    found, warnings = answered(diarizer, Recording(truth.audio, voices=eight.voices))
    assert found.names == {}
    assert found.turns
    assert warnings == ()


def test_a_voiceprint_recognises_its_speaker_in_another_recording(
    diarizer: Diarizer, eight: Meeting, heard: Answer
) -> None:
    found, _ = heard
    of_names = {name: found.voiceprints[speaker] for speaker, name in found.names.items()}
    known = [Voice(name, (), voiceprint) for name, voiceprint in of_names.items()]
    here = (*eight.those[:2], eight.those[-1])
    other = Meeting(here, meeting(random.Random("another day"), here, duration_s=30.0), known)
    again, warnings = answered(diarizer, Recording(other.truth.audio, voices=known))
    assert right_names(other, again) == {person.name for person in here[:2]}
    assert warnings == ()
    assert again.voiceprints.keys() >= again.names.keys()
    whole = answered(diarizer, Recording(other.truth.audio))[0]
    assert (whole.names, whole.voiceprints) == ({}, {}), "nobody asked for them"


def test_a_voiceprint_is_a_direction(heard: Answer) -> None:
    for voiceprint in heard[0].voiceprints.values():
        assert np.linalg.norm(voiceprint) == pytest.approx(1.0, abs=1e-3)
        assert len(voiceprint) == 128


@pytest.mark.parametrize("length", [1, 127, 256])
def test_a_voiceprint_of_another_network_is_refused(diarizer: Diarizer, length: int) -> None:
    ours, theirs = Voice("Anna", (), (0.1,) * 128), Voice("Bert", (), (0.1,) * length)
    error = refused(diarizer, [ours, theirs])
    assert error.code == "invalid_input"
    assert error.message.startswith("known_speakers[1].voiceprint must have 128 numbers")
    assert f"{length} came" in error.message


@pytest.mark.parametrize("kind", ["silence", "empty", "a word"])
def test_a_sample_without_enough_speech_is_refused_by_its_place(
    diarizer: Diarizer, eight: Meeting, tmp_path: Path, kind: str
) -> None:
    speech = soundfile.read(eight.voices[0].recordings[0], dtype="float32")[0]
    word = speech[: round(0.6 * LEAST_S * RATE_HZ)]
    bad = {"silence": silence(6.0), "empty": silence(0.0), "a word": word}[kind]
    voice = voice_of("Anna", tmp_path, speech, bad)
    error = refused(diarizer, [eight.voices[1], voice])
    assert error.code == "invalid_input"
    assert error.message.startswith("known_speakers[1].samples[1] must hold at least 1 s")
    assert f"were found in {bad.size / RATE_HZ:.1f} s" in error.message


def test_a_sample_with_two_voices_is_a_warning_that_names_it(
    diarizer: Diarizer, eight: Meeting, tmp_path: Path
) -> None:
    rng = random.Random("two voices")
    both = meeting(rng, eight.those[:2], duration_s=16.0).audio
    voice = voice_of("Anna", tmp_path, both)
    _, warnings = answered(diarizer, Recording(silence(1.0), voices=[eight.voices[2], voice]))
    (warning,) = warnings
    assert warning.startswith("known_speakers[1].samples[0] seems to hold more than one voice")


def test_one_voice_under_two_names_gets_neither(
    diarizer: Diarizer, eight: Meeting, heard: Answer
) -> None:
    speaker, name = next(iter(heard[0].names.items()))
    voiceprint = heard[0].voiceprints[speaker]
    known = [Voice("Anna", (), voiceprint), Voice("Bert", (), voiceprint)]
    found, warnings = answered(diarizer, Recording(_part_of(eight, name), voices=known))
    assert found.names == {}
    assert warnings == ("a speaker sounds like Anna and Bert, and was given no name",)


def _part_of(those: Meeting, name: str) -> np.ndarray:
    person = next(person for person in those.those if person.name == name)
    return spoken_by(random.Random("alone"), person, 12.0)


def test_several_samples_make_one_voice(diarizer: Diarizer, eight: Meeting, tmp_path: Path) -> None:
    rng = random.Random("several")
    anna, bert = eight.those[:2]
    samples = [spoken_by(rng, anna, 2.5) for _ in range(3)]
    voices = [voice_of("Anna", tmp_path, *samples), voice_of("Bert", tmp_path, samples[0])]
    voices[1] = voice_of("Bert", tmp_path, spoken_by(rng, bert, 5.0))
    found, _ = answered(diarizer, Recording(_part_of(eight, anna.name), voices=voices))
    assert list(found.names.values()) == ["Anna"]


def test_known_voices_that_are_not_there_change_no_turn(diarizer: Diarizer, eight: Meeting) -> None:
    samples = meeting(random.Random("plain"), eight.those[ENROLLED:], duration_s=15.0).audio
    plain, _ = answered(diarizer, Recording(samples))
    known, _ = answered(diarizer, Recording(samples, voices=eight.voices[:1], voiceprints=True))
    assert replace(known, names={}, voiceprints={}) == plain
    assert set(known.voiceprints) <= {turn.speaker for turn in known.turns}
    assert known.voiceprints


def test_the_stock_networks_recognise_as_well(
    eight: Meeting, heard: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    """Where pyannote's own way has to be used, names and voiceprints are the same."""
    pipeline = load_pipeline()
    pipeline.preprocessors = {}  # what ours would leave out
    stock = Diarizer(pipeline, rule=_demo_rule())
    assert "its own way" in caplog.text
    anna = eight.those[0]
    recording = Recording(_part_of(eight, anna.name), voices=eight.voices[:2], voiceprints=True)
    found, _ = answered(stock, recording)
    assert set(found.names.values()) == {anna.name}
    (speaker,) = found.names
    of_meeting = {name: one for one, name in heard[0].names.items()}[anna.name]
    cosine = np.dot(found.voiceprints[speaker], heard[0].voiceprints[of_meeting])
    assert cosine > _demo_rule().threshold


def _demo_rule() -> Any:
    from engine.voice_matching import Rule

    return Rule.of(SPEAKERS_MODEL)


# ---------------------------------------------------------------- through the worker


def as_base64(samples: np.ndarray) -> str:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE_HZ, format="FLAC")
    return base64.b64encode(buffer.getvalue()).decode()


def ids(output: Mapping[str, Any]) -> set[str]:
    return {str(speaker["id"]) for speaker in output["speakers"]}


def test_the_worker_calls_a_known_speaker_by_name(shared_worker: DemoWorker) -> None:
    rng = random.Random("worker")
    anna, bert = people(rng)[:2]
    truth = meeting(rng, (anna, bert), duration_s=16.0)
    sample = as_base64(spoken_by(rng, anna, SAMPLE_S))
    request = {
        "audio_base64": as_base64(truth.audio),
        "known_speakers": [{"name": "Anna Ω", "samples": [{"audio_base64": sample}]}],
        "speaker_embeddings": True,
    }
    output = shared_worker.completed(shared_worker.run(request))
    assert "Anna Ω" in ids(output)
    assert ids(output) - {"Anna Ω"} == {"SPEAKER_00"} or len(ids(output)) > 2
    said = {word["speaker"] for word in output["timestamps"]["word"]}
    assert said == ids(output)
    (own,) = (one["voiceprint"] for one in output["speakers"] if one["id"] == "Anna Ω")

    again = {
        "audio_base64": request["audio_base64"],
        "known_speakers": [{"name": "Berta", "voiceprint": own}],
    }
    output = shared_worker.completed(shared_worker.run(again))
    assert "Berta" in ids(output)
    assert not any("voiceprint" in speaker for speaker in output["speakers"])
    shared_worker.wait_until_clean()


def test_the_worker_names_a_sample_that_is_no_good(shared_worker: DemoWorker) -> None:
    bad = {"name": "Anna", "samples": [{"audio_base64": as_base64(silence(3.0))}]}
    request = {"audio_base64": as_base64(noise(2.0)), "known_speakers": [bad]}
    view = shared_worker.finished(shared_worker.run(request))
    assert view["status"] == "FAILED"
    assert view["output"]["error_code"] == "invalid_input"
    assert view["error"].startswith("known_speakers[0].samples[0] must hold at least 1 s")
    shared_worker.wait_until_clean()
