"""The request's fields about known speakers: what is read, and every way to be refused."""

from __future__ import annotations

import pytest

from speech.errors import RequestError
from speech.request import Base64Source, KnownSpeaker, Request, S3Source, UrlSource
from utils.request_objects import (
    MAX_KNOWN_SPEAKERS,
    MAX_NAME_CHARACTERS,
    MAX_SAMPLES,
    MAX_VOICEPRINT,
)
from utils.validation import parse_request

SECRET = "0123456789abcdef"
URL = f"https://bucket.example.com/a/anna.mp3?X-Amz-Signature={SECRET}"
SAMPLES = [{"audio_url": URL}]


def request(**fields: object) -> Request:
    return parse_request({"s3_key": "recording.mp3", **fields})


def message(**fields: object) -> str:
    with pytest.raises(RequestError) as caught:
        request(**fields)
    assert caught.value.code == "invalid_input"
    assert not caught.value.retryable
    assert SECRET not in caught.value.message
    assert len(caught.value.message) < 500
    return caught.value.message


def anna(**fields: object) -> list[dict[str, object]]:
    """A list whose second person is asked for with these fields."""
    return [{"name": "Bert", "samples": SAMPLES}, {"name": "Anna", **fields}]


def test_samples_come_from_everywhere_a_recording_may_come_from() -> None:
    samples = [
        {"audio_url": URL},
        {"audio_base64": "data:audio/wav;base64,QUJD"},
        {"s3_key": "a b/ü.wav"},
        {"s3_key": "k", "s3_bucket": "b", "audio_url": None},
    ]
    assert request(known_speakers=[{"name": " Ana María ", "samples": samples}]).known_speakers == (
        KnownSpeaker(
            "Ana María",
            (
                UrlSource(URL),
                Base64Source("QUJD"),
                S3Source("a b/ü.wav", None),
                S3Source("k", "b"),
            ),
            None,
        ),
    )


def test_a_voiceprint_may_take_the_samples_place() -> None:
    (read,) = request(known_speakers=[{"name": "Anna", "voiceprint": [0, -0.5, 1]}]).known_speakers
    assert read == KnownSpeaker("Anna", (), (0.0, -0.5, 1.0))


def test_nobody_is_known_and_no_voiceprint_is_wanted_unless_asked_for() -> None:
    assert request().known_speakers == ()
    assert not request().options.speaker_embeddings
    assert request(speaker_embeddings=True).options.speaker_embeddings


def test_as_many_people_and_samples_as_are_allowed_are_read() -> None:
    people = [
        {"name": f"Person {number}", "samples": SAMPLES * MAX_SAMPLES}
        for number in range(MAX_KNOWN_SPEAKERS)
    ]
    read = request(known_speakers=people).known_speakers
    assert len(read) == MAX_KNOWN_SPEAKERS
    assert {len(speaker.samples) for speaker in read} == {MAX_SAMPLES}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("Anna", "a list of 1 to 20; not 'Anna'"),
        ({"name": "Anna", "samples": SAMPLES}, "a list of 1 to 20; not an object"),
        ([], "a list of 1 to 20; 0 came"),
        ([{"name": "Anna", "samples": SAMPLES}] * 21, "a list of 1 to 20; 21 came"),
        (["Anna"], "known_speakers[0] must be an object with a name, not 'Anna'"),
        ([{"name": "Anna", "sample": SAMPLES}], "known_speakers[0] has name, samples, voiceprint"),
        (
            [{"name": name, "samples": SAMPLES} for name in ("Anna", "Bert", "Anna")],
            "must name each person once; 'Anna' came twice",
        ),
        (anna(), "known_speakers[1] needs either samples or a voiceprint; neither came"),
        (
            anna(samples=SAMPLES, voiceprint=[1]),
            "known_speakers[1] needs either samples or a voiceprint; both came",
        ),
    ],
)
def test_a_wrong_list_of_people_is_refused(sent: object, said: str) -> None:
    text = message(known_speakers=sent)
    assert text.startswith("known_speakers")
    assert said in text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (None, "must be text"),
        (7, "must be text, not 7"),
        ("  ", "must not be empty"),
        ("\ud800", "valid Unicode"),
        ("x" * (MAX_NAME_CHARACTERS + 1), f"at most {MAX_NAME_CHARACTERS} characters"),
        ("An\nna", "must be printable"),
        ("SPEAKER_00", "unlike the names of strangers"),
        ("speaker_7", "unlike the names of strangers"),
        ("CHANNEL_1", "unlike the names of strangers"),
    ],
)
def test_a_wrong_name_is_refused(name: object, said: str) -> None:
    text = message(known_speakers=[{"name": name, "samples": SAMPLES}])
    assert text.startswith("known_speakers[0].name must ")
    assert said in text


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (URL, "known_speakers[1].samples must be a list of 1 to 5; not"),
        ([], "known_speakers[1].samples must be a list of 1 to 5; 0 came"),
        (SAMPLES * 6, "known_speakers[1].samples must be a list of 1 to 5; 6 came"),
        ([URL], "known_speakers[1].samples[0] must be an object with one of audio_url"),
        ([*SAMPLES, {"url": URL}], "known_speakers[1].samples[1] has audio_url"),
        ([{}], "known_speakers[1].samples[0] needs exactly one of audio_url, audio_base64, s3_key"),
        ([{"audio_url": URL, "s3_key": "k"}], "exactly one of audio_url, audio_base64, s3_key; 2"),
        (
            [{"audio_url": URL, "s3_bucket": "b"}],
            "known_speakers[1].samples[0].s3_bucket is only allowed together with s3_key",
        ),
        (
            [{"audio_url": f"ftp://example.com/{SECRET}"}],
            "known_speakers[1].samples[0].audio_url must begin with https://",
        ),
        ([{"audio_url": 1}], "known_speakers[1].samples[0].audio_url must be text, not 1"),
        (
            [{"audio_base64": "data:audio/mpeg," + SECRET}],
            "known_speakers[1].samples[0].audio_base64 must be base64 text",
        ),
        ([{"audio_base64": [SECRET]}], "known_speakers[1].samples[0].audio_base64 must be text"),
        ([{"s3_key": " "}], "known_speakers[1].samples[0].s3_key must not be empty"),
        (
            [{"s3_key": "k", "s3_bucket": 3}],
            "known_speakers[1].samples[0].s3_bucket must be text, not 3",
        ),
    ],
)
def test_a_wrong_sample_is_refused_by_its_place(samples: object, said: str) -> None:
    assert said in message(known_speakers=anna(samples=samples))


