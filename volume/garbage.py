"""``python bootstrap.py --gc``: removes what nobody needs, and nothing that somebody uses.

What goes: the leavings of installs and downloads that died; environments and models that are not
wanted by this configuration, not among the two newest, and unused for a day; fast checkpoints too,
the newest as well, because a minute makes another; what was set aside.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from volume import fast_model, files, lease, local, programs, publish, usage
from volume.errors import LeaseLostError
from volume.lease import Timing
from volume.publish import Place

KEPT_NEWEST: Final = 2


@dataclass(frozen=True, slots=True)
class Removed:
    """Something that is gone."""

    name: str
    bytes: int


def collect(
    home: Path,
    scratch: Path,
    wanted: Collection[str],
    *,
    unused_s: float,
    timing: Timing,
    say: Callable[[str], None],
) -> list[Removed]:
    """Remove what nobody needs.

    Args:
        home: The worker's folder on the volume.
        scratch: The folder for trees that are being built, on local disk.
        wanted: Names that stay in any case: what this configuration runs.
        unused_s: How long nobody may have used a thing that is removed.
        timing: Of the leases.
        say: Called with what cannot be removed now, and why.
    """
    removed = [Removed(f"scratch/{folder.name}", 0) for folder in local.sweep(scratch)]
    for name in files.names_in(home / ".install"):
        removed += _sweep_install(Place(home, "", name), timing, say)
    for kind in ("venvs", "models"):
        for name in _unneeded(home, kind, wanted, unused_s):
            removed.append(_remove(home, home / kind / name))
            usage.forget(home, name)
    removed += _remove_old_trees(home, unused_s)
    removed += [_remove(home, path) for path in _old(home / ".trash", unused_s)]
    return removed


def _sweep_install(place: Place, timing: Timing, say: Callable[[str], None]) -> list[Removed]:
    """Sweep under the thing's lease; a living installer's staging is left alone."""
    leavings = [name for name in files.names_in(place.install) if publish.is_leaving(name)]
    if not leavings:
        return []
    watcher = lease.Watcher(place.install, timing)
    deadline_s = time.monotonic() + timing.ttl_s + timing.poll_s
    first_sign = None
    while not watcher.is_free():
        sign = (watcher.seen.generation, watcher.seen.text)
        first_sign = first_sign or sign
        if sign != first_sign or time.monotonic() > deadline_s:
            say(f"{place.name} is being made by a worker: left alone")
            return []
        programs.pause(timing.poll_s)
    held = lease.claim(place.install, watcher.seen.generation, timing)
    if held is not None:
        with held, contextlib.suppress(LeaseLostError):
            sizes = [
                Removed(f"{place.name}/{n}", files.size_of(place.install / n)) for n in leavings
            ]
            publish.sweep_staging(place, held)
            return sizes
    say(f"{place.name} is being made by a worker: left alone")
    return []


def _unneeded(home: Path, kind: str, wanted: Collection[str], unused_s: float) -> list[str]:
    """Names of published things that may go."""
    made: dict[str, float] = {}
    for name in files.names_in(home / kind):
        with contextlib.suppress(FileNotFoundError):
            made[name] = (home / kind / name / publish.READY).stat().st_mtime
    if not made:
        return []
    originals = [name for name in made if not fast_model.is_fast(name)]
    newest = sorted(originals, key=lambda name: made[name])[-KEPT_NEWEST:]
    ages_s, now_s = usage.ages_s(home), files.volume_time_s(home)
    return [
        name
        for name in made
        if name not in wanted
        and name not in newest
        # One that was never marked counts as used when it was made.
        and ages_s.get(name, now_s - made[name]) >= unused_s
    ]


def _remove_old_trees(home: Path, unused_s: float) -> list[Removed]:
    """Trees that were unpacked on the volume, of environments that are gone, or half made."""
    current = set()
    for name in files.names_in(home / "venvs"):
        manifest = publish.manifest(home / "venvs" / name) or {}
        current.add(f"{name}-{manifest.get('instance')}")
    return [
        _remove(home, path)
        for path in _old(home / ".shadows", unused_s)
        if path.name not in current
    ]


def _old(folder: Path, unused_s: float) -> list[Path]:
    """What has lain in a folder for so long, by the volume's clock."""
    names = files.names_in(folder)
    if not names:
        return []
    now_s = files.volume_time_s(folder)
    # A rename sets ctime: when it was put here.
    paths = [folder / name for name in names]
    return [path for path in paths if now_s - path.lstat().st_ctime >= unused_s]


def _remove(home: Path, path: Path) -> Removed:
    """Take a thing out of sight by one rename, then delete it."""
    size_bytes = files.size_of(path)
    trash = home / ".trash"
    trash.mkdir(exist_ok=True)
    doomed = trash / f"{path.name}-{uuid.uuid4().hex[:8]}"
    path.rename(doomed)
    files.remove(doomed)
    return Removed(path.name, size_bytes)
