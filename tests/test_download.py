from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from yarl import URL

from speech.errors import RefusedAddressError, RequestError, SourceError
from speech.request import UrlSource
from speech.types import MediaFile, Progress, report_nothing
from tests.http_server import LocalServer, serve
from utils.download import download, parse_url, redirected
from utils.workspace import job_directory

SECRET = "X-Amz-Signature=0123456789abcdef"
CONTENT = os.urandom(3_000_000)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with serve(CONTENT) as server:
        yield server


def fetched(
    url: str,
    root: Path,
    allowed: tuple[str, ...],
    *,
    max_bytes: int | None = None,
    timeout_s: float | None = None,
) -> bytes:
    """What arrives on disk. Whatever happens, nothing may be left afterwards."""

    async def run(directory: Path) -> MediaFile:
        return await download(
            UrlSource(url),
            directory,
            report_nothing,
            max_bytes=max_bytes,
            timeout_s=timeout_s,
            allowed_hosts=allowed,
            first_pause_s=0.01,
        )

    try:
        with job_directory("job", root=root) as directory:
            media = asyncio.run(run(directory))
            assert media.size_bytes == media.path.stat().st_size
            return media.path.read_bytes()
    finally:
        assert list(root.iterdir()) == []


def error_of(
    url: str, root: Path, allowed: tuple[str, ...], *, timeout_s: float | None = None
) -> SourceError:
    with pytest.raises(SourceError) as caught:
        fetched(f"{url}?{SECRET}", root, allowed, timeout_s=timeout_s)
    assert SECRET not in caught.value.message
    assert URL(url).path not in caught.value.message
    return caught.value


def test_the_bytes_arrive_and_the_progress_rises(server: LocalServer, tmp_path: Path) -> None:
    reports: list[Progress] = []
    source = UrlSource(server.url("/recording"))
    media = asyncio.run(download(source, tmp_path, reports.append, allowed_hosts=(server.host,)))
    assert media.path.read_bytes() == CONTENT
    fractions = [report.fraction or 0.0 for report in reports]
    assert {report.stage for report in reports} == {"download"}
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert len(set(fractions)) > 2


def test_a_signature_reaches_the_server_letter_by_letter(
    server: LocalServer, tmp_path: Path
) -> None:
    query = "?a=%2Fx%2fy%20z+w&X-Amz-Signature=ab%3D%3D&b=~!*'()"
    fetched(server.url("/recording") + query, tmp_path, (server.host,))
    assert server.requests[0][0] == "/recording" + query


def test_no_cookies_credentials_or_compression_are_sent(
    server: LocalServer, tmp_path: Path
) -> None:
    server.redirects["/moved"] = server.url("/recording")
    fetched(server.url("/moved"), tmp_path, (server.host,))
    assert [path for path, _ in server.requests] == ["/moved", "/recording"]
    for _, headers in server.requests:
        assert headers["Accept-Encoding"] == "identity"
        assert not {"Authorization", "Cookie", "Referer"} & set(headers)


def test_a_body_that_comes_compressed_all_the_same_is_unpacked_and_counted(tmp_path: Path) -> None:
    with serve(bytes(5_000_000)) as server:
        url = server.url("/gzip")
        assert fetched(url, tmp_path, (server.host,)) == bytes(5_000_000)
        with pytest.raises(SourceError) as caught:
            fetched(url, tmp_path, (server.host,), max_bytes=4_000_000)
    assert caught.value.code == "source_too_large"


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (401, "source_forbidden", False),
        (403, "source_forbidden", False),
        (404, "source_not_found", False),
        (410, "source_not_found", False),
        (400, "source_unreachable", False),
        (418, "source_unreachable", False),
        (304, "source_unreachable", False),
        (206, "source_unreachable", False),
        (204, "source_empty", False),
        (500, "source_unreachable", True),
        (503, "source_unreachable", True),
        (429, "source_unreachable", True),
    ],
)
def test_each_status_has_its_code(
    status: int, code: str, retryable: bool, server: LocalServer, tmp_path: Path
) -> None:
    error = error_of(server.url(f"/status/{status}"), tmp_path, (server.host,))
    assert (error.code, error.retryable) == (code, retryable)
    assert server.host.partition(":")[0] in error.message
    assert (len(server.requests) > 1) == retryable


