"""The request's rules: ``job["input"]`` in; a ``Request`` or a ``RequestError`` out.

utils/request_table.py is the whole list of fields.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import cast

from speech.errors import RequestError
from speech.request import (
    AttentionChoice,
    Base64Source,
    ChannelsChoice,
    DiarizerChoice,
    KnownSpeaker,
    Options,
    Reference,
    Request,
    S3Source,
    Source,
    TimestampLevel,
    UrlSource,
)
from utils.request_fields import SORTFORMER_SPEAKERS, shown
from utils.request_table import FIELDS, SOURCES

_COUNTS = ("num_speakers", "min_speakers", "max_speakers")
_OF_THE_DIARIZER = ("diarizer", "known_speakers", "speaker_embeddings")
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
    options = _options(values)
    known = cast(tuple[KnownSpeaker, ...], values.get("known_speakers", ()))
    _check_combination(values, options)
    return Request(
        source=_source(values),
        options=options,
        known_speakers=known,
        reference=cast(Reference | None, values.get("reference")),
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
        diarizer=cast(DiarizerChoice, values.get("diarizer", defaults.diarizer)),
        speaker_embeddings=cast(bool, values.get("speaker_embeddings", False)),
        channels=cast(ChannelsChoice, values.get("channels", defaults.channels)),
        attention=cast(AttentionChoice, values.get("attention", defaults.attention)),
        hotwords=cast(tuple[str, ...], values.get("hotwords", ())),
        language=cast(str | None, values.get("language")),
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


def _check_combination(values: Mapping[str, object], options: Options) -> None:
    """What belongs to the diarizer needs one that can do it."""
    given = [name for name in _OF_THE_DIARIZER if values.get(name) not in (None, False)]
    if given and not options.diarize:
        raise RequestError(f"{given[0]} needs diarize to be true, and diarize is false.")
    if options.channels == "separate":
        given += [name for name in _COUNTS if name in values]
        if given:
            raise RequestError(
                f"{given[0]} is not used where channels is separate: speakers are the channels. "
                "Send one or the other."
            )
    if options.diarizer == "sortformer":
        _check_sortformer(values)


def _check_sortformer(values: Mapping[str, object]) -> None:
    for name in ("known_speakers", "speaker_embeddings"):
        if values.get(name):
            raise RequestError(
                f"{name} needs voiceprints, which diarizer sortformer does not have; take "
                "pyannote or auto."
            )
    for name in ("num_speakers", "min_speakers"):
        count = values.get(name)
        if isinstance(count, int) and count > SORTFORMER_SPEAKERS:
            raise RequestError(
                f"{name} must be at most {SORTFORMER_SPEAKERS} with diarizer sortformer, and "
                f"{count} came; take pyannote."
            )


def _unknown_field(name: object, known: list[str]) -> str:
    near = difflib.get_close_matches(str(name)[:_NAME_CHARACTERS], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known fields are {', '.join(known)}."
    return f"Unknown field {shown(name)}; {hint}"
