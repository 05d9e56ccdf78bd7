from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from speech.errors import RequestError, SourceError
from speech.request import S3Source, UrlSource
from speech.types import MediaFile, Progress, report_nothing
from tests.http_server import serve
from utils import s3
from utils.download import download
from utils.s3 import S3Settings
from utils.workspace import job_directory

CONTENT = os.urandom((5 << 20) + 17)
SECRET = "wJalrXUtnFEMI"
EXPIRED = (
    "<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Request has expired</Message>"
    "</Error>"
)


class ExpiringS3:
    """moto, but presigned URLs expire, as they do at Amazon's."""

    def __init__(self) -> None:
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        query = parse_qs(environ["QUERY_STRING"])
        if "X-Amz-Expires" in query:
            signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            if datetime.now(UTC) >= signed + timedelta(seconds=int(query["X-Amz-Expires"][0])):
                return Response(EXPIRED, 403, content_type="application/xml")(
                    environ, start_response
                )
        return self.moto(environ, start_response)


@contextmanager
def s3_server() -> Iterator[str]:
    server = make_server("127.0.0.1", 0, ExpiringS3(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings_for(host: str | None, bucket: str | None = "recordings") -> S3Settings:
    return S3Settings(
        access_key="AKIDTEST",
        secret_key=SECRET,
        endpoint=f"http://{host}" if host else None,
        bucket=bucket,
        region=None,
    )


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with s3_server() as host:
        client = client_for(host)
        client.create_bucket(Bucket="recordings")
        client.create_bucket(Bucket="others")
        client.put_object(Bucket="recordings", Key="a b/ü.wav", Body=CONTENT)
        client.put_object(Bucket="others", Key="small", Body=b"small")
        client.put_object(Bucket="recordings", Key="empty", Body=b"")
        client.close()
        yield host


def client_for(host: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://{host}",
        region_name="us-east-1",
        aws_access_key_id="AKIDTEST",
        aws_secret_access_key=SECRET,
        config=Config(signature_version="s3v4"),
    )


def fetched(
    source: S3Source,
    settings: S3Settings,
    root: Path,
    *,
    max_bytes: int | None = None,
    timeout_s: float | None = None,
) -> bytes:
    """What arrives on disk. Whatever happens, nothing may be left afterwards."""

    async def run(directory: Path) -> MediaFile:
        return await s3.fetch(
            source,
            directory,
            report_nothing,
            settings=settings,
            max_bytes=max_bytes,
            timeout_s=timeout_s,
        )

    try:
        with job_directory("job", root=root) as directory:
            media = asyncio.run(run(directory))
            assert media.size_bytes == media.path.stat().st_size
            return media.path.read_bytes()
    finally:
        assert list(root.iterdir()) == []


def error_of(
    source: S3Source, settings: S3Settings, root: Path, max_bytes: int | None = None
) -> SourceError:
    with pytest.raises(SourceError) as caught:
        fetched(source, settings, root, max_bytes=max_bytes)
    assert SECRET not in caught.value.message
    return caught.value


def test_an_object_of_several_chunks_arrives_and_the_progress_rises(
    host: str, tmp_path: Path
) -> None:
    reports: list[Progress] = []
    source = S3Source("a b/ü.wav", None)
    media = asyncio.run(s3.fetch(source, tmp_path, reports.append, settings=settings_for(host)))
    assert media.path.read_bytes() == CONTENT
    fractions = [report.fraction or 0.0 for report in reports]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert len(set(fractions)) > 4


def test_the_bucket_of_the_request_wins_over_the_configured_one(host: str, tmp_path: Path) -> None:
    assert fetched(S3Source("small", "others"), settings_for(host), tmp_path) == b"small"
    assert fetched(S3Source("small", "others"), settings_for(host, None), tmp_path) == b"small"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (S3Source("missing", None), "source_not_found"),
        (S3Source("small", "no-such-bucket"), "source_not_found"),
        (S3Source("empty", None), "source_empty"),
    ],
)
def test_what_is_not_there_has_its_code(
    source: S3Source, code: str, host: str, tmp_path: Path
) -> None:
    error = error_of(source, settings_for(host), tmp_path)
    assert (error.code, error.retryable) == (code, False)


def test_a_name_that_no_bucket_can_have_is_a_wrong_request(host: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="s3_bucket"):
        fetched(S3Source("k", "no bucket/at:all"), settings_for(host), tmp_path)


def test_an_object_over_the_limit_is_refused(host: str, tmp_path: Path) -> None:
    source = S3Source("a b/ü.wav", None)
    error = error_of(source, settings_for(host), tmp_path, len(CONTENT) - 1)
    assert error.code == "source_too_large"
    assert fetched(source, settings_for(host), tmp_path, max_bytes=len(CONTENT)) == CONTENT


