"""A result that is put to a presigned URL.

Of a URL, messages name the host alone: the path and the query of a presigned URL are a key.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import math
import ssl
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import aiohttp
from yarl import URL

import config
from speech.errors import DeliveryError
from speech.request import UrlTarget
from utils import addresses, download, http_session

MAX_ATTEMPTS: Final = 4
TRANSIENT: Final = (408, 425, 429)
"""What may pass, beside 5xx."""


@dataclass(frozen=True, slots=True)
class File:
    """What is put somewhere."""

    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Stored:
    """Where something was put."""

    size_bytes: int
    etag: str | None = None
    s3_key: str | None = None
    s3_bucket: str | None = None
    url: str | None = None
    """A presigned URL to get it with, where the worker could make one."""


async def put_url(
    target: UrlTarget,
    file: File,
    *,
    allowed_hosts: Collection[str] | None = None,
    timeout_s: float | None = None,
    first_pause_s: float = 0.5,
) -> Stored:
    """Put a file to a presigned URL. Failures that may pass are retried.

    ``Content-MD5`` lets the server refuse what arrived damaged; S3 does.

    Args:
        target: The URL.
        file: The file.
        allowed_hosts: Pairs host:port that may be private; None takes the configured value.
        timeout_s: For the whole upload, its retries included; None takes the configured value.
        first_pause_s: Before the second attempt; it doubles before each further one.

    Raises:
        DeliveryError: ``output_refused`` or ``output_unreachable``.
        RefusedAddressError: The URL leads to an address that is not public.
        RequestError: The URL is malformed.
    """
    allowed = config.ALLOWED_PRIVATE_HOSTS if allowed_hosts is None else allowed_hosts
    timeout_s = config.UPLOAD_TIMEOUT_S if timeout_s is None else timeout_s
    url = download.parse_url(target.url)
    addresses.check_url(url, allowed)
    try:
        async with asyncio.timeout(timeout_s), http_session.session(allowed) as session:
            for attempt in range(MAX_ATTEMPTS):
                try:
                    return await _put_once(session, url, file)
                except DeliveryError as error:
                    if not error.retryable or attempt == MAX_ATTEMPTS - 1:
                        raise
                    await asyncio.sleep(first_pause_s * 2**attempt)
    except TimeoutError as error:
        raise DeliveryError(
            "output_unreachable",
            f"The upload to {url.host} took longer than {timeout_s:g} s.",
            retryable=True,
        ) from error
    raise AssertionError("the last attempt returns or raises")


def check_url(target: UrlTarget) -> None:
    """Refuse, before anything is heard, a URL that could never be put to.

    Raises:
        RefusedAddressError: It is an address that is not public.
        RequestError: It is malformed.
        DeliveryError: ``output_refused``: it says itself that it has expired.
    """
    url = download.parse_url(target.url)
    addresses.check_url(url, config.ALLOWED_PRIVATE_HOSTS)
    expired_s = time.time() - (_expiry_s(url) or math.inf)
    if expired_s > 0:
        raise DeliveryError(
            "output_refused",
            f"output.url expired {expired_s:.0f} s ago; make a new presigned URL for PUT, that "
            "outlasts the job.",
        )


def _expiry_s(url: URL) -> float | None:
    """When a URL that was presigned by AWS Signature Version 4 expires, in seconds since 1970."""
    try:
        signed = datetime.strptime(url.query["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
        return signed.timestamp() + float(url.query["X-Amz-Expires"])
    except (KeyError, ValueError):  # another way of signing
        return None


async def _put_once(session: aiohttp.ClientSession, url: URL, file: File) -> Stored:
    headers = {
        "Content-Type": file.content_type,
        "Content-MD5": base64.b64encode(_md5(file.body).digest()).decode(),
        "User-Agent": "parakeet-worker",
    }
    try:
        async with session.put(
            url, data=file.body, headers=headers, allow_redirects=False
        ) as answer:
            _check_status(answer.status, url.host)
            etag = answer.headers.get("ETag", "").strip('"') or None
    except (aiohttp.ClientConnectorCertificateError, ssl.CertificateError) as error:
        raise DeliveryError(
            "output_unreachable", f"The certificate of {url.host} is not valid for it."
        ) from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise DeliveryError(
            "output_unreachable", f"The connection to {url.host} failed.", retryable=True
        ) from error
    return Stored(len(file.body), etag)


def _check_status(status: int, host: str | None) -> None:
    if 200 <= status < 300:
        return
    if status >= 500 or status in TRANSIENT:
        raise DeliveryError("output_unreachable", f"{host} failed ({status}).", retryable=True)
    raise DeliveryError(
        "output_refused",
        f"{host} refuses the result ({status}): the URL has expired, or was not signed for a PUT "
        "with this content type.",
    )


def _md5(body: bytes) -> hashlib._Hash:
    return hashlib.md5(body, usedforsecurity=False)
