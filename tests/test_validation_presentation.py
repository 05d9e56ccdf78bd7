"""What is asked for the form of the answer, and where it goes."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from speech.request import (
    EarlierResult,
    FileFormat,
    Options,
    Presentation,
    Request,
    S3Target,
    Shape,
    SubtitleRules,
    UrlSource,
    UrlTarget,
    Webhook,
)
from tests.test_validation import URL, message
from utils.validation import parse_request


def request(**fields: object) -> Request:
    return parse_request({"audio_url": URL, **fields})


def test_nothing_asked_for_is_the_default() -> None:
    assert request() == Request(UrlSource(URL), Options())
    assert request().presentation == Presentation()


@pytest.mark.parametrize("format_", get_args(FileFormat))
def test_each_format_can_be_asked_for(format_: str) -> None:
    assert request(formats=[format_]).presentation.formats == (format_,)
    assert request(formats=format_).presentation.formats == (format_,)


def test_a_format_comes_once_in_the_order_asked_for() -> None:
    assert request(formats=["vtt", "srt", "vtt"]).presentation.formats == ("vtt", "srt")


@pytest.mark.parametrize("shape", get_args(Shape))
def test_each_shape_can_be_asked_for(shape: str) -> None:
    assert request(response_format=shape).presentation.response_format == shape


def test_rules_names_and_keys_are_read() -> None:
    presentation = request(
        include=["text", "timestamps.word"],
        exclude="speakers",
        subtitles={"max_lines": 1, "max_chars_per_s": 20, "highlight_words": True},
        speaker_names={"SPEAKER_00": " Anna "},
    ).presentation
    assert presentation == Presentation(
        include=("text", "timestamps.word"),
        exclude=("speakers",),
        subtitles=SubtitleRules(max_lines=1, max_chars_per_s=20.0, highlight_words=True),
        speaker_names={"SPEAKER_00": "Anna"},
    )


def test_where_results_go_is_read() -> None:
    assert request(output={"url": URL}).output == UrlTarget(URL)
    assert request(output={"s3_key": "a/b.json"}).output == S3Target("a/b.json")
    target = S3Target("a/b.json", "b")
    assert request(output={"s3_key": "a/b.json", "s3_bucket": "b"}).output == target
    assert request(webhook=URL).webhook == Webhook(URL, None)
    hook = {"url": URL, "secret": "s", "progress": True}
    assert request(webhook=hook).webhook == Webhook(URL, "s", progress=True)
    assert request(stream=True).options.stream


def test_an_earlier_result_takes_the_recordings_place() -> None:
    read = parse_request({"transcript": {"text": "Yes."}, "num_speakers": 2, "formats": ["srt"]})
    assert read.source == EarlierResult({"text": "Yes."})
    assert "Exactly one of" in message({"transcript": {}, "audio_url": URL})
    for field, value in (("hotwords", ["a"]), ("start", 1), ("reference", "a"), ("stream", True)):
        assert f"{field} needs the recording" in message({"transcript": {}, field: value})
    assert "JSON object" in message({"transcript": "text"})


def test_the_faster_whisper_workers_inputs_are_understood() -> None:
    assert request(word_timestamps=True).options.timestamps == ("word", "segment")
    assert request(word_timestamps=False).options.timestamps == ("segment",)
    for theirs, ours in (
        *(("plain_text", ()), ("formatted_text", ("txt",))),
        *(("srt", ("srt",)), ("vtt", ("vtt",))),
    ):
        assert request(transcription=theirs).presentation.formats == ours
    assert "transcription must be one of" in message({"audio": URL, "transcription": "html"})
    assert "true or false" in message({"audio": URL, "word_timestamps": "yes"})


def test_a_given_recording_excludes_others() -> None:
    given = UrlSource(URL)
    assert parse_request({"language": "de"}, given).source == given
    with pytest.raises(Exception, match="audio_url came"):
        parse_request({"audio_url": URL}, given)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"formats": ["srt", "doc"]}, "'doc' came"),
        ({"formats": [5]}, "5 came"),
        ({"formats": {}}, "an object came"),
        ({"response_format": "json"}, "response_format must be one of"),
        ({"include": ["Text"]}, "keys of the answer"),
        ({"include": ["a"] * 101}, "at most 100"),
        ({"include": ["tekst"]}, "did you mean text?"),
        ({"exclude": ["timestamps.sentence"]}, "'timestamps.sentence'"),
        ({"include": ["timestamps"], "response_format": "whisperx"}, "the shape whisperx"),
        ({"exclude": [5]}, "5 came"),
        ({"subtitles": {"max_line": 1}}, "'max_line' came"),
        ({"subtitles": {"max_lines": "2"}}, "subtitles.max_lines must be a whole number"),
        ({"subtitles": {"max_lines": 1.5}}, "subtitles.max_lines must be a whole number"),
        ({"subtitles": {"max_lines": True}}, "subtitles.max_lines must be a whole number"),
        ({"subtitles": {"min_gap_s": float("nan")}}, "subtitles.min_gap_s must be"),
        ({"subtitles": {"min_gap_s": -1}}, "subtitles.min_gap_s must be"),
        ({"subtitles": {"highlight_words": 1}}, "subtitles.highlight_words must be true or false"),
        ({"subtitles": {"min_duration_s": 8}}, "subtitles cannot be kept"),
        ({"subtitles": {"max_lines": 0}}, "subtitles.max_lines must be from 1 to 4, not 0"),
        ({"subtitles": []}, "subtitles must be an object"),
        ({"speaker_names": {"A": ""}}, "must not be empty"),
        ({"speaker_names": {"A": "a\nb"}}, "printable"),
        ({"speaker_names": {"A": "x", "B": "x"}}, "num_speakers"),
        ({"speaker_names": ["A"]}, "speaker_names must be an object"),
        ({"output": {}}, "output needs either url or s3_key; none came"),
        ({"output": {"url": URL, "s3_key": "k"}}, "url and s3_key came"),
        ({"output": {"url": "ftp://x/y"}}, "output.url must begin with https://"),
        ({"output": {"url": URL, "s3_bucket": "b"}}, "only allowed together with s3_key"),
        ({"output": {"s3_key": "folder/"}}, "slash"),
        ({"output": {"s3_key": "k", "acl": "public"}}, "'acl' came"),
        ({"output": URL}, "output must be an object"),
        ({"webhook": {"secret": "s"}}, "webhook.url must be text"),
        ({"webhook": {"url": URL, "secret": 5}}, "webhook.secret must be text"),
        ({"webhook": {"url": URL, "progress": "yes"}}, "webhook.progress must be true or false"),
        ({"webhook": "file:///etc/passwd"}, "webhook must begin with https://"),
        ({"stream": "yes"}, "stream must be true or false"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, object], told: str) -> None:
    assert told in message({"audio_url": URL, **fields})


def test_each_rule_can_be_given() -> None:
    for field in dataclasses.fields(SubtitleRules):
        default = getattr(SubtitleRules(), field.name)
        value = not default if isinstance(default, bool) else default * 1
        rules = request(subtitles={field.name: value}).presentation.subtitles
        assert getattr(rules, field.name) == value
