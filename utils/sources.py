"""A recording from wherever the request says that it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

from speech.request import Base64Source, FileSource, S3Source, Source, UrlSource
from speech.types import MediaFile, Report


async def fetch(
    source: Source, directory: Path, report: Report, *, max_bytes: int | None = None
) -> MediaFile:
    """Put a recording's bytes into a file of the directory.

    The modules are imported where they are used: boto3 and aiohttp take longer to import than a
    start of the worker may take, and most workers need only one of them.

    Args:
        source: Where it is.
        directory: Where to put the file.
        report: Told of the stage "download", from any thread.
        max_bytes: The most that is accepted; None takes the configured limit.

    Raises:
        WorkerError: It cannot be had, is empty or too large.
    """
    match source:
        case Base64Source():
            from utils import inline

            return await asyncio.to_thread(
                inline.write_base64, source, directory, max_bytes=max_bytes
            )
        case UrlSource():
            from utils import download

            return await download.download(source, directory, report, max_bytes=max_bytes)
        case S3Source():
            from utils import s3

            return await s3.fetch(source, directory, report, max_bytes=max_bytes)
        case FileSource():
            from utils import local_file

            return local_file.link(source, directory, max_bytes=max_bytes)