def test_a_forbidden_url_says_what_to_do(server: LocalServer, tmp_path: Path) -> None:
    error = error_of(server.url("/status/403"), tmp_path, (server.host,))
    assert "presigned" in error.message


@pytest.mark.parametrize("path", ["/page", "/page-in-disguise"])
def test_a_web_page_is_no_recording(path: str, server: LocalServer, tmp_path: Path) -> None:
    error = error_of(server.url(path), tmp_path, (server.host,))
    assert error.code == "not_media"
    assert "a web page, not a recording" in error.message


def test_nothing_is_an_empty_source(server: LocalServer, tmp_path: Path) -> None:
    error = error_of(server.url("/empty"), tmp_path, (server.host,))
    assert error.code == "source_empty"


def test_a_stated_length_over_the_limit_is_refused_before_a_byte_is_read(
    server: LocalServer, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as caught:
        fetched(server.url("/slow"), tmp_path, (server.host,), max_bytes=999)
    assert caught.value.code == "source_too_large"


def test_a_body_without_a_stated_length_is_cut_off_at_the_limit(
    server: LocalServer, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as caught:
        fetched(server.url("/endless"), tmp_path, (server.host,), max_bytes=5_000_000)
    assert caught.value.code == "source_too_large"
    assert "5000000" in caught.value.message


def test_exactly_the_limit_is_accepted(server: LocalServer, tmp_path: Path) -> None:
    url = server.url("/recording")
    assert fetched(url, tmp_path, (server.host,), max_bytes=len(CONTENT)) == CONTENT


def test_a_server_that_fails_at_first_is_asked_again(tmp_path: Path) -> None:
    with serve(CONTENT, failures_left=2) as server:
        assert fetched(server.url("/flaky"), tmp_path, (server.host,)) == CONTENT
        assert len(server.requests) == 3


def test_a_broken_off_body_starts_anew_where_the_server_knows_no_ranges(tmp_path: Path) -> None:
    with serve(CONTENT, breaks_left=2) as server:
        assert fetched(server.url("/breaking"), tmp_path, (server.host,)) == CONTENT
        assert all("Range" not in headers for _, headers in server.requests)


def test_a_broken_off_body_is_continued_where_the_server_knows_ranges(tmp_path: Path) -> None:
    with serve(CONTENT, breaks_left=2) as server:
        url = server.url("/breaking-with-ranges")
        assert fetched(url, tmp_path, (server.host,)) == CONTENT
        assert [headers.get("Range") for _, headers in server.requests] == [
            None,
            f"bytes={len(CONTENT) // 2}-",
            f"bytes={len(CONTENT) // 2 + len(CONTENT) // 4}-",
        ]


def test_parts_of_two_versions_are_never_joined(tmp_path: Path) -> None:
    with serve(CONTENT, breaks_left=2) as server:
        url = server.url("/breaking-and-changing")
        assert fetched(url, tmp_path, (server.host,)) == CONTENT


def test_a_body_that_keeps_breaking_off_is_unreachable(tmp_path: Path) -> None:
    with serve(CONTENT, breaks_left=100) as server:
        error = error_of(server.url("/breaking"), tmp_path, (server.host,))
    assert (error.code, error.retryable) == ("source_unreachable", True)
    assert "broke off" in error.message


def test_a_silent_server_ends_with_the_deadline(server: LocalServer, tmp_path: Path) -> None:
    error = error_of(server.url("/slow"), tmp_path, (server.host,), timeout_s=0.5)
    assert (error.code, error.retryable) == ("source_unreachable", True)
    assert "0.5 s" in error.message


def test_a_port_where_nobody_listens_is_unreachable(tmp_path: Path) -> None:
    with serve() as server:
        pass
    error = error_of(server.url("/gone"), tmp_path, (server.host,))
    assert (error.code, error.retryable) == ("source_unreachable", True)


def test_a_name_that_does_not_resolve_is_unreachable(tmp_path: Path) -> None:
    error = error_of("http://no-such-host.invalid/recording", tmp_path, ())
    assert (error.code, error.retryable) == ("source_unreachable", True)
    assert "no-such-host.invalid does not resolve" in error.message


def test_redirects_are_followed_also_relative_ones(server: LocalServer, tmp_path: Path) -> None:
    server.redirects |= {"/a/b": "../c?x=1", "/c": "/recording"}
    assert fetched(server.url("/a/b"), tmp_path, (server.host,)) == CONTENT
    assert [path for path, _ in server.requests] == ["/a/b", "/c?x=1", "/recording"]


def test_five_redirects_are_followed_and_six_are_not(server: LocalServer, tmp_path: Path) -> None:
    server.redirects |= {f"/hop{n}": f"/hop{n - 1}" for n in range(1, 7)}
    server.redirects["/hop1"] = "/recording"
    assert fetched(server.url("/hop5"), tmp_path, (server.host,)) == CONTENT
    error = error_of(server.url("/hop6"), tmp_path, (server.host,))
    assert (error.code, error.retryable) == ("source_unreachable", False)


def refused(url: str, root: Path, allowed: tuple[str, ...] = ()) -> None:
    with pytest.raises(RefusedAddressError) as caught:
        fetched(f"{url}?{SECRET}", root, allowed)
    assert caught.value.code == "url_refused"
    assert SECRET not in caught.value.message


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "[::1]", "0"]
)
def test_a_private_host_is_refused_and_never_asked(
    host: str, server: LocalServer, tmp_path: Path
) -> None:
    refused(f"http://{host}:{server.port}/recording", tmp_path)
    assert server.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "[::ffff:127.0.0.1]"])
