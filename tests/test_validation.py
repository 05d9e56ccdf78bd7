from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.errors import RequestError
from speech.request import (
    Base64Source,
    Options,
    Presentation,
    Reference,
    Request,
    S3Source,
    UrlSource,
)
from utils.presentation_table import PRESENTATION
from utils.request_fields import LANGUAGES, MAX_SPEAKERS
from utils.request_objects import MAX_REFERENCE_CHARACTERS
from utils.request_table import FIELDS, OPTIONS
from utils.validation import parse_request

URL = "https://bucket.example.com/a/b.mp3?X-Amz-Signature=0123456789abcdef"
SECRET = "0123456789abcdef"


def options(**fields: object) -> Options:
    return parse_request({"audio_url": URL, **fields}).options


def message(raw: object) -> str:
    with pytest.raises(RequestError) as caught:
        parse_request(raw)
    assert caught.value.code == "invalid_input"
    assert not caught.value.retryable
    assert SECRET not in caught.value.message
    return caught.value.message


def test_each_source_is_read() -> None:
    assert parse_request({"audio_url": URL}).source == UrlSource(URL)
    assert parse_request({"audio": f" {URL} "}).source == UrlSource(URL)
    assert parse_request({"audio_base64": "QUJD"}).source == Base64Source("QUJD")
    assert parse_request({"s3_key": "a b/ü.wav"}).source == S3Source("a b/ü.wav", None)
    assert parse_request({"s3_key": "k", "s3_bucket": "b"}).source == S3Source("k", "b")


@pytest.mark.parametrize("kind", ["audio/mpeg", "audio/webm;codecs=opus", ""])
def test_a_data_uri_loses_its_head(kind: str) -> None:
    uri = f"data:{kind};base64,QUJD"
    assert parse_request({"audio_base64": uri}).source == Base64Source("QUJD")


def test_a_data_uri_that_is_not_base64_is_refused() -> None:
    assert "audio_base64" in message({"audio_base64": "data:audio/mpeg," + SECRET})


def test_defaults_are_those_of_the_types() -> None:
    assert options() == Options()


def test_null_means_not_given() -> None:
    nothing = {field.name: None for field in FIELDS} | {"audio": None, "timestamp": None}
    assert parse_request({**nothing, "audio_url": URL}).options == Options()
    assert "none came" in message(nothing)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (True, ("word", "segment")),
        (False, ()),
        ("char", ("char",)),
        (["segment", "word", "word"], ("word", "segment")),
        (["char", "segment", "word"], ("word", "segment", "char")),
        ([], ()),
    ],
)
def test_timestamps(sent: object, read: tuple[str, ...]) -> None:
    assert options(timestamps=sent).timestamps == read
    assert options(timestamp=sent).timestamps == read


def test_every_other_option_is_read() -> None:
    assert options(
        diarize=True, min_speakers=2, max_speakers=50, attention="local", start=1, end=2.5
    ) == Options(min_speakers=2, max_speakers=50, attention="local", start_s=1.0, end_s=2.5)
    assert options(num_speakers=1).num_speakers == 1
    assert options(diarize=False).diarize is False


@pytest.mark.parametrize("raw", [None, [], "x", 3, True])
def test_an_input_that_is_no_object_is_refused(raw: object) -> None:
    assert "JSON object" in message(raw)


def test_no_source_is_refused_with_the_list_of_sources() -> None:
    text = message({})
    assert all(name in text for name in ("audio_base64", "audio_url", "s3_key", "none came"))


@pytest.mark.parametrize(
    "sources",
    [
        {"audio_url": URL, "audio_base64": "QUJD"},
        {"audio": URL, "s3_key": "k"},
        {"audio_base64": "QUJD", "s3_key": "k"},
    ],
)
def test_two_sources_are_refused(sources: dict[str, object]) -> None:
    assert "Exactly one of" in message(sources)


def test_a_bucket_without_a_key_is_refused() -> None:
    assert "s3_bucket" in message({"audio_url": URL, "s3_bucket": "b"})


