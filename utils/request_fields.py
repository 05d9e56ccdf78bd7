"""How one field of the request is read: a value in, a checked value out, or a ``RequestError``.

Each reader takes the name that the caller used, so that the message can repeat it.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar, get_args
from urllib.parse import urlsplit

from speech.errors import RequestError
from speech.request import AttentionChoice, ChannelsChoice, DiarizerChoice, Options, TimestampLevel

MAX_SPEAKERS = 50
SORTFORMER_SPEAKERS = 4
LEVELS: tuple[TimestampLevel, ...] = get_args(TimestampLevel)
ATTENTIONS: tuple[AttentionChoice, ...] = get_args(AttentionChoice)
DIARIZERS: tuple[DiarizerChoice, ...] = get_args(DiarizerChoice)
CHANNELS: tuple[ChannelsChoice, ...] = get_args(ChannelsChoice)
LANGUAGES = (
    *("bg", "hr", "cs", "da", "nl", "en", "et", "fi", "fr", "de", "el", "hu", "it"),
    *("lv", "lt", "mt", "pl", "pt", "ro", "sk", "sl", "es", "sv", "ru", "uk"),
)
"""Those that Parakeet v3 hears."""
Choice = TypeVar("Choice", bound=str)
_SHOWN_CHARACTERS = 60
"""As much of a wrong value as a message repeats: base64 audio and URLs must not get into logs."""
_DATA_URI = re.compile(r"data:([^,]*),")
_DATA_URI_HEAD_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the request: how it is documented and how it is read."""

    name: str
    type: str
    default: str
    """As text for the README."""
    bounds: str
    description: str
    read: Callable[[str, object], object]
    """Takes the name that the caller used and the value; raises ``RequestError``."""
    aliases: tuple[str, ...] = ()
    schema: Mapping[str, object] = dataclasses.field(default_factory=dict)
    """JSON Schema of the values that are read. Null, which means that none was sent, goes without
    saying."""
    alias_schemas: Mapping[str, Mapping[str, object]] = dataclasses.field(default_factory=dict)
    """Of the aliases that take other values."""


# ---------------------------------------------------------------- readers of one value


def read_base64(name: str, value: object) -> str:
    """Take the base64 text out of a data URI. The data itself is checked where it is decoded."""
    text = read_text(name, value)
    if not text.startswith("data:"):
        return text
    head = _DATA_URI.match(text[:_DATA_URI_HEAD_CHARACTERS])
    if head is None or not head.group(1).endswith(";base64"):
        raise RequestError(
            f"{name} must be base64 text, or a data URI like data:audio/mpeg;base64,...; "
            "a data URI without ;base64, came."
        )
    return text[head.end() :]


def read_url(name: str, value: object) -> str:
    """Check the form of an HTTP(S) URL. Where it leads is checked when it is followed."""
    text = read_text(name, value).strip()
    if not text.isprintable():
        raise RequestError(f"{name} must not hold line breaks or control characters.")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise RequestError(f"{name} must be an HTTPS URL; its host or port is malformed.") from None
    if parts.scheme not in ("http", "https"):
        came = f"the scheme {shown(parts.scheme)}" if parts.scheme else "no scheme"
        raise RequestError(f"{name} must begin with https:// or http://; {came} came.")
    if not host or port == 0:
        raise RequestError(f"{name} must be an HTTPS URL with a host; none came.")
    if "@" in parts.netloc:
        raise RequestError(
            f"{name} must not carry a user name or a password; use a presigned URL instead."
        )
    return text


def read_text(name: str, value: object) -> str:
    """Take text that is not blank."""
    if not isinstance(value, str):
        raise RequestError(f"{name} must be text, not {shown(value)}.")
    if not value.strip():
        raise RequestError(f"{name} must not be empty.")
    try:
        value.encode()
    except UnicodeEncodeError:  # JSON can spell half a surrogate pair
        raise RequestError(
            f"{name} must be valid Unicode text; it holds a lone surrogate."
        ) from None
    return value


def read_flag(name: str, value: object) -> bool:
    """Take true or false; nothing that is merely like it."""
    if not isinstance(value, bool):
        raise RequestError(f"{name} must be true or false, not {shown(value)}.")
    return value


def read_count(name: str, value: object) -> int:
    """Take a number of speakers."""
    # In Python a bool is an int, and true speakers are nobody's intention.
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SPEAKERS:
        raise RequestError(
            f"{name} must be a whole number from 1 to {MAX_SPEAKERS}, not {shown(value)}."
        )
    return value


def read_seconds(name: str, value: object) -> float:
    """Take a finite, non-negative number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:  # JSON's integers have no upper bound
            seconds = math.inf
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    raise RequestError(f"{name} must be a number of seconds, 0 or more, not {shown(value)}.")


def choice_of(choices: tuple[Choice, ...]) -> Callable[[str, object], Choice]:
    """A reader that takes one of these names."""

    def read(name: str, value: object) -> Choice:
        for choice in choices:
            if value == choice:
                return choice
        raise RequestError(f"{name} must be one of {', '.join(choices)}, not {shown(value)}.")

    return read


def read_timestamps(name: str, value: object) -> tuple[TimestampLevel, ...]:
    """Levels come out once each, in the order word, segment, char.

    RunPod's faster-whisper worker has ``word_timestamps``, which adds words to segments.
    """
    if name == "word_timestamps":
        return Options().timestamps if read_flag(name, value) else ("segment",)
    if isinstance(value, bool):
        return Options().timestamps if value else ()
    levels = value if isinstance(value, list | tuple) else [value]
    for level in levels:
        if level not in LEVELS:
            raise RequestError(
                f"{name} must be true, false, one of {', '.join(LEVELS)}, or a list of these, "
                f"not {shown(level)}."
            )
    return tuple(level for level in LEVELS if level in levels)


# ---------------------------------------------------------------- messages


def shown(value: object) -> str:
    """Shorten a wrong value for a message. A container shows its kind only, never its content."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        # Of something like a URL only the scheme is shown: what follows may be a signature.
        value = re.sub(r"(://|\?).*", r"\1...", value, flags=re.DOTALL)
        cut = value[:_SHOWN_CHARACTERS]
        return repr(cut) + (" (shortened)" if len(value) > len(cut) else "")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a huge number"  # Python refuses to print integers of more than 4300 digits
    return repr(value)[:_SHOWN_CHARACTERS]
