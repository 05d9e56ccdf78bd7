"""A recording in an S3 bucket that the worker has credentials for: streamed to disk, bounded."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
)

import config
from speech.errors import RequestError, SourceError
from speech.request import S3Source
from speech.types import MediaFile, Progress, Report

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

MAX_BREAKS = 3
"""How often a body that breaks off is continued. botocore retries requests, not their bodies."""
_CHUNK_BYTES = 1 << 20
_CONNECT_TIMEOUT_S = 10
_READ_TIMEOUT_S = 30
"""Also the longest that a cancelled download holds its thread."""
_NOT_FOUND = {"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NotFound", "404"}
_BREAKS = (HTTPClientError, IncompleteReadError)


@dataclass(frozen=True, slots=True)
class S3Settings:
    """What the worker knows of its S3 server."""

    access_key: str | None
    secret_key: str | None
    endpoint: str | None
    """None is Amazon's own."""
    bucket: str | None
    """For requests that name none."""
    region: str | None


def configured() -> S3Settings:
    """Read the settings."""
    return S3Settings(
        access_key=config.S3_ACCESS_KEY,
        secret_key=config.S3_SECRET_KEY,
        endpoint=config.S3_ENDPOINT,
        bucket=config.S3_BUCKET,
        region=config.S3_REGION,
    )


class _Transfer:
    """One download, which its own thread writes and the event loop may stop."""

    def __init__(self, path: Path, max_bytes: int, report: Report) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.report = report
        self.size_bytes = 0
        self.stopped = threading.Event()


async def fetch(
    source: S3Source,
    directory: Path,
    report: Report,
    *,
    settings: S3Settings | None = None,
    max_bytes: int | None = None,
    timeout_s: float | None = None,
) -> MediaFile:
    """Download an object. Cancelling stops it within a chunk, and waits until it has stopped.

    Args:
        source: The key and, perhaps, the bucket.
        directory: Where to put the file.
        report: Told of the stage "download", from another thread.
        settings: The server and the credentials.
        max_bytes: The most that is accepted.
        timeout_s: For the whole download. None takes the configured value, as for the other two.

    Raises:
        SourceError: The recording cannot be had, is empty or too large.
        RequestError: The bucket's name or the key is none.
    """
    settings = configured() if settings is None else settings
    max_bytes = config.MAX_SOURCE_BYTES if max_bytes is None else max_bytes
    timeout_s = config.DOWNLOAD_TIMEOUT_S if timeout_s is None else timeout_s
    bucket = _bucket(source, settings)
    transfer = _Transfer(directory / "source", max_bytes, report)
    report(Progress("download", 0.0))
    try:
        async with asyncio.timeout(timeout_s):
            await _in_thread(transfer, settings, bucket, source.key)
    except TimeoutError as error:
        raise SourceError(
            "source_unreachable",
            f"The download from S3 took longer than {timeout_s:g} s. Try again, or send a smaller "
            "file.",
            retryable=True,
        ) from error
    if transfer.size_bytes == 0:
        raise SourceError(
            "source_empty", "The S3 object holds no bytes; check that its upload was finished."
        )
    report(Progress("download", 1.0))
    return MediaFile(transfer.path, transfer.size_bytes)


def _bucket(source: S3Source, settings: S3Settings) -> str:
    if not settings.access_key or not settings.secret_key:
        raise SourceError(
            "s3_not_configured",
            "s3_key needs the worker's settings S3_ACCESS_KEY and S3_SECRET_KEY; set them on the "
            "endpoint, or send a presigned URL as audio_url.",
        )
    bucket = source.bucket or settings.bucket
    if not bucket:
        raise SourceError(
            "s3_not_configured",
            "No bucket is known: send s3_bucket, or set S3_BUCKET on the endpoint.",
        )
    return bucket


async def _in_thread(transfer: _Transfer, settings: S3Settings, bucket: str, key: str) -> None:
    work = asyncio.create_task(asyncio.to_thread(_download, transfer, settings, bucket, key))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        transfer.stopped.set()
        # The job's directory goes next: nobody may still write in it.
        await asyncio.gather(work, return_exceptions=True)
        raise


