"""The HTTP client of the worker: to public addresses only, without proxies and cookies."""

from __future__ import annotations

from collections.abc import Collection

import aiohttp

from utils import addresses

_CONNECT_TIMEOUT_S = 20.0
_READ_TIMEOUT_S = 60.0
"""For silence in the middle of an answer."""


def session(allowed: Collection[str]) -> aiohttp.ClientSession:
    """A client whose connections are guarded; see ``addresses``.

    Args:
        allowed: Pairs host:port that may be private.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=addresses.GuardedResolver(allowed), use_dns_cache=False, force_close=True
        ),
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_TIMEOUT_S, sock_read=_READ_TIMEOUT_S
        ),
        trust_env=False,  # a proxy would resolve names behind the guard's back
        cookie_jar=aiohttp.DummyCookieJar(),
    )