@pytest.mark.parametrize(
    ("voiceprint", "said"),
    [
        ("0.1 0.2", "must be a list of 1 to 1024; not '0.1 0.2'"),
        ([], "must be a list of 1 to 1024; 0 came"),
        ([0.5] * (MAX_VOICEPRINT + 1), "must be a list of 1 to 1024; 1025 came"),
        ([0.5, "1"], "must hold numbers, not '1'"),
        ([0.5, True], "must hold numbers, not true"),
        ([0.5, None], "must hold numbers, not None"),
        ([[0.5]], "must hold numbers, not a list"),
        ([0.5, float("nan")], "must hold finite numbers"),
        ([0.5, float("-inf")], "must hold finite numbers"),
        ([0.5, 10**400], "must hold finite numbers"),
        ([0, 0.0], "that are not all 0"),
    ],
)
def test_a_wrong_voiceprint_is_refused(voiceprint: object, said: str) -> None:
    text = message(known_speakers=anna(voiceprint=voiceprint))
    assert text.startswith("known_speakers[1].voiceprint must ")
    assert said in text


@pytest.mark.parametrize("value", ["yes", 1, 0.0, [], {}])
def test_speaker_embeddings_is_true_or_false(value: object) -> None:
    assert message(speaker_embeddings=value).startswith("speaker_embeddings must be true or false")


WITH_VOICES = (
    {"known_speakers": [{"name": "Anna", "samples": SAMPLES}]},
    {"speaker_embeddings": True},
)


@pytest.mark.parametrize("fields", WITH_VOICES)
@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"diarize": False}, "needs diarize to be true"),
        ({"channels": "separate"}, "is not used where channels is separate"),
        ({"diarizer": "sortformer"}, "needs voiceprints, which diarizer sortformer does not have"),
    ],
)
def test_voices_need_a_diarizer_that_hears_them(
    fields: dict[str, object], other: dict[str, object], said: str
) -> None:
    text = message(**fields, **other)
    assert text.startswith(next(iter(fields)))
    assert said in text
    assert request(**fields, diarizer="pyannote").options.diarizer == "pyannote"


@pytest.mark.parametrize(
    "other", [{"diarize": False}, {"channels": "separate"}, {"diarizer": "sortformer"}]
)
def test_voiceprints_that_are_not_wanted_are_no_hindrance(other: dict[str, object]) -> None:
    assert not request(speaker_embeddings=False, known_speakers=None, **other).known_speakers