def _download(transfer: _Transfer, settings: S3Settings, bucket: str, key: str) -> None:
    """Runs in the thread; foreign errors become ours here."""
    try:
        s3_client = client(settings)
        try:
            _receive_with_continuations(s3_client, transfer, bucket, key)
        finally:
            s3_client.close()
    except ClientError as error:
        raise _translated(error, bucket) from error
    except ParamValidationError as error:
        raise RequestError("s3_bucket or s3_key is not a valid name.") from error
    except (BotoCoreError, ValueError) as error:  # ValueError: a malformed S3_ENDPOINT
        raise SourceError(
            "source_unreachable",
            f"The S3 server cannot be reached ({type(error).__name__}). Try again, or check "
            "S3_ENDPOINT.",
            retryable=True,
        ) from error


def client(settings: S3Settings) -> S3Client:
    """A client of the configured server; whoever takes it closes it."""
    made: S3Client = boto3.session.Session().client(
        "s3",
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        endpoint_url=settings.endpoint,
        region_name=settings.region or "us-east-1",
        config=Config(
            signature_version="s3v4",
            # Servers of other makers rarely have a host name for each bucket.
            s3={"addressing_style": "path" if settings.endpoint else "auto"},
            retries={"mode": "standard", "total_max_attempts": 4},
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
        ),
    )
    return made


def _receive_with_continuations(
    client: S3Client, transfer: _Transfer, bucket: str, key: str
) -> None:
    answer = client.get_object(Bucket=bucket, Key=key)
    total_bytes = answer.get("ContentLength", 0)
    _check_size(total_bytes, transfer)
    with transfer.path.open("wb") as file:
        for breaks in range(MAX_BREAKS + 1):
            try:
                with closing(answer["Body"]) as body:
                    for chunk in body.iter_chunks(_CHUNK_BYTES):
                        if transfer.stopped.is_set():
                            return
                        _check_size(transfer.size_bytes + len(chunk), transfer)
                        file.write(chunk)
                        transfer.size_bytes += len(chunk)
                        fraction = transfer.size_bytes / total_bytes if total_bytes else None
                        transfer.report(Progress("download", fraction))
            except _BREAKS:
                if breaks == MAX_BREAKS or transfer.stopped.is_set():
                    raise
                answer = _continued(client, transfer, bucket, key, answer["ETag"])
            else:
                return


def _continued(
    client: S3Client, transfer: _Transfer, bucket: str, key: str, etag: str
) -> GetObjectOutputTypeDef:
    """The rest of the object, provided that it is still the same object."""
    return client.get_object(
        Bucket=bucket, Key=key, Range=f"bytes={transfer.size_bytes}-", IfMatch=etag
    )


def _check_size(size_bytes: int, transfer: _Transfer) -> None:
    if size_bytes > transfer.max_bytes:
        raise SourceError(
            "source_too_large",
            f"The S3 object is larger than the {transfer.max_bytes} bytes that this worker "
            "accepts; send a shorter or a compressed recording.",
        )


def _translated(error: ClientError, bucket: str) -> SourceError:
    """Say what S3 said, in our codes. S3's own code is a word without secrets."""
    code = error.response.get("Error", {}).get("Code", "unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _NOT_FOUND or status == 404:
        return SourceError(
            "source_not_found",
            f"S3 has no such object in the bucket {bucket} ({code}); check s3_key and s3_bucket.",
        )
    if status in (401, 403):
        return SourceError(
            "source_forbidden",
            f"S3 refuses access to the bucket {bucket} ({code}); check the worker's S3 "
            "credentials and what they may read.",
        )
    return SourceError(
        "source_unreachable",
        f"S3 failed ({code}). Try again, or check S3_ENDPOINT and S3_REGION.",
        retryable=status >= 500 or status in (412, 429),  # 412: the object has changed meanwhile
    )
