"""How the request's fields that hold more than one value are read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import get_args

from speech import references
from speech.errors import RequestError
from speech.request import (
    Base64Source,
    KnownSpeaker,
    Reference,
    ReferenceFormat,
    S3Source,
    Source,
    UrlSource,
)
from utils.request_fields import read_base64, read_text, read_url, shown

MAX_HOTWORDS = 100
MAX_HOTWORD_CHARACTERS = 100
MAX_KNOWN_SPEAKERS = 20
MAX_SAMPLES = 5
MAX_NAME_CHARACTERS = 100
MAX_VOICEPRINT = 1024
MAX_REFERENCE_CHARACTERS = 4_000_000
REFERENCES: tuple[ReferenceFormat, ...] = get_args(ReferenceFormat)
_OUR_NAMES = re.compile(r"(SPEAKER|CHANNEL)_\d+", re.IGNORECASE)
_SAMPLE_FIELDS = ("audio_url", "audio_base64", "s3_key")


def read_hotwords(name: str, value: object) -> tuple[str, ...]:
    """Take phrases, each once; one alone may come without a list."""
    phrases = [value] if isinstance(value, str) else _list(name, value, MAX_HOTWORDS)
    taken: dict[str, None] = {}
    for number, phrase in enumerate(phrases):
        text = " ".join(read_text(f"{name}[{number}]", phrase).split())
        if len(text) > MAX_HOTWORD_CHARACTERS or not text.isprintable():
            raise RequestError(
                f"{name}[{number}] must be printable text of at most {MAX_HOTWORD_CHARACTERS} "
                f"characters; {len(text)} came."
            )
        taken[text] = None
    return tuple(taken)


def read_known_speakers(name: str, value: object) -> tuple[KnownSpeaker, ...]:
    """Take people with their voices."""
    speakers = [
        _known_speaker(f"{name}[{number}]", item)
        for number, item in enumerate(_list(name, value, MAX_KNOWN_SPEAKERS))
    ]
    names = [speaker.name for speaker in speakers]
    twice = [who for who in names if names.count(who) > 1]
    if twice:
        raise RequestError(f"{name} must name each person once; {shown(twice[0])} came twice.")
    return tuple(speakers)


def read_reference(name: str, value: object) -> Reference:
    """Take the true text, or a file's content under its format's name."""
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, Mapping) or len(value) != 1 or next(iter(value)) not in REFERENCES:
        raise RequestError(
            f"{name} must be text, or an object with one of {', '.join(REFERENCES)}, not "
            f"{shown(value)}."
        )
    ((format_, content),) = value.items()
    if format_ == "seglst" and isinstance(content, list):
        content = _dumped(f"{name}.{format_}", content)
    text = read_text(f"{name}.{format_}", content)
    if len(text) > MAX_REFERENCE_CHARACTERS:
        raise RequestError(
            f"{name}.{format_} must have at most {MAX_REFERENCE_CHARACTERS} characters; "
            f"{len(text)} came."
        )
    reference = Reference(format=format_, content=text)
    references.parse(reference, f"{name}.{format_}")  # told before the recording is heard
    return reference


def _dumped(name: str, content: Sequence[object]) -> str:
    try:
        return json.dumps(content)
    except (ValueError, RecursionError):  # numbers of any length, lists in lists without end
        raise RequestError(f"{name} must be a list of segments.") from None


def _known_speaker(name: str, value: object) -> KnownSpeaker:
    if not isinstance(value, Mapping):
        raise RequestError(f"{name} must be an object with a name, not {shown(value)}.")
    allowed = ("name", "samples", "voiceprint")
    for key in value:
        if key not in allowed:
            raise RequestError(f"{name} has {', '.join(allowed)}; {shown(key)} came.")
    who = read_text(f"{name}.name", value.get("name")).strip()
    if len(who) > MAX_NAME_CHARACTERS or not who.isprintable() or _OUR_NAMES.fullmatch(who):
        raise RequestError(
            f"{name}.name must be printable, of at most {MAX_NAME_CHARACTERS} characters, and "
            f"unlike the names of strangers (SPEAKER_00); {shown(who)} came."
        )
    samples, voiceprint = value.get("samples"), value.get("voiceprint")
    if (samples is None) == (voiceprint is None):
        came = "neither" if samples is None else "both"
        raise RequestError(f"{name} needs either samples or a voiceprint; {came} came.")
    if voiceprint is not None:
        return KnownSpeaker(who, (), _voiceprint(f"{name}.voiceprint", voiceprint))
    sources = _list(f"{name}.samples", samples, MAX_SAMPLES)
    read = (_sample(f"{name}.samples[{n}]", item) for n, item in enumerate(sources))
    return KnownSpeaker(who, tuple(read), None)


def _sample(name: str, value: object) -> Source:
    if not isinstance(value, Mapping):
        raise RequestError(
            f"{name} must be an object with one of {', '.join(_SAMPLE_FIELDS)}, not {shown(value)}."
        )
    for key in value:
        if key not in (*_SAMPLE_FIELDS, "s3_bucket"):
            raise RequestError(f"{name} has {', '.join(_SAMPLE_FIELDS)}; {shown(key)} came.")
    given = [field for field in _SAMPLE_FIELDS if value.get(field) is not None]
    if len(given) != 1:
        raise RequestError(
            f"{name} needs exactly one of {', '.join(_SAMPLE_FIELDS)}; {len(given)} came."
        )
    field, bucket = given[0], value.get("s3_bucket")
    if bucket is not None and field != "s3_key":
        raise RequestError(f"{name}.s3_bucket is only allowed together with s3_key.")
    if field == "audio_url":
        return UrlSource(read_url(f"{name}.{field}", value[field]))
    if field == "audio_base64":
        return Base64Source(read_base64(f"{name}.{field}", value[field]))
    return S3Source(
        key=read_text(f"{name}.{field}", value[field]),
        bucket=None if bucket is None else read_text(f"{name}.s3_bucket", bucket),
    )


def _voiceprint(name: str, value: object) -> tuple[float, ...]:
    numbers = _list(name, value, MAX_VOICEPRINT)
    floats = []
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise RequestError(f"{name} must hold numbers, not {shown(number)}.")
        try:
            floats.append(float(number))
        except OverflowError:  # JSON's integers have no upper bound
            floats.append(math.inf)
    if not all(map(math.isfinite, floats)) or not any(floats):
        raise RequestError(f"{name} must hold finite numbers that are not all 0.")
    return tuple(floats)


def _list(name: str, value: object, most: int) -> Sequence[object]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= most:
        came = f"{len(value)} came" if isinstance(value, list | tuple) else f"not {shown(value)}"
        raise RequestError(f"{name} must be a list of 1 to {most}; {came}.")
    return value
