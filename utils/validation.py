"""The request's rules: ``job["input"]`` in; a ``Request`` or a ``RequestError`` out.

``SOURCES`` and ``OPTIONS`` are the whole list of fields; the README's tables come from them.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import cast

from speech.errors import RequestError
from speech.types import (
    AttentionChoice,
    Base64Source,
    Options,
    Request,
    S3Source,
    Source,
    TimestampLevel,
    UrlSource,
)
from utils.request_fields import (
    ATTENTIONS,
    MAX_SPEAKERS,
    Field,
    read_attention,
    read_base64,
    read_count,
    read_flag,
    read_seconds,
    read_text,
    read_timestamps,
    read_url,
    shown,
)

_NAME_CHARACTERS = 60
"""difflib takes long over long texts, and no field's name is longer."""


def parse_request(raw: object) -> Request:
    """Read a job's input.

    Args:
        raw: Whatever the caller sent, as JSON decoded it.

    Raises:
        RequestError: The message names the field, what came, and what is allowed.
    """
    if not isinstance(raw, Mapping):
        raise RequestError(f"The input must be a JSON object, not {shown(raw)}.")
    values = _read_fields(raw)
    return Request(source=_source(values), options=_options(values))


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


def _source(values: Mapping[str, object]) -> Source:
    sources = [field.name for field in SOURCES if field.name != "s3_bucket"]
    given = [name for name in sources if name in values]
    if len(given) != 1:
        came = " and ".join(given) if given else "none"
        raise RequestError(f"Exactly one of {', '.join(sources)} is needed; {came} came.")
    if "s3_bucket" in values and given != ["s3_key"]:
        raise RequestError(f"s3_bucket is only allowed together with s3_key; {given[0]} came.")
    value = str(values[given[0]])
    if given == ["audio_base64"]:
        return Base64Source(data=value)
    if given == ["audio_url"]:
        return UrlSource(url=value)
    return S3Source(key=value, bucket=cast(str | None, values.get("s3_bucket")))


def _options(values: Mapping[str, object]) -> Options:
    defaults = Options()
    options = Options(
        timestamps=cast(tuple[TimestampLevel, ...], values.get("timestamps", defaults.timestamps)),
        diarize=cast(bool, values.get("diarize", defaults.diarize)),
        num_speakers=cast(int | None, values.get("num_speakers")),
        min_speakers=cast(int | None, values.get("min_speakers")),
        max_speakers=cast(int | None, values.get("max_speakers")),
        attention=cast(AttentionChoice, values.get("attention", defaults.attention)),
        start_s=cast(float, values.get("start", defaults.start_s)),
        end_s=cast(float | None, values.get("end")),
    )
    _check_speakers(options)
    if options.end_s is not None and options.end_s <= options.start_s:
        raise RequestError(
            f"end must be greater than start; start is {options.start_s:g} s and "
            f"end is {options.end_s:g} s."
        )
    return options


def _check_speakers(options: Options) -> None:
    counts = {
        "num_speakers": options.num_speakers,
        "min_speakers": options.min_speakers,
        "max_speakers": options.max_speakers,
    }
    given = [name for name, count in counts.items() if count is not None]
    if given and not options.diarize:
        raise RequestError(f"{given[0]} needs diarize to be true, and diarize is false.")
    if options.num_speakers is not None and len(given) > 1:
        raise RequestError(
            f"num_speakers is the exact number and excludes {given[1]}; send one or the other."
        )
    low, high = options.min_speakers, options.max_speakers
    if low is not None and high is not None and low > high:
        raise RequestError(
            f"min_speakers must not be greater than max_speakers; {low} and {high} came."
        )


def _unknown_field(name: object, known: list[str]) -> str:
    near = difflib.get_close_matches(str(name)[:_NAME_CHARACTERS], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known fields are {', '.join(known)}."
    return f"Unknown field {shown(name)}; {hint}"


# ---------------------------------------------------------------- the table

_COUNT_BOUNDS = f"1 to {MAX_SPEAKERS}"

SOURCES: tuple[Field, ...] = (
    Field(
        name="audio_base64",
        type="string",
        default="",
        bounds="10 MB a request on /run, 20 MB on /runsync",
        description="The recording itself, as base64 or as a base64 data URI.",
        read=read_base64,
    ),
    Field(
        name="audio_url",
        aliases=("audio",),
        type="string",
        default="",
        bounds="http or https; public addresses only",
        description="Where to download the recording, usually a presigned S3 URL.",
        read=read_url,
    ),
    Field(
        name="s3_key",
        type="string",
        default="",
        bounds="",
        description="The recording's key in an S3 bucket that the worker has credentials for.",
        read=read_text,
    ),
    Field(
        name="s3_bucket",
        type="string",
        default="S3_BUCKET of the worker",
        bounds="with s3_key only",
        description="The bucket of s3_key.",
        read=read_text,
    ),
)

OPTIONS: tuple[Field, ...] = (
    Field(
        name="timestamps",
        aliases=("timestamp",),
        type="boolean, string or list of strings",
        default="true",
        bounds="word, segment, char",
        description="Which times to return: true means word and segment, false means none.",
        read=read_timestamps,
    ),
    Field(
        name="diarize",
        type="boolean",
        default="true",
        bounds="",
        description="Whether to say who spoke.",
        read=read_flag,
    ),
    Field(
        name="num_speakers",
        type="integer",
        default="found out",
        bounds=f"{_COUNT_BOUNDS}; excludes min_speakers and max_speakers",
        description="The exact number of speakers, where it is known.",
        read=read_count,
    ),
    Field(
        name="min_speakers",
        type="integer",
        default="none",
        bounds=_COUNT_BOUNDS,
        description="The least number of speakers.",
        read=read_count,
    ),
    Field(
        name="max_speakers",
        type="integer",
        default="none",
        bounds=f"{_COUNT_BOUNDS}; not below min_speakers",
        description="The greatest number of speakers.",
        read=read_count,
    ),
    Field(
        name="attention",
        type="string",
        default="auto",
        bounds=", ".join(ATTENTIONS),
        description="The speech model's attention: full is the most accurate, local takes "
        "long recordings; auto takes full up to 24 minutes and local beyond.",
        read=read_attention,
    ),
    Field(
        name="start",
        type="number",
        default="0",
        bounds="seconds, 0 or more",
        description="Where to begin in the recording. Times in the answer still count from the "
        "recording's own beginning.",
        read=read_seconds,
    ),
    Field(
        name="end",
        type="number",
        default="the recording's end",
        bounds="seconds, greater than start",
        description="Where to stop in the recording.",
        read=read_seconds,
    ),
)

FIELDS: tuple[Field, ...] = SOURCES + OPTIONS
