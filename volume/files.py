"""Files on a volume that may be slow, shared, full or briefly wrong."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from volume.errors import BootstrapError

T = TypeVar("T")

THREADS: Final = 32
"""On a volume a file costs round trips, not work: 64 threads copied 6,049 files in 8 s where one
took 55 (measured at 1 ms an operation); beyond 32 little is won."""

PASSING: Final = (errno.ESTALE, errno.EIO)
"""What a network file system may answer once, about a file that was just replaced."""

NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES)
"""What file systems without hard links answer."""

FULL: Final = (errno.ENOSPC, errno.EDQUOT)

ATTEMPTS: Final = 3
PAUSE_S: Final = 0.2


def patiently(call: Callable[[], T]) -> T:
    """Call, and call again where a network file system may have answered wrongly just once.

    Raises:
        OSError: Another error, or the same one three times.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return call()
        except OSError as error:
            if error.errno not in PASSING:
                raise
            time.sleep(PAUSE_S)
    return call()


def read_text(path: Path) -> str | None:
    """The file's text, or None where there is none.

    Raises:
        OSError: It is there and cannot be read.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return patiently(lambda: path.read_text(encoding="utf-8", errors="replace"))
    return None


def names_in(folder: Path) -> list[str]:
    """The names in a folder; none where it is not there."""
    with contextlib.suppress(FileNotFoundError):
        return patiently(lambda: [path.name for path in folder.iterdir()])
    return []


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is none, or where it is cut short."""
    text = read_text(path)
    with contextlib.suppress(ValueError):
        content = json.loads(text or "")
        if isinstance(content, dict):
            return content
    return None


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there wholly or not at all, whoever looks and whatever dies."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """``write_whole`` of an object."""
    write_whole(path, json.dumps(content))


def volume_time_s(folder: Path) -> float:
    """What the volume's clock says, by the time it gives a file that is written now.

    The clocks of workers are never compared with one another, nor with the volume's.
    """
    probe = folder / f".clock.{uuid.uuid4().hex}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()


def free_bytes(folder: Path) -> int:
    """What the file system says is free. A quota is not shown by it."""
    return shutil.disk_usage(folder).free


def in_parallel(items: Iterable[T], work: Callable[[T], object]) -> None:
    """Call ``work`` with each item, many at once; the first error is raised."""
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(work, items):
            pass


def remove(path: Path) -> None:
    """Delete a file or a folder, as far as possible."""
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def remove_tree(folder: Path) -> None:
    """Delete a folder, as far as possible, with many deletions under way at once."""

    def unlink(path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()

    in_parallel(list(files_below(folder)), unlink)
    shutil.rmtree(folder, ignore_errors=True)


def files_below(folder: Path) -> Iterator[Path]:
    """Every file and link below a folder, folders excepted."""
    for place, _, names in os.walk(folder):
        for name in names:
            yield Path(place, name)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; what vanishes meanwhile is not counted."""
    total = 0
    for found in files_below(path) if path.is_dir() else (path,):
        with contextlib.suppress(OSError):
            total += found.lstat().st_size
    return total


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file that never changes in a second place.

    A copy is on disk when this returns: a network volume may tell only then that it is full. A link
    is not waited for, because the file's size is looked at before each use.

    Raises:
        OSError: It could not be written.
    """
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in (errno.EXDEV, *NO_LINKS):
            raise
        shutil.copyfile(source, target)
        shutil.copymode(source, target)
        with target.open("rb") as file:
            os.fsync(file.fileno())


@contextlib.contextmanager
def full_volume_is_an_error(folder: Path) -> Iterator[None]:
    """Translate "no space" and "over quota".

    Raises:
        BootstrapError: ``volume_full``, with what is free.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        free = ""
        with contextlib.suppress(OSError):
            free = f" ({free_bytes(folder) / 1e9:.1f} GB free by its own account)"
        raise BootstrapError(
            "volume_full",
            f"{folder} has no room left{free}: {error.strerror}. Enlarge the volume, or empty it "
            "with `python bootstrap.py --gc`.",
        ) from error
