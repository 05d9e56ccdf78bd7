"""A model hub on this machine: the few answers of the Hugging Face hub that a download needs."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import time
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
    hidden_listing: bool = False
    """Refuse the listing, and serve the files."""
    garbled_listing: bool = False
    """Answer with a web page where a listing is asked for."""
    wrong_sums: bool = False
    """State sums that the files do not have."""
    stall_after_bytes: int | None = None
    """Send no more of a file than this, and keep the connection open."""
    storage: str | None = None
    """The address of a Xet storage that has the files' bytes; the hub itself then serves none."""
    xet_hashes: dict[str, str] = field(default_factory=dict)
    """The names of the files in that storage."""
    ended: threading.Event = field(default_factory=threading.Event)
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
        api = f"/api/models/{hub.model}"
        if hub.status != 200:
            self.refuse(hub.status, hub.error_code)
        elif path == f"{api}/tree/{hub.commit}" and hub.hidden_listing:
            self.refuse(403, None)
        elif path == f"{api}/tree/{hub.commit}" and hub.garbled_listing:
            self.reply(200, b"<html>Please log in</html>", {"Content-Type": "text/html"})
        elif path == f"{api}/tree/{hub.commit}":
            self.reply(200, json.dumps(hub.tree()).encode(), {"Content-Type": "application/json"})
        elif path == f"{api}/xet-read-token/{hub.commit}":
            self.reply(200, b"{}", self.storage_headers())
        elif path.startswith(prefix := f"/{hub.model}/resolve/{hub.commit}/"):
            self.reply_file(path.removeprefix(prefix))
        else:
            self.refuse(404, "RevisionNotFound")

    def reply_file(self, name: str) -> None:
        data = self.hub.files.get(name)
        hub = self.hub
        if hub.gated_files:
            self.refuse(401, "GatedRepo")
        elif data is None:
            self.refuse(404, "EntryNotFound")
        elif hub.storage is not None and self.command == "GET":
            self.refuse(400, None)
        else:
            headers = {"X-Repo-Commit": hub.commit, "ETag": f'"{hub.sha256(data)}"'}
            if hub.storage is not None:
                headers["X-Xet-Hash"] = hub.xet_hashes[name]
                route = f"{hub.url}/api/models/{hub.model}/xet-read-token/{hub.commit}"
                headers["X-Xet-Refresh-Route"] = route
            self.reply(200, data, headers)

    def storage_headers(self) -> Mapping[str, str]:
        return {
            "X-Xet-Cas-Url": self.hub.storage or "",
            "X-Xet-Access-Token": "storage-token",
            "X-Xet-Token-Expiration": str(int(time.time()) + 3600),
        }

    def refuse(self, status: int, error_code: str | None) -> None:
        self.reply(status, b"{}", {"X-Error-Code": error_code} if error_code else {})

    def reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "GET":
            return
        stall = self.hub.stall_after_bytes
        if stall is None or len(body) <= stall:
            self.wfile.write(body)
            return
        self.wfile.write(body[:stall])
        self.hub.ended.wait()
        self.close_connection = True

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
        hub.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def nemo_archive(content: bytes = b"weights") -> bytes:
    """A tar file, which is what a .nemo file is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        member = tarfile.TarInfo("model_weights.ckpt")
        member.size = len(content)
        file.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
