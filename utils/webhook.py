"""Tells a caller's server how a job goes: signed as Standard Webhooks has it, and retried.

Headers ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``: ``v1,`` and the base64 of
the HMAC-SHA256 over ``id.timestamp.body`` (https://www.standardwebhooks.com), so that libraries of
many languages can verify a call.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ssl
import time
from collections.abc import Collection
from typing import Final, Literal

import aiohttp
from yarl import URL

import config
from speech.envelope import encode
from speech.errors import DeliveryError, RequestError
from speech.request import Webhook
from utils import addresses, download, http_session, upload

Event = Literal["job.completed", "job.failed", "job.progress"]

MAX_ATTEMPTS: Final = 4
TIMEOUT_S: Final = 15.0
"""For one attempt."""
_PREFIX: Final = "whsec_"


def check(webhook: Webhook) -> None:
    """Refuse, before anything is heard, what could never be called.

    Raises:
        RefusedAddressError: The URL is an address that is not public.
        RequestError: The URL or the secret is malformed.
    """
    addresses.check_url(download.parse_url(webhook.url), config.ALLOWED_PRIVATE_HOSTS)
    _key(webhook.secret or "")


async def call(
    webhook: Webhook,
    event: Event,
    job_id: str,
    data: object,
    *,
    attempts: int = MAX_ATTEMPTS,
    allowed_hosts: Collection[str] | None = None,
    first_pause_s: float = 0.5,
) -> None:
    """Post one event. Failures that may pass are retried, each time with the same id.

    Args:
        webhook: Whom to call.
        event: What has happened.
        job_id: RunPod's.
        data: The answer or the progress.
        attempts: How often to try.
        allowed_hosts: Pairs host:port that may be private; None takes the configured value.
        first_pause_s: Before the second attempt; it doubles before each further one.

    Raises:
        DeliveryError: Nobody took it.
        RefusedAddressError: The URL leads to an address that is not public.
    """
    allowed = config.ALLOWED_PRIVATE_HOSTS if allowed_hosts is None else allowed_hosts
    body = encode({"type": event, "job_id": job_id, "data": data})
    message_id = _message_id(event, job_id, body)
    url = download.parse_url(webhook.url)
    addresses.check_url(url, allowed)
    async with http_session.session(allowed) as session:
        for attempt in range(attempts):
            headers = _headers(webhook.secret, message_id, body)
            try:
                await _post(session, url, headers, body)
            except DeliveryError as error:
                if not error.retryable or attempt == attempts - 1:
                    raise
                await asyncio.sleep(first_pause_s * 2**attempt)
            else:
                return


async def _post(
    session: aiohttp.ClientSession, url: URL, headers: dict[str, str], body: bytes
) -> None:
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientConnectorCertificateError, ssl.CertificateError) as error:
        raise DeliveryError(
            "output_unreachable", f"The certificate of {url.host} is not valid for it."
        ) from error
    except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
        raise DeliveryError(
            "output_unreachable", f"{url.host} could not be reached.", retryable=True
        ) from error
    if status >= 500 or status in upload.TRANSIENT:
        raise DeliveryError("output_unreachable", f"{url.host} failed ({status}).", retryable=True)
    if not 200 <= status < 300:
        raise DeliveryError("output_refused", f"{url.host} refused the call ({status}).")


def _headers(secret: str | None, message_id: str, body: bytes) -> dict[str, str]:
    now_s = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "parakeet-worker",
        "webhook-id": message_id,
        "webhook-timestamp": now_s,
    }
    if secret:
        headers["webhook-signature"] = signature(secret, message_id, now_s, body)
    return headers


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """What a receiver compares the header ``webhook-signature`` with.

    Args:
        secret: ``whsec_`` and base64, or any text, of which the UTF-8 bytes count.
        message_id: The header ``webhook-id``.
        timestamp: The header ``webhook-timestamp``: seconds since 1970.
        body: The body as it came.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    mac = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(mac).decode()}"


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(
            f"webhook.secret begins with {_PREFIX}, and base64 must follow; send it as it was made."
        ) from None


def _message_id(event: Event, job_id: str, body: bytes) -> str:
    """The same for each attempt, and another for each event: receivers drop what came twice."""
    digest = hashlib.sha256(body).hexdigest()[:12]
    return f"{job_id}-{event.partition('.')[2]}-{digest}"
