"""Who uses what on the volume: one file a worker and thing, touched while the worker lives."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from volume import files
from volume.lease import worker_name

FOLDER: Final = ".used"
INTERVAL_S: Final = 3600.0


def mark(home: Path, names: Sequence[str]) -> None:
    """Say that this worker uses these things. Where the volume is read-only, nobody deletes."""
    folder = home / FOLDER
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / f"{name}@{worker_name()}").touch()


def keep_marking(home: Path, names: Sequence[str]) -> threading.Event:
    """Mark now and every hour, until the event is set or the process ends."""
    ended = threading.Event()

    def repeat() -> None:
        mark(home, names)
        while not ended.wait(INTERVAL_S):
            mark(home, names)

    threading.Thread(target=repeat, name="usage", daemon=True).start()
    return ended


def ages_s(home: Path) -> dict[str, float]:
    """For each thing that was ever marked, how long ago that was last, by the volume's clock."""
    folder = home / FOLDER
    names = [name for name in files.names_in(folder) if "@" in name]
    if not names:
        return {}
    now_s = files.volume_time_s(folder)
    ages: dict[str, float] = {}
    for name in names:
        thing = name.partition("@")[0]
        with contextlib.suppress(FileNotFoundError):
            age_s = now_s - (folder / name).stat().st_mtime
            ages[thing] = min(age_s, ages.get(thing, age_s))
    return ages


def forget(home: Path, thing: str) -> None:
    """Remove a thing's marks."""
    for name in files.names_in(home / FOLDER):
        if name.partition("@")[0] == thing:
            (home / FOLDER / name).unlink(missing_ok=True)
