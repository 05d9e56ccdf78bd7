"""Calls to a caller's server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest

from speech.errors import WorkerError
from speech.request import Webhook
from tests.http_server import LocalServer, serve
from utils import notices, webhook

KEY = b"a key of 24 bytes or so."
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with serve() as local:
        yield local


def call(server: LocalServer, path: str, secret: str | None = None, attempts: int = 4) -> None:
    asyncio.run(
        webhook.call(
            Webhook(server.url(path), secret),
            "job.completed",
            "job-1",
            {"text": "Größe"},
            attempts=attempts,
            allowed_hosts=[server.host],
            first_pause_s=0.01,
        )
    )


@pytest.mark.parametrize(("secret", "key"), [(SECRET, KEY), ("plain words", b"plain words")])
def test_a_call_is_signed_as_the_standard_has_it(
    server: LocalServer, secret: str, key: bytes
) -> None:
    call(server, "/hook?token=1", secret)
    ((path, headers, body),) = server.taken
    assert path == "/hook?token=1"
    assert json.loads(body) == {
        "type": "job.completed",
        "job_id": "job-1",
        "data": {"text": "Größe"},
    }
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"


def test_without_a_secret_there_is_no_signature(server: LocalServer) -> None:
    call(server, "/hook")
    assert "webhook-signature" not in server.taken[0][1]


def test_a_retry_has_the_same_id(server: LocalServer) -> None:
    server.failures_left = 2
    call(server, "/hook", SECRET)
    ids = [
        {k.lower(): v for k, v in headers.items()}["webhook-id"] for _, headers in server.requests
    ]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    ("status", "code", "calls"), [(410, "output_refused", 1), (500, "output_unreachable", 4)]
)
def test_a_refusal_is_an_error(server: LocalServer, status: int, code: str, calls: int) -> None:
    with pytest.raises(WorkerError) as caught:
        call(server, f"/status/{status}")
    assert caught.value.code == code
    assert len(server.requests) == calls


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/hook", "http://169.254.169.254/x", "http://[::1]/", "http://10.0.0.1/"],
)
def test_a_private_address_is_refused_before_anything_is_heard(url: str) -> None:
    with pytest.raises(WorkerError) as caught:
        webhook.check(Webhook(url, None))
    assert caught.value.code == "url_refused"


def test_a_damaged_secret_is_told_of() -> None:
    with pytest.raises(WorkerError, match=r"webhook\.secret"):
        webhook.check(Webhook("https://example.com/", "whsec_not base64!"))


def test_a_webhook_that_nobody_takes_stands_in_the_answer() -> None:
    warnings: list[str] = []
    answer: dict[str, object] = {"success": True, "warnings": warnings}
    asyncio.run(notices.tell_end(Webhook("http://127.0.0.1:9/x", None), "job-1", answer))
    (warning,) = warnings
    assert "webhook" in warning
