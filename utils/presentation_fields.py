"""How the request's fields on the form of the answer, and on where it goes, are read."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import cast, get_args

from speech import subtitle_rules
from speech.errors import RequestError
from speech.request import (
    EarlierResult,
    FileFormat,
    S3Target,
    Shape,
    SubtitleRules,
    Target,
    UrlTarget,
    Webhook,
)
from utils.request_fields import read_flag, read_text, read_url, shown

FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
SHAPES: tuple[Shape, ...] = get_args(Shape)
RULES = tuple(field.name for field in dataclasses.fields(SubtitleRules))
MAX_PATHS = 100
MAX_NAMES = 100
MAX_NAME_CHARACTERS = 100
MAX_KEY_BYTES = 1024
MAX_SECRET_CHARACTERS = 200
TRANSCRIPTIONS: Mapping[str, tuple[FileFormat, ...]] = {
    "plain_text": (),
    "formatted_text": ("txt",),
    "srt": ("srt",),
    "vtt": ("vtt",),
}
"""What RunPod's faster-whisper worker calls a text, and which file it is here."""
PATH = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")


def read_formats(name: str, value: object) -> tuple[FileFormat, ...]:
    """Take formats, each once, in the order in which they came."""
    if name == "transcription":
        if not isinstance(value, str) or value not in TRANSCRIPTIONS:
            raise RequestError(
                f"{name} must be one of {', '.join(TRANSCRIPTIONS)}, not {shown(value)}."
            )
        return TRANSCRIPTIONS[value]
    formats = value if isinstance(value, list | tuple) else [value]
    for format_ in formats:
        if format_ not in FORMATS:
            raise RequestError(
                f"{name} must be a list of some of {', '.join(FORMATS)}; {shown(format_)} came."
            )
    return tuple(dict.fromkeys(cast(list[FileFormat], formats)))


def read_paths(name: str, value: object) -> tuple[str, ...]:
    """Take keys of the answer, such as "text" or "timestamps.word"."""
    paths = value if isinstance(value, list | tuple) else [value]
    if len(paths) > MAX_PATHS:
        raise RequestError(f"{name} must name at most {MAX_PATHS} keys; {len(paths)} came.")
    for path in paths:
        if not isinstance(path, str) or not PATH.fullmatch(path):
            raise RequestError(
                f"{name} must be a list of keys of the answer, such as text or timestamps.word; "
                f"{shown(path)} came."
            )
    return tuple(dict.fromkeys(paths))


def read_rules(name: str, value: object) -> SubtitleRules:
    """Take the rules that are not to be the default."""
    given = _object(name, value, RULES)
    defaults = SubtitleRules()
    read = {
        rule: _rule(f"{name}.{rule}", setting, getattr(defaults, rule))
        for rule, setting in given.items()
    }
    rules = dataclasses.replace(defaults, **read)  # type: ignore[arg-type]  # types are checked
    contradiction = subtitle_rules.contradiction(rules)
    if contradiction:
        raise RequestError(f"{name} cannot be kept: {contradiction}")
    return rules


def read_names(name: str, value: object) -> Mapping[str, str]:
    """Take what speakers are to be called, by their id."""
    given = _object(name, value, None)
    if len(given) > MAX_NAMES:
        raise RequestError(f"{name} must have at most {MAX_NAMES} names; {len(given)} came.")
    names: dict[str, str] = {}
    for speaker, called in given.items():
        text = read_text(f"{name}.{shown(speaker)}", called).strip()
        if len(text) > MAX_NAME_CHARACTERS or not text.isprintable():
            raise RequestError(
                f"{name} must hold printable names of at most {MAX_NAME_CHARACTERS} characters; "
                f"{shown(called)} came."
            )
        names[speaker] = text
    twice = len(names) - len(set(names.values()))
    if twice:
        raise RequestError(
            f"{name} gives one name to two speakers; to join speakers send num_speakers."
        )
    return names


def read_earlier(name: str, value: object) -> EarlierResult:
    """Take an earlier result. What it holds is checked where it is read (speech/earlier.py)."""
    if not isinstance(value, Mapping):
        raise RequestError(
            f"{name} must be the output of an earlier job, a JSON object, not {shown(value)}."
        )
    return EarlierResult(cast(Mapping[str, object], value))


def read_target(name: str, value: object) -> Target:
    """Take where the result is to be put."""
    given = _object(name, value, ("url", "s3_key", "s3_bucket"))
    places = [place for place in ("url", "s3_key") if given.get(place) is not None]
    if len(places) != 1:
        came = " and ".join(places) if places else "none"
        raise RequestError(f"{name} needs either url or s3_key; {came} came.")
    bucket = given.get("s3_bucket")
    if places == ["url"]:
        if bucket is not None:
            raise RequestError(f"{name}.s3_bucket is only allowed together with s3_key.")
        return UrlTarget(read_url(f"{name}.url", given["url"]))
    key = read_text(f"{name}.s3_key", given["s3_key"])
    if len(key.encode()) > MAX_KEY_BYTES or key.endswith("/") or not key.isprintable():
        raise RequestError(
            f"{name}.s3_key must be an object's key of at most {MAX_KEY_BYTES} bytes that does not "
            "end with a slash."
        )
    return S3Target(key, None if bucket is None else read_text(f"{name}.s3_bucket", bucket))


def read_webhook(name: str, value: object) -> Webhook:
    """Take who is told; a URL alone may come without an object."""
    if isinstance(value, str):
        return Webhook(read_url(name, value), None)
    given = _object(name, value, ("url", "secret", "progress"))
    secret = given.get("secret")
    if secret is not None and (
        not isinstance(secret, str) or not 1 <= len(secret) <= MAX_SECRET_CHARACTERS
    ):
        raise RequestError(
            f"{name}.secret must be text of 1 to {MAX_SECRET_CHARACTERS} characters."
        )
    progress = given.get("progress")
    return Webhook(
        read_url(f"{name}.url", given.get("url")),
        secret,
        progress=progress is not None and read_flag(f"{name}.progress", progress),
    )


def _rule(name: str, value: object, default: object) -> object:
    if isinstance(default, bool):
        return read_flag(name, value)
    whole = isinstance(default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        kind = "a whole number" if whole else "a number"
        raise RequestError(f"{name} must be {kind}, not {shown(value)}.")
    least, most = subtitle_rules.BOUNDS[name.rpartition(".")[2]]
    if not least <= value <= most:  # also what is not a number
        raise RequestError(f"{name} must be from {least:g} to {most:g}, not {shown(value)}.")
    return value if whole else float(value)


def _object(name: str, value: object, keys: tuple[str, ...] | None) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        has = f" with {', '.join(keys)}" if keys else ""
        raise RequestError(f"{name} must be an object{has}, not {shown(value)}.")
    for key in value:
        if keys is not None and key not in keys:
            raise RequestError(f"{name} has {', '.join(keys)}; {shown(key)} came.")
    return {str(key): item for key, item in value.items() if item is not None}
