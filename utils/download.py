"""A recording behind a URL: streamed to disk, bounded, and only from public addresses.

Of a URL, messages name the host alone: the path and the query of a presigned URL are a key.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

import config
from speech.errors import RefusedAddressError, RequestError, SourceError
from speech.request import UrlSource
from speech.types import MediaFile, Progress, Report
from utils import addresses, http_session
from utils.http_answers import check_status, is_web_page, web_page

MAX_REDIRECTS = 5
MAX_ATTEMPTS = 4
_CHUNK_BYTES = 1 << 20
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(slots=True)
class _Transfer:
    """What is on disk so far, and what it takes to go on from there."""

    path: Path
    max_bytes: int
    report: Report
    size_bytes: int = 0
    etag: str | None = None
    """Proof that a second answer continues the first; None where there is none."""


async def download(
    source: UrlSource,
    directory: Path,
    report: Report,
    *,
    max_bytes: int | None = None,
    timeout_s: float | None = None,
    allowed_hosts: Collection[str] | None = None,
    first_pause_s: float = 0.5,
) -> MediaFile:
    """Download a recording. Failures that may pass are retried, from where the last attempt ended.

    Args:
        source: The URL.
        directory: Where to put the file.
        report: Told of the stage "download".
        max_bytes: The most that is accepted.
        timeout_s: For the whole download, its retries included.
        allowed_hosts: Pairs host:port that may be private. None takes the configured value, as for
            the other two.
        first_pause_s: Before the second attempt; it doubles before each further one.

    Raises:
        SourceError: The recording cannot be had, is empty, too large, or a web page.
        RefusedAddressError: The URL, or a redirect of it, leads to an address that is not public.
        RequestError: The URL is malformed.
    """
    max_bytes = config.MAX_SOURCE_BYTES if max_bytes is None else max_bytes
    timeout_s = config.DOWNLOAD_TIMEOUT_S if timeout_s is None else timeout_s
    allowed = config.ALLOWED_PRIVATE_HOSTS if allowed_hosts is None else allowed_hosts
    url = parse_url(source.url)
    transfer = _Transfer(directory / "source", max_bytes, report)
    report(Progress("download", 0.0))
    try:
        async with asyncio.timeout(timeout_s):
            await _transfer_with_retries(url, transfer, allowed, first_pause_s)
    except TimeoutError as error:
        raise SourceError(
            "source_unreachable",
            f"The download from {url.host} took longer than {timeout_s:g} s. Try again, or send a "
            "smaller file.",
            retryable=True,
        ) from error
    if transfer.size_bytes == 0:
        raise SourceError(
            "source_empty", f"{url.host} sent no bytes; check that the upload was finished."
        )
    if is_web_page(transfer.path):
        raise web_page(url.host)
    report(Progress("download", 1.0))
    return MediaFile(transfer.path, transfer.size_bytes)


def parse_url(text: str) -> URL:
    """Parse without rewriting: a signature is made over the very characters that were sent.

    Raises:
        RequestError: The URL is malformed.
    """
    try:
        # Only a URL that is no URL yet (spaces, letters outside ASCII) gets its escapes.
        url = URL(text, encoded=re.fullmatch(r"[!-~]*", text) is not None)
        _ = url.port  # parsed, and so refused, only when it is asked for
    except ValueError as error:
        raise RequestError("audio_url is malformed; send the URL as it was given out.") from error
    return url


async def _transfer_with_retries(
    url: URL, transfer: _Transfer, allowed: Collection[str], first_pause_s: float
) -> None:
    async with http_session.session(allowed) as session:
        for attempt in range(MAX_ATTEMPTS):
            try:
                await _attempt(session, url, transfer, allowed)
            except SourceError as error:
                if not error.retryable or attempt == MAX_ATTEMPTS - 1:
                    raise
                await asyncio.sleep(first_pause_s * 2**attempt)
            else:
                return


async def _attempt(
    session: aiohttp.ClientSession, url: URL, transfer: _Transfer, allowed: Collection[str]
) -> None:
    """One pass over the redirects and the body; foreign errors become ours here."""
    try:
        async with _final_answer(session, url, transfer, allowed) as answer:
            await _receive(answer, transfer)
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise RequestError("audio_url, or a redirect of it, is malformed.") from error
    except (aiohttp.ClientConnectorCertificateError, ssl.CertificateError) as error:
        raise SourceError(
            "source_unreachable", f"The certificate of {url.host} is not valid for it."
        ) from error
    except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
        raise SourceError(
            "source_unreachable", f"{_failure(error, url.host)} Try again.", retryable=True
        ) from error


def _failure(error: BaseException, host: str | None) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"The host {host} does not resolve."
    if isinstance(error, aiohttp.ServerTimeoutError):
        return f"{host} fell silent."
    if isinstance(error, aiohttp.ClientPayloadError):
        return f"{host} broke off in the middle of the recording."
    return f"The connection to {host} failed."


@asynccontextmanager
async def _final_answer(
    session: aiohttp.ClientSession, url: URL, transfer: _Transfer, allowed: Collection[str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Follow the redirects by hand: the guard must see each of them."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "parakeet-worker"}
    if transfer.size_bytes and transfer.etag:
        headers["Range"] = f"bytes={transfer.size_bytes}-"
        headers["If-Range"] = transfer.etag
    for _ in range(MAX_REDIRECTS + 1):
        addresses.check_url(url, allowed)
        async with session.get(url, headers=headers, allow_redirects=False) as answer:
            if answer.status not in _REDIRECTS:
                check_status(answer, url.host)
                yield answer
                return
            url = redirected(url, answer.headers.get("Location"))
    raise SourceError(
        "source_unreachable",
        f"More than {MAX_REDIRECTS} redirects, the last one to {url.host}; send the final URL.",
    )


def redirected(url: URL, location: str | None) -> URL:
    """Where a redirect leads.

    Raises:
        SourceError: It does not say.
        RefusedAddressError: It leaves HTTPS.
    """
    if not location:
        raise SourceError("source_unreachable", f"{url.host} redirects without saying where to.")
    target = url.join(parse_url(location))
    if url.scheme == "https" and target.scheme == "http":
        raise RefusedAddressError(f"{url.host} redirects from HTTPS to plain HTTP; use HTTPS only.")
    return target


async def _receive(answer: aiohttp.ClientResponse, transfer: _Transfer) -> None:
    """Write the body behind what is on disk, or in its place where the server starts anew."""
    continues = answer.status == 206
    if not continues:
        transfer.size_bytes = 0
    compressed = "Content-Encoding" in answer.headers  # in spite of the header; aiohttp unpacks it
    etag = answer.headers.get("ETag", "")
    # A weak tag vouches for the meaning, not for the bytes; of packed bytes we hold no count.
    transfer.etag = etag if etag and not etag.startswith("W/") and not compressed else None
    length = answer.content_length
    total_bytes = None if length is None or compressed else transfer.size_bytes + length
    _check_size(total_bytes or 0, transfer)
    told_fraction = 0.0
    with transfer.path.open("r+b" if continues else "wb") as file:
        file.seek(transfer.size_bytes)
        async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
            _check_size(transfer.size_bytes + len(chunk), transfer)
            file.write(chunk)  # into the page cache of a local disk: not worth a thread
            transfer.size_bytes += len(chunk)
            fraction = transfer.size_bytes / total_bytes if total_bytes else 0.0
            if fraction >= told_fraction + 0.01:
                told_fraction = fraction
                transfer.report(Progress("download", fraction))


def _check_size(size_bytes: int, transfer: _Transfer) -> None:
    if size_bytes > transfer.max_bytes:
        raise SourceError(
            "source_too_large",
            f"The recording is larger than the {transfer.max_bytes} bytes that this worker "
            "accepts; send a shorter or a compressed one.",
        )
