"""What makes an environment: room, a tree on local disk, and the packed form of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from volume import files, local
from volume.environment import Recipe
from volume.errors import BootstrapError
from volume.install import install
from volume.pack import pack
from volume.publish import Manifest
from volume.steps import Tell


def maker(recipe: Recipe, scratch: Path) -> Callable[[Path, Tell], Manifest]:
    """What ``publish.obtain`` calls to make an environment.

    Args:
        recipe: What to make.
        scratch: A folder on local disk, for the tree before it is packed. Where there is no room
            the tree is built on the volume: slower.
    """

    def make(staging: Path, tell: Tell) -> Manifest:
        return build(recipe, staging, scratch, tell)

    return make


def build(recipe: Recipe, staging: Path, scratch: Path, tell: Tell) -> Manifest:
    """Make an environment in ``staging``, and return its manifest.

    Raises:
        BootstrapError: With what went wrong and what to do.
    """
    begin_s = time.monotonic()
    require_room(staging, recipe.expected_bytes * 5 // 4, "the models' environment needs")
    scratch.mkdir(parents=True, exist_ok=True)
    local.sweep(scratch)
    # The tree with its wheels' cache beside it, which share most bytes, and some to spare.
    roomy = files.free_bytes(scratch) >= 2 * recipe.expected_bytes
    with _on_disk(scratch / f"build-{staging.name}") if roomy else _on_volume(staging) as work:
        manifest = pack(recipe, install(recipe, work, tell), staging, tell)
    return {**manifest, "install_s": round(time.monotonic() - begin_s, 1)}


@contextlib.contextmanager
def _on_disk(work: Path) -> Iterator[Path]:
    """A folder for the block's time that belongs to this process."""
    held = local.hold(work)
    try:
        work.mkdir()
        yield work
    finally:
        # Beside what follows: to delete 90,000 links takes ten seconds.
        threading.Thread(target=local.release, args=(work, held), name="cleaning").start()


@contextlib.contextmanager
def _on_volume(staging: Path) -> Iterator[Path]:
    """The same where local disk is short: inside what is published, so gone before that."""
    work = staging / "build"
    try:
        work.mkdir()
        yield work
    finally:
        files.remove_tree(work)


def require_room(folder: Path, needed_bytes: int, what: str) -> None:
    """Fail before anything is downloaded, not in the middle.

    Raises:
        BootstrapError: ``volume_full``.
    """
    free_bytes = files.free_bytes(folder)
    if free_bytes < needed_bytes:
        raise BootstrapError(
            "volume_full",
            f"the volume has {free_bytes / 1e9:.1f} GB free; {what} {needed_bytes / 1e9:.1f} GB. "
            "Enlarge the volume, or empty it with `python bootstrap.py --gc`.",
        )
