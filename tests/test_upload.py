"""Results put to presigned URLs."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator

import pytest

from speech.errors import WorkerError
from speech.request import UrlTarget
from tests.http_server import LocalServer, serve
from utils.upload import MAX_ATTEMPTS, File, Stored, put_url

FILE = File(b'{"text": "Yes."}', "application/json")


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with serve() as local:
        yield local


def put(server: LocalServer, path: str, **more: float) -> Stored:
    async def scenario() -> Stored:
        return await put_url(
            UrlTarget(server.url(path)),
            FILE,
            allowed_hosts=[server.host],
            timeout_s=more.get("timeout_s", 30),
            first_pause_s=0.01,
        )

    return asyncio.run(scenario())


def refused(server: LocalServer, path: str) -> WorkerError:
    with pytest.raises(WorkerError) as caught:
        put(server, path)
    return caught.value


def test_the_file_arrives_with_its_type_and_checksum(server: LocalServer) -> None:
    stored = put(server, "/result.json?X-Amz-Signature=abc")
    ((path, headers, body),) = server.taken
    assert path == "/result.json?X-Amz-Signature=abc"
    assert body == FILE.body
    assert headers["content-type"] == "application/json"
    assert base64.b64decode(headers["content-md5"]) == hashlib.md5(body).digest()
    assert stored == Stored(len(body), hashlib.md5(body).hexdigest())


def test_what_may_pass_is_tried_again(server: LocalServer) -> None:
    server.failures_left = MAX_ATTEMPTS - 1
    put(server, "/result.json")
    assert len(server.taken) == 1
    assert len(server.requests) == MAX_ATTEMPTS


def test_a_server_that_keeps_failing_is_told_of(server: LocalServer) -> None:
    error = refused(server, "/status/503?X-Amz-Signature=abc")
    assert (error.code, error.retryable) == ("output_unreachable", True)
    assert len(server.requests) == MAX_ATTEMPTS
    assert "abc" not in error.message


def test_an_expired_url_is_not_tried_again(server: LocalServer) -> None:
    error = refused(server, "/status/403?X-Amz-Signature=abc")
    assert (error.code, error.retryable) == ("output_refused", False)
    assert len(server.requests) == 1
    assert "expired" in error.message
    assert "abc" not in error.message


def test_redirects_are_not_followed(server: LocalServer) -> None:
    assert refused(server, "/status/307").code == "output_refused"


def test_private_addresses_are_refused(server: LocalServer) -> None:
    with pytest.raises(WorkerError) as caught:
        asyncio.run(put_url(UrlTarget(server.url("/x")), FILE, allowed_hosts=[]))
    assert caught.value.code == "url_refused"
    assert server.requests == []


def test_nobody_listens() -> None:
    with serve() as gone:
        host, url = gone.host, gone.url("/x")
    with pytest.raises(WorkerError) as caught:
        asyncio.run(
            put_url(UrlTarget(url), FILE, allowed_hosts=[host], timeout_s=30, first_pause_s=0.01)
        )
    assert caught.value.code == "output_unreachable"
