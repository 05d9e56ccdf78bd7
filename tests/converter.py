"""Stands in for ``engine/convert.py``: obeys the same contract, and needs no models' environment.

What it does is in the .nemo file that it is given, a JSON object:

    {}                                  makes a fast checkpoint
    {"unusable": "the text differs"}    makes one, and says that it must not be used
    {"error": {...}}                    makes half of one, and answers with this error
    {"say": "..."}                      makes half of one, and prints this instead of an answer
    {"repeat": true}                    makes half of one, and says the same for ever
    {"lie": true}                       tells of more bytes than it made
    {"change": true}                    changes the original meanwhile
    {..., "wait_for": "/a/path"}        waits in the middle for a file

Each run adds its process's id to the file beside the original that ends in ``.runs``.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Do what stdin and the original say."""
    order = json.loads(sys.stdin.readline())
    checkpoint, folder = Path(order["checkpoint"]), Path(order["folder"])
    assert list(folder.iterdir()) == []
    content = checkpoint.read_bytes()
    orders = json.loads(content)
    with checkpoint.with_suffix(".runs").open("a") as runs:
        runs.write(f"{os.getpid()}\n")
    say(type="progress", step="reading the original", fraction=0.0)
    (folder / "model.safetensors").write_bytes(content * 100)
    say(type="progress", step="comparing the encoders", fraction=0.4)
    while orders.get("repeat"):
        say(type="progress", step="comparing the encoders", fraction=0.4)
        time.sleep(0.02)
    while "wait_for" in orders and not Path(orders["wait_for"]).exists():
        time.sleep(0.02)
    if "error" in orders:
        say(type="error", **orders["error"])
    elif "say" in orders:
        print(orders["say"])
    else:
        finish(checkpoint, folder, orders)


def finish(checkpoint: Path, folder: Path, orders: dict[str, Any]) -> None:
    """The other half."""
    if orders.get("change"):
        checkpoint.write_text("{}")
    if "unusable" in orders:
        say(type="done", usable=False, reason=orders["unusable"])
        return
    (folder / "model.json").write_text("{}")
    files = {
        path.name: {
            "bytes": path.stat().st_size + orders.get("lie", 0),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in folder.iterdir()
    }
    report = {"worst_difference": 0.001, "words": 12}
    say(type="done", usable=True, precision="bf16", report=report, files=files)


def say(**answer: object) -> None:
    """One line."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
