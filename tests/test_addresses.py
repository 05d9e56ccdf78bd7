from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from speech.errors import RefusedAddressError
from utils.addresses import GuardedResolver, check_url, is_public

NOT_PUBLIC_V4 = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32",
]  # fmt: skip
PUBLIC_V4 = ["8.8.8.8", "1.1.1.1", "52.216.0.1", "172.32.0.1", "100.128.0.1", "223.255.255.1"]


def addresses_in(network: str) -> st.SearchStrategy[ipaddress.IPv4Address]:
    first, last = ipaddress.IPv4Network(network)[0], ipaddress.IPv4Network(network)[-1]
    return st.builds(ipaddress.IPv4Address, st.integers(int(first), int(last)))


def embedded(address: ipaddress.IPv4Address) -> list[ipaddress.IPv6Address]:
    """Every way in which IPv6 can carry an IPv4 address."""
    number = int(address)
    return [
        ipaddress.IPv6Address(0xFFFF << 32 | number),  # mapped
        ipaddress.IPv6Address(0x2002 << 112 | number << 80 | 1),  # 6to4
        ipaddress.IPv6Address(0x64FF9B << 96 | number),  # NAT64
        ipaddress.IPv6Address(0x64FF9B0001 << 80 | number),  # local NAT64
        ipaddress.IPv6Address(0x20010000 << 96 | (number ^ 0xFFFFFFFF)),  # Teredo
        ipaddress.IPv6Address(number),  # compatible, long deprecated
    ]


@given(st.sampled_from(NOT_PUBLIC_V4).flatmap(addresses_in))
def test_special_ipv4_is_never_public_however_it_is_wrapped(
    address: ipaddress.IPv4Address,
) -> None:
    assert not is_public(address)
    assert not any(is_public(wrapped) for wrapped in embedded(address))


@pytest.mark.parametrize("text", PUBLIC_V4)
def test_public_ipv4_is_public_also_mapped_and_translated(text: str) -> None:
    address = ipaddress.IPv4Address(text)
    mapped, sixtofour, nat64, *_ = embedded(address)
    assert is_public(address) and is_public(mapped) and is_public(sixtofour) and is_public(nat64)


@pytest.mark.parametrize(
    "text",
    [
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
        "2001:db8::1", "100::1", "2606:4700::1%1", "5f00::1",
    ],
)  # fmt: skip
def test_special_ipv6_is_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


def test_global_ipv6_is_public() -> None:
    assert is_public(ipaddress.ip_address("2606:4700:4700::1111"))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1.", "127.1", "0x7f000001", "0x7f.1", "2130706433", "0177.0.0.1",
        "017700000001", "0", "0x", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]",
        "169.254.169.254", "[fd00:ec2::254]", "[64:ff9b::7f00:1]", "１２７.0.0.1", "①②⑦.0.0.1",
        "10.0.0.1", "100.100.100.200", "8.8.2056", "[fe80::1%25eth0]",
    ],
)  # fmt: skip
def test_a_private_address_in_a_url_is_refused_in_every_spelling(host: str) -> None:
    with pytest.raises(RefusedAddressError) as caught:
        check_url(URL(f"http://{host}:8080/secret?token=1"), ())
    assert caught.value.code == "url_refused"
    assert not caught.value.retryable
    assert "token" not in caught.value.message


@given(st.integers(0, 0xFFFFFFFF), st.sampled_from(["%d", "0x%x", "0%o", "0X%X"]))
def test_an_address_written_as_one_number_is_refused_public_or_not(
    number: int, spelling: str
) -> None:
    with pytest.raises(RefusedAddressError):
        check_url(URL("http://" + spelling % number, encoded=True), ())


@pytest.mark.parametrize("url", ["ftp://example.com/", "file:///etc/passwd", "gopher://a/", "/a"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(RefusedAddressError):
        check_url(URL(url), ())


@pytest.mark.parametrize("host", ["example.com", "8.8.8.8", "[2606:4700::1]", "1e100.net", "0a.de"])
def test_public_hosts_pass(host: str) -> None:
    check_url(URL(f"https://{host}/a"), ())


def test_an_allowed_host_passes_at_its_own_port_only() -> None:
    check_url(URL("http://127.0.0.1:9000/"), ("127.0.0.1:9000",))
    check_url(URL("http://MINIO:9000/"), ("minio:9000",))
    with pytest.raises(RefusedAddressError):
        check_url(URL("http://127.0.0.1:9001/"), ("127.0.0.1:9000",))
    with pytest.raises(RefusedAddressError):
        check_url(URL("http://127.0.0.1/"), ("127.0.0.1",))


def resolve(host: str, port: int, allowed: tuple[str, ...] = ()) -> list[str]:
    async def ask() -> list[str]:
        resolver = GuardedResolver(allowed)
        results = await resolver.resolve(host, port, socket.AF_UNSPEC)
        await resolver.close()
        return [result["host"] for result in results]

    return asyncio.run(ask())


def test_a_name_that_resolves_to_loopback_is_refused() -> None:
    with pytest.raises(RefusedAddressError) as caught:
        resolve("localhost", 80)
    assert "localhost" in caught.value.message
    assert "127.0.0.1" not in caught.value.message


def test_an_allowed_name_resolves_to_its_addresses() -> None:
    addresses = resolve("localhost", 9000, ("localhost:9000",))
    assert addresses
    assert all(ipaddress.ip_address(address).is_loopback for address in addresses)


def test_a_public_address_comes_back_as_it_was_checked() -> None:
    assert resolve("8.8.8.8", 443) == ["8.8.8.8"]