def test_a_name_and_its_alias_together_are_refused() -> None:
    assert "audio_url and audio are two names" in message({"audio_url": URL, "audio": URL})
    text = message({"audio_url": URL, "timestamp": True, "timestamps": True})
    assert "timestamp and timestamps are two names" in text


@pytest.mark.parametrize(
    ("sent", "near"),
    [("num_speaker", "num_speakers"), ("audiourl", "audio_url"), ("diarise", "diarize")],
)
def test_an_unknown_field_suggests_the_nearest(sent: str, near: str) -> None:
    text = message({"audio_url": URL, sent: 1})
    assert repr(sent) in text
    assert f"did you mean {near}?" in text


def test_an_unknown_field_without_a_near_one_lists_all() -> None:
    text = message({"audio_url": URL, "zzzzzz": SECRET})
    assert all(field.name in text for field in FIELDS)


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("num_speakers", 0, "0"),
        ("num_speakers", "two", "'two'"),
        ("num_speakers", True, "true"),
        ("num_speakers", 2.0, "2.0"),
        ("min_speakers", 51, "51"),
        ("max_speakers", -1, "-1"),
        ("max_speakers", 10**400, "a huge number"),
        ("diarize", "yes", "'yes'"),
        ("diarize", 1, "1"),
        ("attention", "Full", "'Full'"),
        ("attention", [], "a list"),
        ("channels", "stereo", "'stereo'"),
        ("channels", 2, "2"),
        ("channels", True, "true"),
        ("channels", ["separate"], "a list"),
        ("language", "EN", "'EN'"),
        ("language", "ja", "'ja'"),
        ("language", "", "''"),
        ("language", ["en", "de"], "a list"),
        ("timestamps", "words", "'words'"),
        ("timestamps", ["word", 3], "3"),
        ("timestamps", {"word": True}, "an object"),
        ("start", -0.5, "-0.5"),
        ("start", "5", "'5'"),
        ("start", True, "true"),
        ("end", float("nan"), "nan"),
        ("end", float("inf"), "inf"),
        ("end", 10**400, "a huge number"),
    ],
)
def test_a_wrong_value_is_named_with_its_field(field: str, value: object, shown: str) -> None:
    text = message({"audio_url": URL, field: value})
    assert text.startswith(f"{field} must be")
    assert text.endswith(f"not {shown}.")


def test_a_number_that_python_refuses_to_print_is_refused() -> None:
    assert "a huge number" in message({"audio_url": URL, "max_speakers": 10**5000})
    assert "a huge number" in message({"audio_url": URL, "end": 10**5000})


def test_counts_of_speakers_that_contradict_each_other_are_refused() -> None:
    assert "excludes min_speakers" in message(
        {"audio_url": URL, "num_speakers": 2, "min_speakers": 1}
    )
    assert "3 and 2 came" in message({"audio_url": URL, "min_speakers": 3, "max_speakers": 2})
    assert "diarize" in message({"audio_url": URL, "diarize": False, "max_speakers": 2})
    assert options(min_speakers=2, max_speakers=2).max_speakers == 2


def test_language_and_channels_are_read() -> None:
    assert options(language="mt").language == "mt"
    assert options(channels="separate", diarize=False).channels == "separate"
    assert {options(language=code).language for code in LANGUAGES} == set(LANGUAGES)
    assert len(LANGUAGES) == 25


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_speakers", 2),
        ("min_speakers", 1),
        ("max_speakers", 3),
        ("diarizer", "sortformer"),
        ("speaker_embeddings", True),
        ("known_speakers", [{"name": "Anna", "voiceprint": [1.0, 0.5]}]),
    ],
)
def test_separate_channels_exclude_what_tells_speakers_apart(field: str, value: object) -> None:
    text = message({"audio_url": URL, "channels": "separate", field: value})
    assert text.startswith(f"{field} is not used where channels is separate")
    assert options(channels="mix", **{field: value}).channels == "mix"


