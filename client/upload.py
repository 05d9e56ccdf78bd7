"""A recording of this machine, as a request can carry it: by a bucket, or inside the request."""

from __future__ import annotations

import base64
import json
import mimetypes
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from client.errors import TranscriptionError
from speech.types import Progress, Report

if TYPE_CHECKING:
    from utils.s3 import S3Settings

MAX_REQUEST_BYTES: Final = 10_000_000
"""RunPod's limit for /run."""
LINK_LIFE_S: Final = 24 * 3600
"""As long as RunPod lets a job wait."""


class Upload:
    """A recording that lies in the bucket for as long as a job needs it."""

    def __init__(self, path: Path, settings: S3Settings, report: Report) -> None:
        from utils import s3

        self._path = path
        self._report = report
        self._bucket = settings.bucket or ""
        self._key = f"parakeet-uploads/{uuid.uuid4().hex}/source{path.suffix.lower()}"
        self._stopped = threading.Event()
        self._sent_bytes = 0
        self._client = s3.client(settings)

    def send(self) -> str:
        """Upload. A presigned URL of it.

        Raises:
            TranscriptionError: The bucket cannot be reached or refuses, or ``stop`` was called.
        """
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        self._report(Progress("upload", 0.0))
        kind = mimetypes.guess_type(self._path.name)[0] or "application/octet-stream"
        try:
            with self._path.open("rb") as file:  # boto3 leaves files open that it opens itself
                self._client.upload_fileobj(
                    file,
                    self._bucket,
                    self._key,
                    ExtraArgs={"ContentType": kind},
                    Callback=self._count,
                )
            return self._client.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._bucket, "Key": self._key},
                ExpiresIn=LINK_LIFE_S,
            )
        except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
            cause = error.__context__ if isinstance(error, Boto3Error) else error
            code = (
                cause.response.get("Error", {}).get("Code", "unknown")
                if isinstance(cause, ClientError)
                else type(error).__name__
            )
            raise TranscriptionError(
                "upload_failed",
                f"The recording could not be put into the bucket {self._bucket} ({code}); check "
                "the S3 settings, or give a URL.",
                retryable=not isinstance(cause, ClientError),
            ) from error

    def stop(self) -> None:
        """Let ``send`` end as soon as it can, in whatever thread it runs."""
        self._stopped.set()

    def remove(self) -> None:
        """Take the recording out of the bucket again, as far as the bucket lets us."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.delete_object(Bucket=self._bucket, Key=self._key)
        except (BotoCoreError, ClientError):
            return  # its life in the bucket is the bucket's affair
        finally:
            self._client.close()

    def _count(self, more_bytes: int) -> None:
        if self._stopped.is_set():
            raise TranscriptionError("cancelled", "The upload was stopped.")
        self._sent_bytes += more_bytes
        size_bytes = self._path.stat().st_size or 1
        self._report(Progress("upload", min(1.0, self._sent_bytes / size_bytes)))


def inline(path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The request with the recording inside.

    Raises:
        TranscriptionError: "recording_too_large", with what to do instead.
    """
    size_bytes = path.stat().st_size
    room_bytes = MAX_REQUEST_BYTES - len(json.dumps({"input": {**options, "audio_base64": ""}}))
    if 4 * ((size_bytes + 2) // 3) > room_bytes:
        raise TranscriptionError(
            "recording_too_large",
            f"The recording has {size_bytes / 1e6:.1f} MB, and a request of RunPod's carries "
            f"{max(0, room_bytes) * 0.75e-6:.1f} MB at most. Set S3_ACCESS_KEY, S3_SECRET_KEY, "
            "S3_BUCKET (S3_ENDPOINT, S3_REGION) so that it goes by a bucket, or give its URL.",
        )
    return {**options, "audio_base64": base64.b64encode(path.read_bytes()).decode()}