def test_a_redirect_to_a_private_address_is_refused_and_never_followed(
    host: str, server: LocalServer, tmp_path: Path
) -> None:
    with serve(CONTENT) as inner:
        server.redirects["/out"] = f"http://{host}:{inner.port}/recording"
        refused(server.url("/out"), tmp_path, (server.host,))
        assert inner.requests == []


def test_a_redirect_to_another_scheme_is_refused(server: LocalServer, tmp_path: Path) -> None:
    server.redirects["/out"] = "file:///etc/passwd"
    refused(server.url("/out"), tmp_path, (server.host,))


def test_a_redirect_from_https_to_http_is_refused() -> None:
    secure = URL("https://example.com/a")
    with pytest.raises(RefusedAddressError):
        redirected(secure, "http://example.com/a")
    assert redirected(secure, "/b") == URL("https://example.com/b")
    assert redirected(URL("http://example.com/a"), "https://example.com/") == URL(
        "https://example.com/"
    )


def test_a_redirect_to_nowhere_is_unreachable(server: LocalServer, tmp_path: Path) -> None:
    error = error_of(server.url("/status/302"), tmp_path, (server.host,))
    assert error.code == "source_unreachable"


@pytest.mark.parametrize("text", ["http://[::1/a", "http://a:b/c", "http://example.com:99999/"])
def test_a_malformed_url_is_a_wrong_request(text: str) -> None:
    with pytest.raises(RequestError, match="audio_url"):
        parse_url(text)


def test_a_cancelled_download_ends_at_once(server: LocalServer, tmp_path: Path) -> None:
    async def run() -> None:
        source = UrlSource(server.url("/slow"))
        task = asyncio.create_task(
            download(source, tmp_path, report_nothing, allowed_hosts=(server.host,))
        )
        assert await asyncio.to_thread(server.asked.wait, 20)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(asyncio.wait_for(run(), 30))
