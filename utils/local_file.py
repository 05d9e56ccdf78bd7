"""A recording that is on this machine already: linked to, not copied."""

from __future__ import annotations

from pathlib import Path

import config
from speech.errors import SourceError
from speech.request import FileSource
from speech.types import MediaFile


def link(source: FileSource, directory: Path, *, max_bytes: int | None = None) -> MediaFile:
    """Put a symbolic link to the recording into the directory: whoever removes that removes a link.

    Args:
        source: Which file.
        directory: Where to put the link.
        max_bytes: The most that is accepted; None takes the configured limit.

    Raises:
        SourceError: It is not there, no file, not readable, empty or too large.
    """
    size_bytes = readable_bytes(source.path)
    limit_bytes = config.MAX_SOURCE_BYTES if max_bytes is None else max_bytes
    if size_bytes > limit_bytes:
        raise SourceError(
            "source_too_large",
            f"The file has {size_bytes} bytes, and at most {limit_bytes} are accepted "
            "(PARAKEET_MAX_SOURCE_BYTES).",
        )
    path = directory / "source"
    path.symlink_to(source.path.resolve())
    return MediaFile(path, size_bytes)


def readable_bytes(path: Path) -> int:
    """The size of a file that can be read, in bytes.

    Raises:
        SourceError: It is not there, no file, not readable or empty.
    """
    try:
        # A pipe would block for as long as nobody writes into it.
        if path.exists() and not path.is_file():
            raise SourceError("source_not_found", "This is no file.")
        with path.open("rb") as file:
            size_bytes = file.seek(0, 2)
    except FileNotFoundError:
        raise SourceError("source_not_found", "No such file.") from None
    except PermissionError:
        raise SourceError("source_forbidden", "This file may not be read.") from None
    except OSError as error:
        raise SourceError("source_unreachable", f"The file: {error.strerror}.") from error
    if size_bytes == 0:
        raise SourceError("source_empty", "The file holds no bytes.")
    return size_bytes