def test_a_body_without_a_stated_length_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    with serve() as server:
        source = S3Source("endless", "bucket")
        error = error_of(source, settings_for(server.host), tmp_path, 5_000_000)
    assert error.code == "source_too_large"


def test_a_worker_without_credentials_or_bucket_says_what_to_set(tmp_path: Path) -> None:
    nothing = S3Settings(None, None, None, None, None)
    error = error_of(S3Source("k", "b"), nothing, tmp_path)
    assert error.code == "s3_not_configured"
    assert "S3_ACCESS_KEY" in error.message
    error = error_of(S3Source("k", None), settings_for(None, None), tmp_path)
    assert error.code == "s3_not_configured"
    assert "S3_BUCKET" in error.message


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (403, "source_forbidden", False),
        (404, "source_not_found", False),
        (400, "source_unreachable", False),
        (503, "source_unreachable", True),
    ],
)
def test_each_status_has_its_code(status: int, code: str, retryable: bool, tmp_path: Path) -> None:
    with serve() as server:
        source = S3Source(f"status/{status}", "bucket")
        error = error_of(source, settings_for(server.host), tmp_path)
        assert (error.code, error.retryable) == (code, retryable)
        assert (len(server.requests) > 1) == retryable


def test_the_endpoint_is_addressed_by_path_and_signed_by_version_4(tmp_path: Path) -> None:
    with serve(CONTENT) as server:
        fetched(S3Source("recording", "bucket"), settings_for(server.host), tmp_path)
        path, headers = server.requests[0]
    assert path == "/bucket/recording"
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDTEST/")


def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with serve() as server:
        pass
    error = error_of(S3Source("k", "bucket"), settings_for(server.host), tmp_path)
    assert (error.code, error.retryable) == ("source_unreachable", True)


def test_a_broken_off_body_is_continued(tmp_path: Path) -> None:
    with serve(CONTENT, breaks_left=2) as server:
        source = S3Source("breaking-with-ranges", "bucket")
        assert fetched(source, settings_for(server.host), tmp_path) == CONTENT
        ranges = [headers.get("Range") for _, headers in server.requests]
    assert ranges[0] is None
    assert all(re.fullmatch(r"bytes=[1-9]\d*-", asked or "") for asked in ranges[1:])


def test_a_body_that_keeps_breaking_off_is_unreachable(tmp_path: Path) -> None:
    with serve(CONTENT, breaks_left=100) as server:
        source = S3Source("breaking-with-ranges", "bucket")
        error = error_of(source, settings_for(server.host), tmp_path)
    assert (error.code, error.retryable) == ("source_unreachable", True)


def test_the_deadline_stops_the_thread(tmp_path: Path) -> None:
    with serve() as server, pytest.raises(SourceError) as caught:
        source = S3Source("endless", "bucket")
        fetched(source, settings_for(server.host), tmp_path, max_bytes=1 << 40, timeout_s=1.0)
    assert (caught.value.code, caught.value.retryable) == ("source_unreachable", True)


def test_cancelling_stops_the_thread_before_the_directory_goes(tmp_path: Path) -> None:
    async def run() -> int:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def report(progress: Progress) -> None:
            if progress.fraction is None:  # a chunk of unknown share has arrived
                loop.call_soon_threadsafe(begun.set)

        source = S3Source("endless", "bucket")
        task = asyncio.create_task(
            s3.fetch(
                source, tmp_path, report, settings=settings_for(server.host), max_bytes=1 << 40
            )
        )
        await asyncio.wait_for(begun.wait(), 20)
        task.cancel()
        await asyncio.wait([task], timeout=20)
        assert task.cancelled()
        return (tmp_path / "source").stat().st_size

    with serve() as server:
        size_bytes = asyncio.run(run())  # its end joins the threads
        assert (tmp_path / "source").stat().st_size == size_bytes


def presigned(host: str, expires_in_s: int) -> str:
    client = client_for(host)
    url: str = client.generate_presigned_url(
        "get_object",
        Params={"Bucket": "recordings", "Key": "a b/ü.wav"},
        ExpiresIn=expires_in_s,
    )
    client.close()
    return url


def test_a_presigned_url_is_downloaded(host: str, tmp_path: Path) -> None:
    source = UrlSource(presigned(host, 3600))
    media = asyncio.run(download(source, tmp_path, report_nothing, allowed_hosts=(host,)))
    assert media.path.read_bytes() == CONTENT


def test_an_expired_presigned_url_is_forbidden_and_its_signature_stays_secret(
    host: str, tmp_path: Path
) -> None:
    url = presigned(host, 0)
    with pytest.raises(SourceError) as caught:
        asyncio.run(download(UrlSource(url), tmp_path, report_nothing, allowed_hosts=(host,)))
    assert (caught.value.code, caught.value.retryable) == ("source_forbidden", False)
    assert "expired" in caught.value.message
    assert "Signature" not in caught.value.message
    assert list(tmp_path.iterdir()) == []
