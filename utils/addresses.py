"""Which network addresses this worker connects to: only public ones.

A caller chooses the URL, and the worker sits in a data centre's network: without a guard a request
could read the metadata service or a neighbour (server-side request forgery). A host's addresses are
checked where they are resolved, and the connection goes to the very addresses that were checked; a
name that resolves anew to something else (DNS rebinding) is never asked again.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from speech.errors import RefusedAddressError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Well-known prefix, RFC 6052: the IPv4 address is in the last 32 bits."""
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that IANA has assigned for global unicast (RFC 4291)."""
_TEREDO = ipaddress.IPv6Network("2001::/32")
"""Refused whole: a Teredo address names both a server and a client, and nobody serves by it."""
_NEVER = tuple(
    ipaddress.IPv4Network(network)
    for network in ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15")
)
"""IANA's special-purpose registry, where Python's own answer has changed between patch releases."""
_NUMERIC_LABEL = re.compile(r"0x[0-9a-f]*|[0-9]+", re.IGNORECASE)


class GuardedResolver(AbstractResolver):
    """Resolves names for aiohttp, and refuses a name of which any address is not public."""

    def __init__(self, allowed: Collection[str]) -> None:
        """Take ``allowed``: pairs host:port that may be private."""
        self._allowed = allowed
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve and check.

        Raises:
            RefusedAddressError: An address of the host is not public.
            OSError: The name does not resolve.
        """
        results = await self._resolver.resolve(host, port, family)
        if not is_allowed(host, port, self._allowed):
            for result in results:
                refuse_private(ipaddress.ip_address(result["host"]), host)
        return results

    async def close(self) -> None:
        """Hold nothing, so close nothing."""


def check_url(url: URL, allowed: Collection[str]) -> None:
    """Check what needs no resolving: the scheme, and a host that is an address already.

    aiohttp asks no resolver for those. Odd spellings, such as 0x7f000001, 127.1, 2130706433 or
    0177.0.0.1, are refused as such: which address they mean depends on who reads them.

    Raises:
        RefusedAddressError: The URL must not be followed.
    """
    host = url.raw_host
    if url.scheme not in ("http", "https") or not host:
        raise RefusedAddressError("The URL leads to something that is not HTTP or HTTPS.")
    if is_allowed(host, url.port or 0, allowed):
        return
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        labels = host.rstrip(".").split(".")
        if ":" in host or all(_NUMERIC_LABEL.fullmatch(label) for label in labels):
            raise RefusedAddressError(
                f"The host {host[:80]} is an oddly spelled address; use a host name."
            ) from None
        return
    refuse_private(address, host)


def is_allowed(host: str, port: int, allowed: Collection[str]) -> bool:
    """Whether the settings exempt this very host and port from the guard."""
    return f"{host.lower()}:{port}" in {pair.lower() for pair in allowed}


def refuse_private(address: IPAddress, host: str) -> None:
    """Refuse an address that is not public.

    Raises:
        RefusedAddressError: With the host, but not its address: who asks must not map our network.
    """
    if not is_public(address):
        raise RefusedAddressError(
            f"The host {host[:80]} leads to a private, loopback, link-local or otherwise not "
            "public address. Use a public URL; for a server of one's own, the worker's setting "
            "PARAKEET_ALLOWED_PRIVATE_HOSTS can allow it."
        )


def is_public(address: IPAddress) -> bool:
    """Whether an address is globally routable, and an IPv4 address embedded in it too."""
    if isinstance(address, ipaddress.IPv4Address):
        return (
            address.is_global
            and not address.is_multicast
            and not address.is_reserved
            and not any(address in network for network in _NEVER)
        )
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.sixtofour is not None:
        return is_public(address.sixtofour)
    return address in _GLOBAL_UNICAST and address not in _TEREDO and address.is_global
