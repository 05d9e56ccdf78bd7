"""A hub with two models: pyannote's, which only those with a token may read, and Sortformer's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any, Final

from tests.hub import COMMIT, Handler, Hub

GATED: Final = "someone/gated"
OPEN: Final = "someone/open"
TOKEN: Final = "token-of-this-test"


class TwoModels(Handler):
    """Answers for the gated model, and for the open one."""

    def __init__(self, gated: Hub, free: Hub, *connection: Any) -> None:
        self.gated, self.free = gated, free
        super().__init__(gated, *connection)

    def do_GET(self) -> None:  # noqa: N802  the base class's
        self.hub = self.gated if GATED in self.path else self.free
        token = self.headers.get("Authorization")
        if self.hub is self.gated and token != f"Bearer {TOKEN}":
            self.hub.requests.append(self.path)
            self.refuse(401, "GatedRepo")
        else:
            super().do_GET()


@contextmanager
def two_models(checkpoint: bytes) -> Iterator[tuple[Hub, Hub]]:
    """Both at one address, while the context lasts: the gated one, and the open one."""
    gated, free = Hub(GATED, {"config.yaml": b"version: 4\n"}), Hub(OPEN, {"some.nemo": checkpoint})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(TwoModels, gated, free))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    gated.url = free.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield gated, free
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def variables(hub: Hub) -> dict[str, str]:
    """What a worker needs to take its diarizers from there."""
    return {
        "PARAKEET_DIARIZATION_MODEL": GATED,
        "PARAKEET_DIARIZATION_REVISION": COMMIT,
        "PARAKEET_SORTFORMER_MODEL": OPEN,
        "PARAKEET_SORTFORMER_REVISION": COMMIT,
        "HF_ENDPOINT": hub.url,
        "NO_PROXY": "127.0.0.1",
    }
