"""Folders on local disk that belong to a living process.

Local disk has locks that work: a folder's owner holds one on the file ``<folder>.owner``, which the
kernel lets go when the owner dies, however it dies. What nobody holds any more is swept.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path
from typing import Final

from volume import files

OWNER: Final = ".owner"


def hold(folder: Path) -> int:
    """Make a folder ours, there or not, until this process ends or closes the descriptor.

    Several may hold one folder at once. One that is just being swept is waited for.

    Raises:
        OSError: The folder's parent is not there.
    """
    place = _owner_file(folder)
    while True:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with contextlib.ExitStack() as unless_held:
            unless_held.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if _is_still_there(descriptor, place):  # else a sweeper took it away under us
                unless_held.pop_all()
                return descriptor


def release(folder: Path, descriptor: int) -> None:
    """Remove a folder that is ours, and let go of it."""
    # Not by many threads: local disk does not wait for round trips, and a process that ends starts
    # no more threads.
    shutil.rmtree(folder, ignore_errors=True)
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
    if not _is_still_there(descriptor, _owner_file(folder)):
        os.close(descriptor)  # another swept it, and the folder may be somebody's again
        return False
    release(folder, descriptor)
    return True


def _is_still_there(descriptor: int, place: Path) -> bool:
    """Whether an open file is the one that has this name now."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), place.stat())
    return False


def _owner_file(folder: Path) -> Path:
    return folder.with_name(folder.name + OWNER)
