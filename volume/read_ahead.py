"""Reads what a start will need from the volume into memory, many pieces at once.

A page that is already in the kernel's cache costs an import nothing; one that is not costs a round
trip, one after the other. Nothing depends on this: what cannot be read here is met again there.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

THREADS: Final = 32
PIECE_BYTES: Final = 1 << 20
"""The largest read that the kernel hands to a network file system at once."""

_buffers = threading.local()


def read_ranges(folder: Path, ranges: Mapping[str, Sequence[Sequence[int]]]) -> int:
    """Read byte ranges of files in a folder; how many bytes came."""
    return _read(
        (folder / name, begin, end) for name, pairs in ranges.items() for begin, end in pairs
    )


def read_files(paths: Iterable[Path]) -> int:
    """Read whole files; how many bytes came."""
    return _read((path, 0, path.stat().st_size) for path in paths if path.is_file())


def _read(ranges: Iterable[tuple[Path, int, int]]) -> int:
    with _OpenFiles() as opened, ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(lambda piece: opened.read(*piece), _pieces(ranges)))


def _pieces(ranges: Iterable[tuple[Path, int, int]]) -> Iterator[tuple[Path, int, int]]:
    for path, begin, end in ranges:
        for offset in range(begin, end, PIECE_BYTES):
            yield path, offset, min(PIECE_BYTES, end - offset)


class _OpenFiles:
    """Each file opened once: an open is a round trip too."""

    def __init__(self) -> None:
        self._descriptors: dict[Path, int] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> _OpenFiles:
        return self

    def __exit__(self, *error: object) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)

    def read(self, path: Path, offset: int, count: int) -> int:
        """Read one piece into a buffer that nobody looks at."""
        buffer = getattr(_buffers, "buffer", None)
        if buffer is None:
            buffer = _buffers.buffer = bytearray(PIECE_BYTES)
        with contextlib.suppress(OSError):
            return os.preadv(self._open(path), [memoryview(buffer)[:count]], offset)
        return 0

    def _open(self, path: Path) -> int:
        with self._lock:
            if path not in self._descriptors:
                self._descriptors[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return self._descriptors[path]