def test_hotwords_are_read() -> None:
    assert options(hotwords="  Anna   Lang ").hotwords == ("Anna Lang",)
    assert options(hotwords=["Anna", "SAP", " Anna"]).hotwords == ("Anna", "SAP")
    assert options(hotwords=["x" * 100]).hotwords == ("x" * 100,)
    assert len(options(hotwords=[str(number) for number in range(100)]).hotwords) == 100


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], "hotwords must be a list of 1 to 100; 0 came"),
        ([str(number) for number in range(101)], "hotwords must be a list of 1 to 100; 101 came"),
        (7, "not 7"),
        (True, "not true"),
        ({"Anna": 2}, "not an object"),
        ("  ", "hotwords[0] must not be empty"),
        (["Anna", ""], "hotwords[1] must not be empty"),
        (["Anna", 7], "hotwords[1] must be text, not 7"),
        (["Anna", ["Lang"]], "hotwords[1] must be text, not a list"),
        (["Anna", None], "hotwords[1] must be text"),
        (["x" * 101], "hotwords[0] must be printable text of at most 100 characters; 101 came"),
        (["An\x00na"], "hotwords[0] must be printable"),
        (["\ud800"], "hotwords[0] must be valid Unicode"),
    ],
)
def test_hotwords_that_are_no_phrases_are_refused(value: object, told: str) -> None:
    assert told in message({"audio_url": URL, "hotwords": value})


def test_an_end_that_is_not_after_the_start_is_refused() -> None:
    assert "end must be greater" in message({"audio_url": URL, "start": 5, "end": 5})
    assert "end must be greater" in message({"audio_url": URL, "end": 0})


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a",
        "file:///etc/passwd",
        "example.com/a.mp3",
        "https://",
        "https:///a",
        "http://[::1/a",
        "http://example.com:99999/",
        "http://example.com:0/",
        f"https://user:{SECRET}@example.com/",
        "https://example.com/a\r\nX: y",
        "s3://bucket/key",
        "",
        "  ",
        "https://example.com/\ud800",
    ],
)
def test_a_url_that_is_not_http_is_refused(url: str) -> None:
    assert message({"audio_url": url}).startswith("audio_url must")


@pytest.mark.parametrize("field", ["audio_url", "audio_base64", "s3_key", "s3_bucket"])
@pytest.mark.parametrize("value", [1, True, [URL], {"url": URL}])
def test_a_source_that_is_not_text_is_refused_without_showing_it(field: str, value: object) -> None:
    assert f"{field} must be text" in message({field: value})


def test_a_long_wrong_value_is_shortened() -> None:
    text = message({"audio_url": URL, "attention": "x" * 10_000})
    assert "(shortened)" in text
    assert len(text) < 300


def test_a_url_in_the_wrong_place_does_not_show_its_signature() -> None:
    for value in (URL, "a?X-Amz-Signature=" + SECRET):
        message({"audio_url": URL, "attention": value})
        message({"audio_url": URL, value: 1})


def reference(value: object) -> Reference | None:
    return parse_request({"audio_url": URL, "reference": value}).reference


