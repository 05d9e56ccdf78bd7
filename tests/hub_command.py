"""Runs the command that downloads a model, and a Xet storage for the hub of ``tests/hub.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.environments import ROOT
from tests.hub import COMMIT, Hub

MODEL = "someone/some-model"
COMMAND = (sys.executable, "-I", "-u", str(ROOT / "engine" / "hub_download.py"))
DEADLINE_S = 120.0

STORE = """
import json, sys
import hf_xet
storage, *paths = sys.argv[1:]
print(json.dumps([i.hash for i in hf_xet.upload_files(paths, storage, None, None, None, None)]))
"""


def store(hub: Hub, folder: Path) -> None:
    """Put the hub's files into a Xet storage in a folder, as the real hub keeps large files."""
    hub.storage = f"local://{folder / 'storage'}"
    paths = [folder / f"file-{number}" for number in range(len(hub.files))]
    for path, data in zip(paths, hub.files.values(), strict=True):
        path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", STORE, hub.storage, *map(str, paths)],
        env={**os.environ, "HF_HOME": str(folder / "hf-of-the-storage")},
        stdout=subprocess.PIPE,
        check=True,
        timeout=DEADLINE_S,
    )
    hub.xet_hashes.update(zip(hub.files, json.loads(done.stdout), strict=True))


@dataclass(frozen=True)
class Ended:
    """A command that has ended. That each line of its stdout is a JSON object is tested here."""

    status: int
    lines: Sequence[Mapping[str, Any]]
    output: str

    @property
    def answer(self) -> Mapping[str, Any]:
        assert self.lines, self.output
        assert [line["type"] for line in self.lines[:-1]] == ["progress"] * (len(self.lines) - 1)
        return self.lines[-1]

    @property
    def error(self) -> Mapping[str, Any]:
        assert (self.status, self.answer["type"]) == (1, "error"), self.output
        return self.answer

    @property
    def files(self) -> Mapping[str, Any]:
        assert (self.status, self.answer["type"]) == (0, "done"), self.output
        return dict(self.answer["files"])


@dataclass(frozen=True)
class Downloader:
    """Runs the command, each time into the same folder."""

    folder: Path
    home: Path

    def order(self, kind: str = "speech", **changes: str | None) -> bytes:
        order: dict[str, str | None] = {
            "kind": kind,
            "model": MODEL,
            "revision": COMMIT,
            "token": None,
            "folder": str(self.folder),
        }
        return json.dumps({**order, **changes}).encode() + b"\n"

    def environment(self, endpoint: str, changes: Mapping[str, str]) -> Mapping[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {
            **kept,
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_ETAG_TIMEOUT": "5",
            "NO_PROXY": "127.0.0.1",
            **changes,
        }

    def run(
        self,
        endpoint: str,
        kind: str = "speech",
        *,
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        **order: str | None,
    ) -> Ended:
        done = subprocess.run(
            [*before, *COMMAND],
            input=self.order(kind, **order),
            env=self.environment(endpoint, environment or {}),
            cwd="/",
            capture_output=True,
            timeout=DEADLINE_S,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert all(isinstance(line, dict) for line in lines)
        return Ended(done.returncode, lines, (done.stdout + done.stderr).decode())

    def start(self, endpoint: str) -> subprocess.Popen[bytes]:
        """Start it; its stdout is a pipe that ends, at the latest, at the deadline."""
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *COMMAND],
            env=self.environment(endpoint, {}),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(self.order())
        process.stdin.flush()  # and stays open: one line is the whole order
        return process

    def kept(self) -> dict[str, bytes]:
        """Every file below the folder."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }
