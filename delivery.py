"""The way of an answer to the caller: returned, or put where it is wanted; never lost.

What is too large to be returned goes to the configured bucket by itself, and where there is none
it is thinned. Where a delivery fails, the result comes back in the answer.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import config
import presentation
from formats.files import CONTENT_TYPES
from presentation import Answer, Shown
from speech import envelope
from speech.errors import WorkerError
from speech.request import FileFormat, Request, S3Target, Target, UrlTarget
from utils import s3_upload, upload, webhook
from utils.upload import File, Stored

Measure = Callable[[Answer], int]
"""What an answer counts for where it is returned, in bytes."""


def as_output(answer: Answer) -> int:
    """The SDK posts an answer wrapped like this, and RunPod's limit is on what is posted."""
    return len(envelope.encode({"output": answer}))


def check(request: Request) -> None:
    """Refuse, before anything is heard, what could never be delivered.

    Raises:
        WorkerError: ``url_refused``, ``s3_not_configured`` or ``invalid_input``.
    """
    match request.output:
        case UrlTarget():
            upload.check_url(request.output)
        case S3Target():
            s3_upload.check(request.output)
        case None:
            pass
    if request.webhook is not None:
        webhook.check(request.webhook)


@dataclass(frozen=True, slots=True)
class Way:
    """How a job's answer goes to the caller."""

    request: Request
    job_id: str
    limit_bytes: int
    """The most that can be returned."""
    measure: Measure = as_output


async def deliver(shown: Shown, way: Way) -> tuple[Answer, int]:
    """Put the result where the request says, and make the answer.

    Args:
        shown: The result and its files.
        way: The job's.

    Returns:
        The answer, and its size in bytes as it is sent.

    Raises:
        WorkerError: ``result_too_large`` where not even the text can be returned.
    """
    failed = None
    if way.request.output is not None:
        try:
            stored = await put(shown, way, way.request.output)
        except WorkerError as error:
            failed = error
            shown = _warned(
                shown, f"The result could not be put where it was wanted: {error.message}"
            )
        else:
            return _measured(presentation.receipt(shown, stored), way)
    whole = await asyncio.to_thread(_whole, shown, way, failed)
    if whole[1] <= way.limit_bytes:
        return whole
    if config.S3_BUCKET and config.S3_ACCESS_KEY:
        target = S3Target(f"{config.RESULT_PREFIX}{_file_name(way.job_id)}.json")
        try:
            stored = await put(shown, way, target)
        except WorkerError as error:
            shown = _warned(shown, f"The worker's bucket did not take it either: {error.message}")
        else:
            warning = (
                f"The result has {whole[1]} bytes, and at most {way.limit_bytes} can be returned: "
                "it was put into the worker's bucket."
            )
            return _measured(presentation.receipt(shown, stored, [warning]), way)
    return await asyncio.to_thread(_thinned, shown, way, failed)


def _thinned(shown: Shown, way: Way, failed: WorkerError | None) -> tuple[Answer, int]:
    size_bytes = 0
    for thinner in presentation.thinner(shown):
        answer, size_bytes = _whole(thinner, way, failed)
        if size_bytes <= way.limit_bytes:
            return answer, size_bytes
    raise WorkerError(
        "result_too_large",
        f"The text alone makes a result of {size_bytes} bytes, and at most {way.limit_bytes} can "
        'be returned. Send the recording in parts ("start", "end"), send "output" with a presigned '
        "URL to put the result to, or set a bucket for the worker (S3_BUCKET).",
    )


def _whole(shown: Shown, way: Way, failed: WorkerError | None) -> tuple[Answer, int]:
    answer = presentation.answer(shown, way.request.presentation, way.job_id)
    if failed is not None:
        answer["output"] = {
            "error_code": failed.code,
            "message": failed.message,
            "retryable": failed.retryable,
        }
    return _measured(answer, way)


def _measured(answer: Answer, way: Way) -> tuple[Answer, int]:
    return answer, way.measure(answer)


def _warned(shown: Shown, warning: str) -> Shown:
    result = shown.result
    return replace(shown, result=replace(result, warnings=(*result.warnings, warning)))


async def put(shown: Shown, way: Way, target: Target) -> Mapping[str, Mapping[str, object]]:
    """Put the answer, and beside it its files, where they are wanted.

    A presigned URL is good for one object: there the files are in the answer.

    Returns:
        Of each object, by its format ("json" is the answer): size, ETag, and where it is.

    Raises:
        WorkerError: It was not taken.
    """
    if isinstance(target, UrlTarget):
        answer = presentation.answer(shown, way.request.presentation, way.job_id)
        return {"json": _told(await upload.put_url(target, _json_file(answer)))}
    answer = presentation.answer(replace(shown, files={}), way.request.presentation, way.job_id)
    told = {"json": _told(await s3_upload.put(target, _json_file(answer)))}
    for name, beside, file in _files_beside(target, shown.files):
        told[name] = _told(await s3_upload.put(beside, file))
    return told


def _files_beside(
    target: S3Target, files: Mapping[FileFormat, str]
) -> Iterator[tuple[str, S3Target, File]]:
    stem = str(PurePosixPath(target.key).with_suffix(""))
    for name, text in files.items():
        key = f"{stem}.seglst.json" if name == "seglst" else f"{stem}.{name}"
        yield name, replace(target, key=key), File(text.encode(), CONTENT_TYPES[name])


def _json_file(answer: Answer) -> File:
    return File(
        json.dumps(answer, allow_nan=False, ensure_ascii=False).encode(), "application/json"
    )


def _told(stored: Stored) -> Mapping[str, object]:
    told = {
        "size_bytes": stored.size_bytes,
        "etag": stored.etag,
        "s3_key": stored.s3_key,
        "s3_bucket": stored.s3_bucket,
        "url": stored.url,
    }
    return {key: value for key, value in told.items() if value is not None}


def _file_name(job_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", job_id)[:100]
