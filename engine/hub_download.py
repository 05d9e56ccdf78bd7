"""Downloads one model: ``python -I -u engine/hub_download.py`` in the models' environment.

stdin    one line, a JSON object: {"kind": "speech" | "diarization", "model", "revision",
         "token": string or null, "folder"}; the folder exists and is empty
stdout   one JSON object a line:
         {"type": "progress", "done_bytes", "total_bytes": number or null}, at most one a second
         {"type": "done", "files": {path below the folder: {"bytes", "sha256"}}}, then status 0, or
         {"type": "error", "code", "message", "retryable"}, then status 1
stderr   whatever libraries print

The folder is whole only after "done". Its files are then on disk, and have the sums told there.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from engine.hub import HubModel

PROGRESS_INTERVAL_S: Final = 1.0


def main() -> None:
    """Do what stdin says, and end."""
    lines = private_stdout()
    # Under -I the script's folder is not on the path.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from engine import hub
    from speech.errors import EngineError

    model, folder = read_order(sys.stdin.buffer.readline())
    try:
        files = hub.wanted(model)
        with telling_progress(lines, folder, files.total_bytes):
            kept = hub.download(model, files, folder)
    except EngineError as error:
        write(
            lines,
            type="error",
            code=error.code,
            message=error.message,
            retryable=error.retryable,
        )
        end_process(1)
    write(lines, type="done", files={name: asdict(file) for name, file in kept.items()})
    end_process(0)


def private_stdout() -> IO[str]:
    """Take stdout for our lines alone: what else is printed there from now on goes to stderr."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return lines


def read_order(line: bytes) -> tuple[HubModel, Path]:
    """The model and the folder of an order. Ends the process where it is none."""
    from engine import hub

    try:
        order = json.loads(line)
        model = hub.HubModel(order["kind"], order["model"], order["revision"], order["token"])
        folder = Path(order["folder"])
    except (ValueError, KeyError, TypeError):
        sys.exit("usage: engine/hub_download.py (started by the worker, with an order on stdin)")
    if model.kind not in hub.CODES or not folder.is_dir():
        sys.exit("engine/hub_download.py: the order's kind is unknown, or its folder is not there")
    return model, folder


@contextlib.contextmanager
def telling_progress(lines: IO[str], folder: Path, total_bytes: int | None) -> Iterator[None]:
    """Say now and then, from a thread, how much has come. Its last line is out at the end."""
    over = threading.Event()

    def tell() -> None:
        while True:
            done_bytes = bytes_there(folder)
            if total_bytes is not None:
                done_bytes = min(done_bytes, total_bytes)  # a file counts twice while it is renamed
            write(lines, type="progress", done_bytes=done_bytes, total_bytes=total_bytes)
            if over.wait(PROGRESS_INTERVAL_S):
                return

    thread = threading.Thread(target=tell, name="progress")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def bytes_there(folder: Path) -> int:
    """The bytes of a model that are there, whether in whole files or in some that still grow."""
    total_bytes = 0
    for place, _, names in os.walk(folder):
        inside = Path(place).relative_to(folder).parts
        for name in names:
            if inside[:1] == (".cache",) and not name.endswith(".incomplete"):
                continue  # the library's own notes
            with contextlib.suppress(OSError):  # renamed meanwhile
                total_bytes += (Path(place) / name).stat().st_size
    return total_bytes


def write(lines: IO[str], **fields: Any) -> None:
    """Write one line. Ends the process where nobody listens any more."""
    try:
        lines.write(json.dumps(fields) + "\n")
        lines.flush()
    except BrokenPipeError:
        end_process(1)


def end_process(status: int) -> NoReturn:
    """End at once: the threads of the hub's library must not hold up the end."""
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
