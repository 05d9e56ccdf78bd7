"""What an HTTP server's answer means for a recording."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from speech.errors import SourceError

_TRANSIENT = (408, 425, 429)
_NO_CONTENT = (204, 205)
_HEAD_BYTES = 1024


def check_status(answer: aiohttp.ClientResponse, host: str | None) -> None:
    """Let an answer pass that brings the recording.

    Args:
        answer: Not a redirect.
        host: For the message.

    Raises:
        SourceError: By the answer's status, or because a web page comes.
    """
    status = answer.status
    if status in (401, 403):
        raise SourceError(
            "source_forbidden",
            f"{host} refuses access ({status}): the URL has expired, is signed wrongly, or the "
            "object is private. Make a new presigned URL.",
        )
    if status in (404, 410):
        raise SourceError(
            "source_not_found", f"{host} has nothing at this URL ({status}); check the URL."
        )
    if status in _NO_CONTENT:
        raise SourceError("source_empty", f"{host} answered without content ({status}).")
    if status >= 500 or status in _TRANSIENT:
        raise SourceError(
            "source_unreachable", f"{host} failed ({status}). Try again.", retryable=True
        )
    if status not in (200, 203, 206):
        raise SourceError("source_unreachable", f"{host} refuses the request ({status}).")
    if answer.content_type in ("text/html", "application/xhtml+xml"):
        raise web_page(host)
    _check_range(answer, host)


def _check_range(answer: aiohttp.ClientResponse, host: str | None) -> None:
    """A part must be the part that was asked for."""
    asked = answer.request_info.headers.get("Range", "").removeprefix("bytes=").rstrip("-")
    came = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    if answer.status == 206 and (not asked or asked != came):
        raise SourceError("source_unreachable", f"{host} sent another part than was asked for.")


def is_web_page(path: Path) -> bool:
    """Whether a file begins as an HTML page does."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return (
        head.removeprefix(b"\xef\xbb\xbf")
        .lstrip()
        .lower()
        .startswith((b"<!doctype html", b"<html"))
    )


def web_page(host: str | None) -> SourceError:
    """Say that a page came where a recording was to come."""
    return SourceError(
        "not_media",
        f"{host} sent a web page, not a recording: the URL is a page to look at (a sharing or a "
        "login page). Send the recording's own, direct URL.",
    )
