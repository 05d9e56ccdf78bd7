"""Fetches a model into a staging folder: huggingface_hub does, in a process of the environment."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import config
from volume import programs, publish
from volume.build import require_room
from volume.errors import BootstrapError
from volume.models import CODES, Model
from volume.publish import Manifest
from volume.steps import Step, Tell

PROGRAM: Final = config.ROOT / "engine" / "hub_download.py"

STALL_S: Final = 300.0
"""A download that brings nothing for so long is hung, and ended."""


def maker(model: Model, python: Path, token: str | None, scratch: Path) -> publish.Make:
    """What ``publish.obtain`` calls to download a model.

    Args:
        model: Which.
        python: Of the models' environment.
        token: Of the hub.
        scratch: A folder on local disk for what the hub's library keeps beside the files.
    """

    def make(staging: Path, tell: Tell) -> Manifest:
        require_room(staging, model.expected_bytes, f"{model.name} needs")
        request = {
            "kind": model.kind,
            "model": model.name,
            "revision": model.revision,
            "token": token,  # on stdin: a command line may be read by everybody
            "folder": str(staging),
        }
        files = download(model, python, request, scratch, tell)
        return {"model": model.name, "revision": model.revision, "files": files}

    return make


def refuser(model: Model) -> publish.Make:
    """What stands in for ``maker`` where downloads are forbidden."""

    def refuse(*_: object) -> Manifest:
        raise BootstrapError(
            CODES[model.kind],
            f"{model.title}: it is not on the volume, and HF_HUB_OFFLINE forbids download",
        )

    return refuse


def download(
    model: Model, python: Path, request: Mapping[str, object], scratch: Path, tell: Tell
) -> dict[str, Any]:
    """Fetch a model's files into a folder; {path: {bytes, sha256}}.

    Raises:
        BootstrapError: With the code of the model's kind, or ``volume_full``.
    """
    more = {
        "HF_HOME": str(scratch / "hub"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "30",
        "HF_XET_TELEMETRY_ENABLED": "0",
        "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "3",  # its own number goes on for minutes
    }
    with programs.started([str(python), "-I", "-u", str(PROGRAM)], more) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode())
            process.stdin.close()
            return _follow(model, process.stdout, tell)
        except BrokenPipeError as error:
            raise _ended(model) from error


def _follow(model: Model, answers: IO[bytes], tell: Tell) -> dict[str, Any]:
    """Pass progress on until the end comes."""
    name = f"downloading {model.name}"
    tell(Step(name, 0.0))
    begin_s = grown_s = time.monotonic()
    most_bytes = 0
    for line in answers:
        answer = json.loads(line)
        if answer["type"] == "done":
            files: dict[str, Any] = answer["files"]
            return files
        if answer["type"] == "error":
            raise BootstrapError(answer["code"], answer["message"], retryable=answer["retryable"])
        now_s, done, total = time.monotonic(), answer["done_bytes"], answer["total_bytes"]
        if done > most_bytes:
            most_bytes, grown_s = done, now_s
        elif now_s - grown_s > STALL_S:
            raise BootstrapError(
                CODES[model.kind],
                f"{model.name}: the download brought nothing for {STALL_S:.0f} s",
                retryable=True,
            )
        share = min(1.0, done / total) if total else None
        remaining_s = (now_s - begin_s) * (1 / share - 1) if share else None
        tell(Step(name, share, done, total, remaining_s))
    raise _ended(model)


def _ended(model: Model) -> BootstrapError:
    return BootstrapError(
        CODES[model.kind], f"{model.name}: the download ended without an answer", retryable=True
    )
