"""The request's rules: ``job["input"]`` in; a ``Request`` or a ``RequestError`` out.

utils/request_table.py is the whole list of fields.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import cast

from speech import selection
from speech.errors import RequestError
from speech.request import (
    AttentionChoice,
    Base64Source,
    ChannelsChoice,
    DiarizerChoice,
    EarlierResult,
    FileFormat,
    KnownSpeaker,
    Options,
    Presentation,
    Reference,
    Request,
    S3Source,
    Shape,
    Source,
    SubtitleRules,
    Target,
    TimestampLevel,
    UrlSource,
    Webhook,
)
from utils import request_checks
from utils.request_fields import shown
from utils.request_table import FIELDS, SOURCES

_NAME_CHARACTERS = 60
"""difflib takes long over long texts, and no field's name is longer."""


def parse_request(raw: object, source: Source | None = None) -> Request:
    """Read a job's input.

    Args:
        raw: Whatever the caller sent, as JSON decoded it.
        source: A recording that is known otherwise: the input must not name one then.

    Raises:
        RequestError: The message names the field, what came, and what is allowed.
    """
    if not isinstance(raw, Mapping):
        raise RequestError(f"The input must be a JSON object, not {shown(raw)}.")
    values = _read_fields(raw)
    found = _source(values) if source is None else _given(source, values)
    options = _options(values)
    request_checks.check(values, options)
    return Request(
        source=found,
        options=options,
        known_speakers=cast(tuple[KnownSpeaker, ...], values.get("known_speakers", ())),
        reference=cast(Reference | None, values.get("reference")),
        presentation=_presentation(values),
        output=cast(Target | None, values.get("output")),
        webhook=cast(Webhook | None, values.get("webhook")),
    )


def _read_fields(raw: Mapping[object, object]) -> dict[str, object]:
    """Give each field that was sent by its first name; null means that it was not sent."""
    by_name = {name: field for field in FIELDS for name in (field.name, *field.aliases)}
    for name in raw:
        if name not in by_name:
            raise RequestError(_unknown_field(name, list(by_name)))
    values: dict[str, object] = {}
    used: dict[str, str] = {}
    for given, value in raw.items():
        if value is None:
            continue
        name = str(given)
        field = by_name[name]
        if field.name in values:
            raise RequestError(
                f"{used[field.name]} and {name} are two names of one field; send only one of them."
            )
        values[field.name] = field.read(name, value)
        used[field.name] = name
    return values


def _given(source: Source, values: Mapping[str, object]) -> Source:
    named = [field.name for field in SOURCES if field.name in values]
    if named:
        raise RequestError(f"{named[0]} came, but the recording is given already.")
    return source


def _source(values: Mapping[str, object]) -> Source | EarlierResult:
    sources = [field.name for field in SOURCES if field.name != "s3_bucket"]
    given = [name for name in sources if name in values]
    if len(given) != 1:
        came = " and ".join(given) if given else "none"
        raise RequestError(f"Exactly one of {', '.join(sources)} is needed; {came} came.")
    if "s3_bucket" in values and given != ["s3_key"]:
        raise RequestError(f"s3_bucket is only allowed together with s3_key; {given[0]} came.")
    if given == ["transcript"]:
        return cast(EarlierResult, values["transcript"])
    value = str(values[given[0]])
    if given == ["audio_base64"]:
        return Base64Source(data=value)
    if given == ["audio_url"]:
        return UrlSource(url=value)
    return S3Source(key=value, bucket=cast(str | None, values.get("s3_bucket")))


def _options(values: Mapping[str, object]) -> Options:
    defaults = Options()
    return Options(
        timestamps=cast(tuple[TimestampLevel, ...], values.get("timestamps", defaults.timestamps)),
        diarize=cast(bool, values.get("diarize", defaults.diarize)),
        num_speakers=cast(int | None, values.get("num_speakers")),
        min_speakers=cast(int | None, values.get("min_speakers")),
        max_speakers=cast(int | None, values.get("max_speakers")),
        diarizer=cast(DiarizerChoice, values.get("diarizer", defaults.diarizer)),
        speaker_embeddings=cast(bool, values.get("speaker_embeddings", False)),
        channels=cast(ChannelsChoice, values.get("channels", defaults.channels)),
        attention=cast(AttentionChoice, values.get("attention", defaults.attention)),
        hotwords=cast(tuple[str, ...], values.get("hotwords", ())),
        language=cast(str | None, values.get("language")),
        start_s=cast(float, values.get("start", defaults.start_s)),
        end_s=cast(float | None, values.get("end")),
        stream=cast(bool, values.get("stream", defaults.stream)),
    )


def _presentation(values: Mapping[str, object]) -> Presentation:
    defaults = Presentation()
    presentation = Presentation(
        formats=cast(tuple[FileFormat, ...], values.get("formats", ())),
        response_format=cast(Shape, values.get("response_format", defaults.response_format)),
        include=cast(tuple[str, ...], values.get("include", ())),
        exclude=cast(tuple[str, ...], values.get("exclude", ())),
        subtitles=cast(SubtitleRules, values.get("subtitles", defaults.subtitles)),
        speaker_names=cast(Mapping[str, str], values.get("speaker_names", {})),
    )
    for name in ("include", "exclude"):
        paths: tuple[str, ...] = getattr(presentation, name)
        unknown = selection.unknown(paths, presentation.response_format)
        if unknown is not None:
            raise RequestError(_unknown_key(name, unknown, presentation.response_format))
    return presentation


def _unknown_key(name: str, path: str, shape: Shape) -> str:
    known = selection.known_paths(shape)
    near = difflib.get_close_matches(path[:_NAME_CHARACTERS], known, n=1)
    keys = ", ".join(key for key in known if "." not in key)
    hint = f"did you mean {near[0]}?" if near else f"it has {keys}."
    return f"{name}: an answer in the shape {shape} has no {shown(path)}; {hint}"


def _unknown_field(name: object, known: list[str]) -> str:
    near = difflib.get_close_matches(str(name)[:_NAME_CHARACTERS], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known fields are {', '.join(known)}."
    return f"Unknown field {shown(name)}; {hint}"
