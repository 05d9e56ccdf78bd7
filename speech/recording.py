"""What is known of a recording before anybody listens: its name, and where a page plays it from."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from speech.request import Base64Source, EarlierResult, S3Source, Source, UrlSource

MAX_EMBEDDED_CHARS: Final = 3_000_000
"""Of base64: a page with a longer recording in it would leave no room for the answer."""
_MAX_TITLE: Final = 200
_MAGIC: Final = (
    (b"RIFF", 0, "audio/wav"),
    (b"fLaC", 0, "audio/flac"),
    (b"OggS", 0, "audio/ogg"),
    (b"ID3", 0, "audio/mpeg"),
    (b"\xff\xfb", 0, "audio/mpeg"),
    (b"ftyp", 4, "audio/mp4"),
    (b"\x1aE\xdf\xa3", 0, "audio/webm"),
)
"""How files begin, and what browsers call them."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What files say of the recording itself."""

    name: str = "recording"
    """As formats of scientific tools name it: letters, digits, ``.``, ``_`` and ``-``."""
    title: str = "recording"
    """As a person knows it: any printable text."""
    audio_src: str | None = None
    """Where a page plays it from: an HTTP(S) URL or a data URI."""


def describe(source: Source | EarlierResult) -> Recording:
    """Name a request's recording after its file, where it has one."""
    match source:
        case UrlSource():
            return named(unquote(urlsplit(source.url).path), audio_src=source.url)
        case S3Source():
            return named(source.key)
        case Base64Source():
            return Recording(audio_src=_data_uri(source.data))
        case _:
            return Recording()


def named(path: str, audio_src: str | None = None) -> Recording:
    """A recording by its file's name.

    Args:
        path: With ``/`` between folders.
        audio_src: Where a page plays it from.
    """
    file = PurePosixPath(path).name
    title = "".join(letter for letter in file if letter.isprintable())[:_MAX_TITLE].strip()
    stem = PurePosixPath(title).stem
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("_.")
    return Recording(name or "recording", title or "recording", audio_src)


def _data_uri(data: str) -> str | None:
    if len(data) > MAX_EMBEDDED_CHARS:
        return None
    try:
        head = base64.b64decode(data[:32])
    except (binascii.Error, ValueError):  # told of where it is decoded
        return None
    for magic, offset, kind in _MAGIC:
        if head[offset:].startswith(magic):
            return f"data:{kind};base64,{data}"
    return None
