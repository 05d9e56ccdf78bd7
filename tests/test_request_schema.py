"""The published schema of a request: what a worker accepts is within it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import ValidationError

from speech.errors import RequestError
from tests.envelope_schema import validator
from tools import schema as tool
from utils.request_table import FIELDS, SOURCES
from utils.validation import parse_request

URL = "https://bucket.example.com/a.mp3?X-Amz-Signature=1"
SEGLST = [{"session_id": "a", "speaker": "A", "start_time": 0, "end_time": 1, "words": "hi"}]
ODD: tuple[Any, ...] = (
    None,
    "",
    " ",
    "x",
    "word",
    URL,
    -1,
    0,
    1,
    2.5,
    51,
    True,
    False,
    [],
    {},
    [1],
)
"""Values that are right for some fields and wrong for most."""
GOOD: dict[str, tuple[Any, ...]] = {
    "audio_base64": ("QUJD", "data:audio/mpeg;base64,QUJD"),
    "audio_url": (URL, f" {URL} ", "HTTP://a"),
    "s3_key": ("a b/ü.wav",),
    "s3_bucket": ("b",),
    "transcript": ({"success": True, "text": "Hi.", "duration": 1.0},),
    "timestamps": ("char", ["word", "char"], []),
    "num_speakers": (1, 50),
    "min_speakers": (2,),
    "max_speakers": (3,),
    "diarizer": ("auto", "pyannote"),
    "known_speakers": (
        [{"name": " Ada ", "samples": [{"s3_key": "a", "s3_bucket": None}]}],
        [{"name": "B", "voiceprint": [0.5, 1], "samples": None}],
        [{"name": "C", "samples": [{"audio_url": URL}, {"s3_key": "a", "s3_bucket": "b"}]}],
    ),
    "channels": ("mix", "separate"),
    "attention": ("full",),
    "hotwords": ("Parakeet", ["  a  b ", "c"]),
    "language": ("de",),
    "reference": ("Hello.", {"text": "Hello."}, {"seglst": SEGLST}),
    "start": (0, 1.5),
    "end": (2, 0.5),
    "formats": ("srt", ["html", "vtt"], []),
    "transcription": ("plain_text", "srt"),
    "response_format": ("whisperx", "default"),
    "include": ("text", ["text", "warnings"], []),
    "exclude": (["warnings"],),
    "subtitles": ({}, {"max_lines": 1, "min_gap_s": 0, "highlight_words": None}),
    "speaker_names": ({}, {"SPEAKER_00": " Ada ", "SPEAKER_01": None}),
    "output": ({"url": URL}, {"s3_key": "a/b.json", "s3_bucket": None, "url": None}),
    "webhook": (URL, {"url": URL, "secret": "s", "progress": None}, {"url": URL, "secret": None}),
}
FLAGS = (True, False)
NAMES = {name: field.name for field in FIELDS for name in (field.name, *field.aliases)}

OPTION_NAMES = [name for name, field in NAMES.items() if field not in {f.name for f in SOURCES}]


def good(name: str) -> tuple[Any, ...]:
    """Of a field, or of its alias."""
    if name == "word_timestamps":
        return FLAGS
    return GOOD.get(name) or GOOD.get(NAMES[name], FLAGS)


def valid(request: object) -> bool:
    return bool(validator("request").is_valid(request))


def accepted(request: object) -> bool:
    try:
        parse_request(request)
    except RequestError:
        return False
    return True


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A recording, and some fields; now and then another source, or an odd value."""
    sources = st.sampled_from(({"audio_url": URL}, {"s3_key": "a"}, {"audio_base64": "QUJD"}, {}))
    request: dict[str, Any] = dict(draw(sources))
    fields = list(NAMES) if draw(st.integers(0, 4)) == 0 else OPTION_NAMES
    for name in draw(st.lists(st.sampled_from(fields), max_size=3, unique=True)):
        values = ODD if draw(st.integers(0, 7)) == 0 else good(name)
        request[name] = draw(st.sampled_from(values))
    return request


