"""A result that is put into a bucket that the worker has credentials for.

boto3 is imported where it is used: it takes longer than a start of the worker may take.
"""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Final

import config
from speech.errors import DeliveryError, WorkerError
from speech.request import S3Target
from utils import upload
from utils.upload import File, Stored

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from utils.s3 import S3Settings

PART_BYTES: Final = 8 << 20
"""Larger objects go in parts."""


async def put(target: S3Target, file: File, *, settings: S3Settings | None = None) -> Stored:
    """Put a file into a bucket, in parts where it is large, and see that it has arrived whole.

    Args:
        target: The key and, perhaps, the bucket.
        file: The file.
        settings: The server and the credentials; None takes the configured ones.

    Raises:
        WorkerError: ``s3_not_configured``, ``output_refused`` or ``output_unreachable``.
    """
    return await asyncio.to_thread(_put, target, file, settings)


def _put(target: S3Target, file: File, settings: S3Settings | None) -> Stored:
    """Runs in a thread; foreign errors become ours here."""
    from boto3.exceptions import Boto3Error
    from boto3.s3.transfer import TransferConfig
    from botocore.exceptions import BotoCoreError, ClientError

    from utils import s3

    if settings is None:
        settings, bucket = s3.configured(), check(target)
    else:
        bucket = target.bucket or settings.bucket or ""
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


def check(target: S3Target) -> str:
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
    if status >= 500 or status in upload.TRANSIENT:
        return DeliveryError("output_unreachable", f"S3 failed ({code}).", retryable=True)
    return DeliveryError(
        "output_refused",
        f"S3 refuses to take the result into the bucket {bucket} ({code}); check the bucket's name "
        "and what the worker's credentials may write.",
    )
