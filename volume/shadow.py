"""An environment from the volume, as a tree that starts fast on this machine.

The small files are unpacked onto local disk, the large ones are links to the volume, and what says
where Python is was made here: the volume may have been filled by another image. Where neither
memory nor local disk has room, the tree is made on the volume, once for all: slower, and right.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import platform
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from volume import archive, files, local, pack
from volume.archive import ArchiveError, DamagedArchiveError, Part
from volume.environment import ARCHIVE, INDEX, LARGE
from volume.errors import BootstrapError, DamagedError
from volume.publish import Manifest

log = logging.getLogger(__name__)

WHOLE: Final = ".shadow.json"
"""Written last."""

GROWTH: Final = 5
"""The small files, unpacked, are 3.4 times their archive; the rest is for file systems' blocks."""

SLOW_PROCESSES: Final = 16
"""For a tree on the volume: there each process mostly waits."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A tree to run from."""

    folder: Path
    owner: int | None
    """What keeps others from sweeping it away; None on the volume."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"


def find(published: Path, manifest: Manifest, parents: Sequence[Path]) -> Shadow | None:
    """The tree for a published environment, where this machine or the volume has one.

    Args:
        published: The environment on the volume.
        manifest: Its manifest.
        parents: Where the tree may be, best first. The last one is on the volume.
    """
    *local_parents, last = [parent / _name(published, manifest) for parent in parents]
    for folder in local_parents:
        if _is_whole(folder, published):
            owner = local.hold(folder)
            if _is_whole(folder, published):  # nobody has swept it meanwhile
                return Shadow(folder, owner)
            os.close(owner)
    return Shadow(last, None) if _is_whole(last, published) else None


def make(published: Path, manifest: Manifest, parents: Sequence[Path]) -> Shadow:
    """Make the tree for a published environment in the first folder that has room.

    Args:
        published: The environment on the volume.
        manifest: Its manifest.
        parents: Where the tree may be, best first. The last one is on the volume.

    Raises:
        DamagedError: The environment's own files are not what they were.
        BootstrapError: There is room nowhere.
    """
    name = _name(published, manifest)
    *local_parents, last = parents
    needed_bytes = GROWTH * int(manifest["sizes"][ARCHIVE])
    for parent in local_parents:
        with _saying_why_not(parent):
            _require_room(parent, needed_bytes)
            return _make_local(parent / name, published, manifest)
    with _saying_why_not(last):
        _require_room(last, needed_bytes)
        _make(last / name, published, manifest, SLOW_PROCESSES)
        return Shadow(last / name, None)
    raise BootstrapError(
        "bootstrap_failed",
        f"the environment's code needs {needed_bytes / 1e9:.1f} GB, and neither local disk nor the "
        "volume takes it. Give the container a larger disk.",
        retryable=True,
    )


def discard(shadow: Shadow) -> None:
    """Make sure that the tree is not used again."""
    doomed = shadow.folder.with_name(f"{shadow.folder.name}.{uuid.uuid4().hex[:8]}")
    with contextlib.suppress(OSError):  # another process has thought the same
        shadow.folder.rename(doomed)
    files.remove_tree(doomed)
    if shadow.owner is not None:
        os.close(shadow.owner)


@contextlib.contextmanager
def _saying_why_not(parent: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.warning("no place for the environment's code in %s: %s", parent, error.strerror)


def _require_room(parent: Path, needed_bytes: int) -> None:
    parent.mkdir(parents=True, exist_ok=True)
    if files.free_bytes(parent) < needed_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _make_local(folder: Path, published: Path, manifest: Manifest) -> Shadow:
    """Make a tree on local disk, in the place of those that nobody uses any more."""
    with contextlib.ExitStack() as unless_made:
        owner = local.hold(folder)
        unless_made.callback(os.close, owner)
        local.sweep(folder.parent)
        _make(folder, published, manifest, None)
        unless_made.pop_all()
    return Shadow(folder, owner)


def _make(folder: Path, published: Path, manifest: Manifest, processes: int | None) -> None:
    """Make a tree beside its place and rename it there. What another made first is taken."""
    parts, _ = pack.read_index(published / INDEX)
    making = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}")
    held = local.hold(making) if processes is None else None
    try:
        making.mkdir()
        _unpack(making, published, parts, processes)
        for entry in manifest["large"]:
            link = making / entry["path"]
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(published / LARGE / entry["stored"])
        _write_python(making)
        (making / WHOLE).write_text(json.dumps(_marker(published)))
        _put(making, folder, published)
    finally:
        if held is None:
            files.remove_tree(making)
        else:
            local.release(making, held)


def _unpack(folder: Path, published: Path, parts: Sequence[Part], processes: int | None) -> None:
    try:
        archive.read(published / ARCHIVE, parts, folder, processes)
    except DamagedArchiveError as error:
        raise DamagedError(str(error)) from error
    except ArchiveError as error:
        raise OSError(errno.EIO, str(error)) from error


def _put(making: Path, folder: Path, published: Path) -> None:
    try:
        making.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not _is_whole(folder, published):  # else another process of this machine was faster
            old = making.with_name(f"{making.name}.old")
            folder.rename(old)
            making.rename(folder)
            files.remove_tree(old)


def _is_whole(folder: Path, published: Path) -> bool:
    """Whether the tree was made to its end, and links to where the environment is now."""
    return (
        files.read_json(folder / WHOLE) == _marker(published)
        and (folder / "bin" / "python").exists()
        and files.read_text(folder / "pyvenv.cfg") == _pyvenv()
    )


def _name(published: Path, manifest: Manifest) -> str:
    return f"{published.name}-{manifest['instance']}"


def _marker(published: Path) -> dict[str, str]:
    return {"published": str(published), "python": _base_python()}


def _write_python(folder: Path) -> None:
    """Link this image's Python into the tree, and say so as PEP 405 wants it."""
    base = _base_python()
    binaries = folder / "bin"
    binaries.mkdir(exist_ok=True)
    for name in ("python", "python3", f"python{sys.version_info[0]}.{sys.version_info[1]}"):
        (binaries / name).symlink_to(base)
    (folder / "pyvenv.cfg").write_text(_pyvenv())


def _pyvenv() -> str:
    return (
        f"home = {Path(_base_python()).parent}\n"
        "include-system-site-packages = false\n"
        f"version = {platform.python_version()}\n"
    )


def _base_python() -> str:
    return str(Path(sys.executable).resolve())