@settings(max_examples=300)
@given(requests())
def test_what_the_worker_accepts_is_valid(request: dict[str, Any]) -> None:
    if accepted(request):
        validator("request").validate(request)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_has_values_that_both_take(name: str) -> None:
    """So that the test above is not about nothing."""
    sources: tuple[dict[str, Any], ...] = ({"audio_url": URL}, {"s3_key": "a"}, {})
    taken = [
        value
        for value in good(name)
        for source in sources
        if accepted({**source, name: value}) and valid({**source, name: value})
    ]
    assert taken


@pytest.mark.parametrize("name", NAMES)
def test_no_field_takes_just_anything(name: str) -> None:
    assert not all(valid({"audio_url": URL, name: value}) for value in ODD)
    assert tool.schemas()["request"]["properties"][name]["description"]  # type: ignore[index]


WRONG_BESIDE_A_SOURCE: tuple[dict[str, Any], ...] = (
    {"diarise": True},
    {"diarize": 1},
    {"num_speakers": 0},
    {"num_speakers": True},
    {"num_speakers": "2"},
    {"max_speakers": 51},
    {"timestamps": "words"},
    {"timestamps": True, "timestamp": True},
    {"word_timestamps": "word"},
    {"diarizer": "whisper"},
    {"channels": ["mix"]},
    {"language": "english"},
    {"hotwords": []},
    {"hotwords": ["a", 1]},
    {"start": -1},
    {"end": 0},
    {"formats": ["doc"]},
    {"transcription": "html"},
    {"response_format": "verbose_json"},
    {"include": "Text"},
    {"exclude": ["a..b"]},
    {"subtitles": {"max_line": 1}},
    {"subtitles": {"max_lines": 1.5}},
    {"subtitles": {"highlight_words": "yes"}},
    {"speaker_names": {"SPEAKER_00": ""}},
    {"speaker_names": {"SPEAKER_00": "a" * 101}},
    {"output": {}},
    {"output": {"url": URL, "s3_key": "a"}},
    {"output": {"url": URL, "s3_bucket": "b"}},
    {"output": {"key": "a"}},
    {"webhook": {"secret": "a"}},
    {"webhook": {"url": URL, "secret": ""}},
    {"webhook": "a.b/c"},
    {"stream": "yes"},
    {"known_speakers": []},
    {"known_speakers": [{"name": "Ada"}]},
    {"known_speakers": [{"samples": [{"s3_key": "a"}]}]},
    {"known_speakers": [{"name": "Ada", "voiceprint": [1], "samples": [{"s3_key": "a"}]}]},
    {"known_speakers": [{"name": "Ada", "samples": [{"s3_key": "a", "audio_url": URL}]}]},
    {"known_speakers": [{"name": "Ada", "voiceprint": ["1"]}]},
    {"reference": {}},
    {"reference": {"srt": "a"}},
    {"reference": {"text": "a", "stm": "b"}},
    {"reference": ""},
)
WRONG: tuple[Any, ...] = (
    None,
    [],
    {},
    {"audio_url": None},
    {"audio_url": URL, "audio_base64": "QUJD"},
    {"audio_url": URL, "audio": URL},
    {"audio_url": "ftp://a/b"},
    {"audio_url": "https://user@a/b"},
    {"audio_url": URL, "s3_bucket": "b"},
    {"transcript": {}, "s3_key": "a"},
    *({"s3_key": "a", **wrong} for wrong in WRONG_BESIDE_A_SOURCE),
)


@pytest.mark.parametrize("request_", WRONG, ids=json.dumps)
def test_what_is_wrong_is_refused_by_both(request_: object) -> None:
    assert not accepted(request_)
    with pytest.raises(ValidationError):
        validator("request").validate(request_)


@pytest.mark.parametrize("name", tool.schemas())
def test_the_files_are_those_of_the_code(name: str) -> None:
    text = (tool.DOCS / f"{name}.json").read_text()
    assert text == tool.written(tool.schemas()[name]), "run `python -m tools.schema`"
