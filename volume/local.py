"""Folders on local disk that belong to a living process.

Local disk has locks that work: a folder's owner holds one on the file ``<folder>.owner``, which the
kernel lets go when the owner dies, however it dies. What nobody holds any more is swept.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

from volume import files

OWNER: Final = ".owner"


def hold(folder: Path) -> int:
    """Make a folder ours, there or not, until this process ends or closes the descriptor.

    Several may hold one folder at once.

    Raises:
        OSError: The folder's parent is not there, or the folder is just being swept.
    """
    place = _owner_file(folder)
    while True:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), place.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # a sweeper took the file away under us


def release(folder: Path, descriptor: int) -> None:
    """Remove a folder that is ours, and let go of it."""
    files.remove_tree(folder)
    with contextlib.suppress(OSError):
        _owner_file(folder).unlink()
    os.close(descriptor)


def sweep(parent: Path) -> list[Path]:
    """Remove the folders in ``parent`` that nobody holds, and tell which."""
    names = {name.removesuffix(OWNER) for name in files.names_in(parent)}
    return [parent / name for name in sorted(names) if _remove_unheld(parent / name)]


def _remove_unheld(folder: Path) -> bool:
    descriptor = os.open(_owner_file(folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody holds it
        os.close(descriptor)
        return False
    release(folder, descriptor)
    return True


def _owner_file(folder: Path) -> Path:
    return folder.with_name(folder.name + OWNER)