def test_a_reference_is_text_or_a_file_of_a_format() -> None:
    assert reference("Hello there.") == Reference("text", "Hello there.")
    assert reference({"stm": "a 1 B 0 1 hello"}) == Reference("stm", "a 1 B 0 1 hello")
    segments = [{"words": "hello", "speaker": "B"}]
    assert reference({"seglst": segments}) == Reference("seglst", json.dumps(segments))
    assert reference({"seglst": json.dumps(segments)}) == reference({"seglst": segments})


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (3, "reference must be text, or an object with one of text, stm"),
        ([], "reference must be text"),
        ({}, "reference must be text"),
        ({"srt": "1"}, "reference must be text"),
        ({"text": "a", "stm": "b"}, "reference must be text"),
        ("  ", "reference.text must not be empty"),
        ({"stm": 3}, "reference.stm must be text"),
        ({"text": "x" * (MAX_REFERENCE_CHARACTERS + 1)}, "reference.text must have at most"),
        ({"stm": "a 1 B 0 1 x\na 1 B 0"}, "reference.stm, line 2, must hold recording, channel"),
        ({"stm": "a 1 B 0 x y"}, "reference.stm, line 1, must have its end in seconds"),
        ({"stm": "a 1 B 2 1 y"}, "ends before it starts: 2 s and 1 s came"),
        ({"stm": "a 1 B 0 1 x\nb 1 B 0 1 y"}, "reference.stm must be of one recording"),
        ({"ctm": "a 1 0.5 hello"}, "reference.ctm, line 1, must hold recording, channel, start"),
        ({"ctm": "a 1 -1 0.5 hello"}, "must have its start in seconds, 0 or more"),
        ({"rttm": "a 1 B 0 1 hello"}, "reference.rttm, line 1, must begin with a type of RTTM"),
        ({"rttm": "SPEAKER a 1 nan 1 <NA> <NA> B"}, "must have its start in seconds"),
        ({"seglst": "[{]"}, "reference.seglst must be a list of segments in JSON; no JSON came"),
        ({"seglst": "[" * 100_000}, "reference.seglst must be a list of segments in JSON"),
        ({"seglst": "{}"}, "reference.seglst must be a list of segments in JSON; something else"),
        ({"seglst": [10**5000]}, "reference.seglst must be a list of segments"),
        ({"seglst": [{"speaker": "B"}]}, "reference.seglst[0] must be an object whose words are"),
        ({"seglst": [{"words": "a", "start_time": 1}]}, "needs both start_time and end_time"),
        ({"seglst": [{"words": "a", "start_time": True, "end_time": 1}]}, "must have its start"),
    ],
)
def test_a_reference_that_cannot_be_read_is_refused_before_the_recording_is_fetched(
    value: object, told: str
) -> None:
    assert told in message({"audio_url": URL, "reference": value})


def test_the_table_documents_exactly_the_options_of_the_types() -> None:
    documented = {field.name for field in (*OPTIONS, *PRESENTATION)}
    known = {field.name.removesuffix("_s") for field in dataclasses.fields(Options)}
    beside = {field.name for field in dataclasses.fields(Request)}
    shown = {field.name for field in dataclasses.fields(Presentation)}
    assert documented == known | shown | beside - {"source", "options", "presentation"}
    assert all(field.type and field.description for field in FIELDS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NAMES = st.sampled_from([name for field in FIELDS for name in (field.name, *field.aliases)])
LIKELY = st.sampled_from([URL, "word", "auto", "QUJD", 1, 2, 0.5, True, False, None, ["char"]])


@given(JSON | st.dictionaries(NAMES | st.text(max_size=12), LIKELY | JSON, max_size=6))
def test_anything_is_either_read_or_refused(raw: object) -> None:
    try:
        request = parse_request(raw)
    except RequestError as error:
        assert len(error.message) < 500
    else:
        assert request.options.end_s is None or request.options.end_s > request.options.start_s


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "timestamps": st.lists(st.sampled_from(["word", "segment", "char"])),
            "min_speakers": st.integers(1, 9),
            "max_speakers": st.integers(9, MAX_SPEAKERS),
            "attention": st.sampled_from(["auto", "full", "local"]),
            "start": st.floats(0, 99),
            "end": st.floats(100, 1e9),
        },
    )
)
def test_what_was_sent_is_what_is_read(sent: dict[str, object]) -> None:
    read = options(**json.loads(json.dumps(sent)))
    assert set(read.timestamps) == set(sent.get("timestamps", Options().timestamps))  # type: ignore[call-overload]  # the values' types differ
    assert read.min_speakers == sent.get("min_speakers")
    assert read.max_speakers == sent.get("max_speakers")
    assert read.attention == sent.get("attention", "auto")
    assert (read.start_s, read.end_s) == (sent.get("start", 0.0), sent.get("end"))
