"""A recording inside the request: base64 text in, a file out."""

from __future__ import annotations

import base64
from pathlib import Path

import config
from speech.errors import RequestError, SourceError
from speech.request import Base64Source
from speech.types import MediaFile

_URL_SAFE_AND_SPACE = str.maketrans("-_", "+/", " \t\r\n")


def write_base64(
    source: Base64Source, directory: Path, *, max_bytes: int | None = None
) -> MediaFile:
    """Decode the recording into a file.

    Whitespace is skipped and the URL-safe alphabet is accepted. All else is strict: a lenient
    decoder would drop what it does not know, and the model would hear noise.

    Args:
        source: The base64 text.
        directory: Where to put the file.
        max_bytes: The most that is accepted; None takes the configured limit.

    Raises:
        SourceError: The recording is empty or too large.
        RequestError: The text is no base64.
    """
    limit_bytes = config.MAX_SOURCE_BYTES if max_bytes is None else max_bytes
    text = source.data.translate(_URL_SAFE_AND_SPACE)
    if len(text) // 4 * 3 > limit_bytes + 2:
        raise _too_large(limit_bytes)
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError as error:  # binascii.Error is one, and letters outside ASCII raise another
        raise RequestError(f"audio_base64 is no valid base64: {_reason(text)}.") from error
    if not content:
        raise SourceError("source_empty", "audio_base64 holds no bytes; send the recording in it.")
    if len(content) > limit_bytes:
        raise _too_large(limit_bytes)
    path = directory / "source"
    path.write_bytes(content)
    return MediaFile(path, len(content))


def _reason(text: str) -> str:
    if len(text) % 4:
        return "its length is not a multiple of four, so it breaks off or lacks its padding (=)"
    return "characters outside the base64 alphabet, or padding (=) in the middle, are in it"


def _too_large(limit_bytes: int) -> SourceError:
    return SourceError(
        "source_too_large",
        f"audio_base64 holds more than the {limit_bytes} bytes that this worker accepts; send a "
        "shorter or a compressed recording.",
    )
