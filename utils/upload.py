"""A result that is put where the request says: a presigned URL, or a bucket of the worker's own.

Of a URL, messages name the host alone: the path and the query of a presigned URL are a key.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

import config
from speech.errors import DeliveryError, WorkerError
from speech.request import S3Target, UrlTarget
from utils import addresses, download, http_session

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_ATTEMPTS: Final = 4
PART_BYTES: Final = 8 << 20
"""Larger objects go to a bucket in parts."""
_TRANSIENT: Final = (408, 425, 429)


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
    """
    addresses.check_url(download.parse_url(target.url), config.ALLOWED_PRIVATE_HOSTS)


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
    if status >= 500 or status in _TRANSIENT:
        raise DeliveryError("output_unreachable", f"{host} failed ({status}).", retryable=True)
    raise DeliveryError(
        "output_refused",
        f"{host} refuses the result ({status}): the URL has expired, or was not signed for a PUT "
        "with this content type.",
    )


async def put_s3(target: S3Target, file: File) -> Stored:
    """Put a file into a bucket, in parts where it is large, and see that it has arrived whole.

    Args:
        target: The key and, perhaps, the bucket.
        file: The file.

    Raises:
        WorkerError: ``s3_not_configured``, ``output_refused`` or ``output_unreachable``.
    """
    return await asyncio.to_thread(_put_s3, target, file)


def _put_s3(target: S3Target, file: File) -> Stored:
    """Runs in a thread; foreign errors become ours here."""
    from boto3.exceptions import Boto3Error
    from boto3.s3.transfer import TransferConfig
    from botocore.exceptions import BotoCoreError, ClientError

    from utils import s3

    settings = s3.configured()
    bucket = check_bucket(target)
    try:
        client: S3Client = s3.client(settings)
        try:
            client.upload_fileobj(
                io.BytesIO(file.body),
                bucket,
                target.key,
                ExtraArgs={"ContentType": file.content_type},
                Config=TransferConfig(
                    multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES
                ),
            )
            there = client.head_object(Bucket=bucket, Key=target.key)
            link = client.generate_presigned_url(
                "get_object",
                Params={"Bucket": bucket, "Key": target.key},
                ExpiresIn=int(config.RESULT_LINK_S),
            )
        finally:
            client.close()
    except ClientError as error:
        raise _refused(error, bucket) from error
    except (Boto3Error, BotoCoreError, ValueError) as error:  # ValueError: a malformed endpoint
        cause = error.__context__
        if isinstance(cause, ClientError):
            raise _refused(cause, bucket) from error
        raise DeliveryError(
            "output_unreachable",
            f"The S3 server cannot be reached ({type(error).__name__}); check S3_ENDPOINT.",
            retryable=True,
        ) from error
    if there["ContentLength"] != len(file.body):
        raise DeliveryError(
            "output_unreachable",
            f"S3 holds {there['ContentLength']} bytes of the result's {len(file.body)}.",
            retryable=True,
        )
    return Stored(len(file.body), there["ETag"].strip('"'), target.key, bucket, link)


def check_bucket(target: S3Target) -> str:
    """The bucket that is meant.

    Raises:
        WorkerError: ``s3_not_configured``.
    """
    if not config.S3_ACCESS_KEY or not config.S3_SECRET_KEY:
        raise WorkerError(
            "s3_not_configured",
            "output.s3_key needs the worker's settings S3_ACCESS_KEY and S3_SECRET_KEY; set them "
            "on the endpoint, or send a presigned URL as output.url.",
        )
    bucket = target.bucket or config.S3_BUCKET
    if not bucket:
        raise WorkerError(
            "s3_not_configured",
            "No bucket is known: send output.s3_bucket, or set S3_BUCKET on the endpoint.",
        )
    return bucket


def _refused(error: Exception, bucket: str) -> DeliveryError:
    response = getattr(error, "response", {})
    code = response.get("Error", {}).get("Code", "unknown")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= 500 or status in _TRANSIENT:
        return DeliveryError("output_unreachable", f"S3 failed ({code}).", retryable=True)
    return DeliveryError(
        "output_refused",
        f"S3 refuses to take the result into the bucket {bucket} ({code}); check the bucket's name "
        "and what the worker's credentials may write.",
    )


def _md5(body: bytes) -> hashlib._Hash:
    return hashlib.md5(body, usedforsecurity=False)
