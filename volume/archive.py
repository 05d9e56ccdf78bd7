"""The small files of an environment as one archive, written and read by several processes.

An environment is 45,000 small files, and a network volume charges each a few round trips: an import
of NeMo took 158 s from a volume that answers in 1 ms (measured). So they travel as one file, a
``tar.gz`` that any tar reads. It is made of independent gzip members, its parts, so that processes
can write and read them side by side, and has an index, so that nobody parses tar headers.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from volume import archive_part, programs

PART_BYTES: Final = 48 << 20
"""Of files in a part, before compression: some 16 parts, enough for the cores of a worker."""

TIMEOUT_S: Final = 900.0
"""For a process of our own; on a volume that hangs it would not end."""

MAX_PROCESSES: Final = 8


@dataclass(frozen=True, slots=True)
class Part:
    """A gzip member of the archive."""

    offset: int
    bytes: int
    sha256: str
    entries: Sequence[Sequence[Any]]
    """Of files: path, mode, mtime_s, bytes, offset in the unpacked part. Of links: path, target."""


class ArchiveError(Exception):
    """The archive could not be written or unpacked."""


class DamagedArchiveError(ArchiveError):
    """The archive's bytes are not those that were written."""


def write(tree: Path, paths: Sequence[str], archive: Path) -> tuple[Part, ...]:
    """Append files to an archive, which may be new.

    Args:
        tree: The folder that the paths are relative to.
        paths: Files and links.
        archive: Where to.

    Returns:
        The parts that were added.

    Raises:
        ArchiveError: A file cannot be read, or the archive cannot be written.
        OSError: There is no room for it.
    """
    lists = list(split(tree, paths))

    def pack(numbered: tuple[int, list[str]]) -> tuple[Path, dict[str, Any]]:
        number, part = numbered
        made = archive.with_name(f"{archive.name}.{number}")
        return made, json.loads(_call(["pack", str(tree), str(made)], part))

    parts = []
    with ThreadPoolExecutor(processes()) as pool, archive.open("ab") as file:
        for made, told in pool.map(pack, enumerate(lists)):
            offset = file.tell()
            file.write(made.read_bytes())
            made.unlink()
            parts.append(Part(offset=offset, **told))
        file.flush()
        os.fsync(file.fileno())
    return tuple(parts)


def finish(archive: Path) -> None:
    """Write tar's end."""
    with archive.open("ab") as file:
        file.write(archive_part.compress(bytes(2 * tarfile.BLOCKSIZE)))
        file.flush()
        os.fsync(file.fileno())


def read(archive: Path, parts: Sequence[Part], target: Path, count: int | None = None) -> None:
    """Unpack parts into a folder.

    Args:
        archive: The file.
        parts: Of it.
        target: An empty folder.
        count: How many processes; None is as many as there are cores.

    Raises:
        DamagedArchiveError: A part is not what it was.
        ArchiveError: The folder cannot be written.
        OSError: It has no room.
    """
    count = min(count or processes(), len(parts)) or 1
    shares = [[asdict(part) for part in parts[first::count]] for first in range(count)]
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda share: _call(["unpack", str(archive), str(target)], share), shares))


def split(tree: Path, paths: Sequence[str]) -> Iterator[list[str]]:
    """The paths in lists of about ``PART_BYTES``."""
    part: list[str] = []
    size_bytes = 0
    for path in paths:
        part.append(path)
        size_bytes += os.lstat(tree / path).st_size + tarfile.BLOCKSIZE
        if size_bytes >= PART_BYTES:
            yield part
            part, size_bytes = [], 0
    if part:
        yield part


def processes() -> int:
    """How many to work with."""
    return min(MAX_PROCESSES, len(os.sched_getaffinity(0)))


def _call(arguments: Sequence[str], stdin: object) -> bytes:
    """This file as a program, in a process of its own."""
    command = [sys.executable, "-I", "-S", archive_part.__file__, *arguments]
    done = programs.run(command, timeout_s=TIMEOUT_S, stdin=json.dumps(stdin).encode())
    if done.returncode != 0:
        if done.returncode == archive_part.FULL_STATUS:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        kind = (
            DamagedArchiveError if done.returncode == archive_part.DAMAGED_STATUS else ArchiveError
        )
        raise kind(lines[-1] if lines else f"status {done.returncode}")
    return done.stdout
