"""A local HTTP server with a route for each way in which a download can go.

Each route is also an object of the bucket "bucket", for what an S3 server must not do but may do.
"""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WEB_PAGE = b"<!DOCTYPE html>\n<html><body>Please log in.</body></html>"


@dataclass
class LocalServer:
    """What the server serves, and what it was asked."""

    content: bytes
    port: int = 0
    redirects: dict[str, str] = field(default_factory=dict)
    """Path to target."""
    requests: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """Path with query, and headers."""
    asked: threading.Event = field(default_factory=threading.Event)
    """Set by the first request."""
    taken: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    """Path with query, headers and body of each PUT and POST that was taken."""
    breaks_left: int = 0
    """How many more answers break off in the middle."""
    failures_left: int = 0
    """How many more answers are a 503."""
    released: threading.Event = field(default_factory=threading.Event)
    """Ends the waiting of slow answers."""

    @property
    def host(self) -> str:
        """As in the settings."""
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        """The address of a route."""
        return f"http://{self.host}{path}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    local: LocalServer

    def do_GET(self) -> None:
        self.local.requests.append((self.path, dict(self.headers.items())))
        self.local.asked.set()
        path = self.path.partition("?")[0].removeprefix("/bucket")
        if path.startswith("/status/"):
            self._answer(int(path.rpartition("/")[2]), b"no")
        elif path in self.local.redirects:
            self._answer(302, b"", {"Location": self.local.redirects[path]})
        else:
            getattr(self, "_get_" + path.strip("/").replace("-", "_"))()

    def do_PUT(self) -> None:
        self.local.requests.append((self.path, dict(self.headers.items())))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.partition("?")[0]
        if path.startswith("/status/"):
            self._answer(int(path.rpartition("/")[2]), b"no")
        elif self.local.failures_left:
            self.local.failures_left -= 1
            self._answer(503, b"later")
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.local.taken.append((self.path, headers, body))
            self._answer(200, b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})

    def do_POST(self) -> None:
        self.do_PUT()

    def _get_recording(self) -> None:
        self._answer(200, self.local.content, {"Content-Type": "audio/wav"})

    def _get_empty(self) -> None:
        self._answer(200, b"")

    def _get_page(self) -> None:
        self._answer(200, WEB_PAGE, {"Content-Type": "text/html; charset=utf-8"})

    def _get_page_in_disguise(self) -> None:
        self._answer(200, b"\xef\xbb\xbf\n" + WEB_PAGE, {"Content-Type": "audio/mpeg"})

    def _get_gzip(self) -> None:
        self._answer(200, gzip.compress(self.local.content), {"Content-Encoding": "gzip"})

    def _get_endless(self) -> None:
        """Chunks without a stated length, until the client goes."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        chunk = b"%x\r\n%b\r\n" % (1 << 16, bytes(1 << 16))
        try:
            while not self.local.released.is_set():
                self.wfile.write(chunk)
        except OSError:
            self.close_connection = True

    def _get_slow(self) -> None:
        """The first byte, and then nothing."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x")
        self.local.released.wait(60)
        self.close_connection = True

    def _get_flaky(self) -> None:
        """503 for ``failures_left`` times."""
        if self.local.failures_left:
            self.local.failures_left -= 1
            self._answer(503, b"later")
        else:
            self._get_recording()

    def _get_breaking(self) -> None:
        """Break off half-way for ``breaks_left`` times; no word of ranges."""
        if not self._breaks_off(200, self.local.content, {}):
            self._get_recording()

    def _get_breaking_with_ranges(self) -> None:
        """The same, with ranges."""
        self._ranges('"one"')

    def _get_breaking_and_changing(self) -> None:
        """The same, but each answer is of another version."""
        self._ranges(f'"{len(self.local.requests)}"')

    def _ranges(self, etag: str) -> None:
        asked = self.headers.get("Range")
        begin = 0
        if asked and etag in (self.headers.get("If-Range"), self.headers.get("If-Match")):
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
        total = len(self.local.content)
        headers = {"ETag": etag, "Accept-Ranges": "bytes"}
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{total - 1}/{total}"
        status, content = (206 if begin else 200), self.local.content[begin:]
        if not self._breaks_off(status, content, headers):
            self._answer(status, content, headers)

    def _breaks_off(self, status: int, content: bytes, headers: Mapping[str, str]) -> bool:
        if not self.local.breaks_left:
            return False
        self.local.breaks_left -= 1
        self._answer(status, content, headers, sent=len(content) // 2)
        self.close_connection = True
        return True

    def _answer(
        self,
        status: int,
        content: bytes,
        headers: Mapping[str, str] | None = None,
        sent: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status not in (204, 205, 304):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status not in (204, 205, 304):
            self.wfile.write(content[:sent])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Stay silent."""


@contextmanager
def serve(
    content: bytes = b"", *, breaks_left: int = 0, failures_left: int = 0
) -> Iterator[LocalServer]:
    """Serve on 127.0.0.1, on a free port."""
    local = LocalServer(content, breaks_left=breaks_left, failures_left=failures_left)
    handler = type("Handler", (_Handler,), {"local": local})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    local.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield local
    finally:
        local.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
