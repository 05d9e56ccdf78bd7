"""A model hub on this machine: the four answers of the Hugging Face hub that a download needs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the hub holds and how it behaves; tests change it while it runs."""

    model: str
    files: dict[str, bytes]
    url: str = ""
    status: int = 200
    """The answer to everything, unless 200."""
    error_code: str | None = None
    """The hub's X-Error-Code beside that status."""
    commit: str = COMMIT
    gated_files: bool = False
    """List the files to everyone, and refuse them."""
    wrong_sums: bool = False
    """State sums that the files do not have."""
    requests: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)

    def tree(self) -> list[Mapping[str, object]]:
        """The listing of the repository: large files with their sha256, small ones without."""
        entries: list[Mapping[str, object]] = []
        for path, data in self.files.items():
            entry: dict[str, object] = {
                "type": "file",
                "path": path,
                "size": len(data),
                "oid": hashlib.sha1(data).hexdigest(),
            }
            if not path.endswith(".yaml"):
                entry["lfs"] = {"oid": self.sha256(data), "size": len(data), "pointerSize": 134}
            entries.append(entry)
        return entries

    def sha256(self, data: bytes) -> str:
        """The sum that the hub states."""
        return hashlib.sha256(b"wrong" if self.wrong_sums else data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers for a hub."""

    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *connection: Any) -> None:
        self.hub = hub
        super().__init__(*connection)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.hub, urlsplit(self.path).path
        hub.requests.append(path)
        hub.tokens.add(self.headers.get("Authorization"))
        if hub.status != 200:
            self.refuse(hub.status, hub.error_code)
        elif path == f"/api/models/{hub.model}/tree/{hub.commit}":
            self.reply(200, json.dumps(hub.tree()).encode(), {"Content-Type": "application/json"})
        elif path.startswith(prefix := f"/{hub.model}/resolve/{hub.commit}/"):
            self.reply_file(path.removeprefix(prefix))
        else:
            self.refuse(404, "RevisionNotFound")

    def reply_file(self, name: str) -> None:
        data = self.hub.files.get(name)
        if self.hub.gated_files:
            self.refuse(401, "GatedRepo")
        elif data is None:
            self.refuse(404, "EntryNotFound")
        else:
            etag = f'"{self.hub.sha256(data)}"'
            self.reply(200, data, {"X-Repo-Commit": self.hub.commit, "ETag": etag})

    def refuse(self, status: int, error_code: str | None) -> None:
        self.reply(status, b"{}", {"X-Error-Code": error_code} if error_code else {})

    def reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing."""


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """Serve it at ``hub.url`` on the loopback interface."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, hub))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
