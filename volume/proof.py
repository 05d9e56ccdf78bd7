"""Run in a new environment, by its own Python: does it import, and what of it is read for that?

    python -I proof.py ROOT MIN_BYTES 'import torch, ...'

ROOT is put on ``sys.path``: the imports may be the engine's own. Prints one JSON object: the
versions, and for each large library which byte ranges the imports touched. They also leave their
bytecode behind, which is half the point: an environment without it costs each start some 12 s
(measured), and one that was compiled whole costs the install a minute for files nobody imports.
"""

from __future__ import annotations

import array
import json
import mmap
import os
import platform
import sys
from collections import defaultdict
from importlib import metadata
from pathlib import Path

PRESENT = 1 << 63
"""Of an entry of /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst): the page is mapped.
mincore(2) would also show what only the installation left in the page cache, which is all of it."""

GRANULE_BYTES = 256 << 10
"""Finer pieces cost more round trips than the bytes they save."""

MAX_GAP_BYTES = 1 << 20
"""Neighbouring ranges nearer than this are read as one."""

PACKAGES = ("torch", "nemo_toolkit", "pyannote.audio", "numpy", "huggingface-hub")


def touched(prefix: str, min_bytes: int) -> dict[str, list[tuple[int, int]]]:
    """The touched ranges of each library below ``prefix`` that is at least so large."""
    granules: defaultdict[str, set[int]] = defaultdict(set)
    with Path("/proc/self/maps").open() as maps, Path("/proc/self/pagemap").open("rb") as pages:
        for line in maps:
            fields = line.rstrip("\n").split(maxsplit=5)
            if len(fields) < 6 or not fields[5].startswith(prefix + os.sep):
                continue
            begin, end = (int(address, 16) for address in fields[0].split("-"))
            entries = array.array("Q")
            pages.seek(begin // mmap.PAGESIZE * 8)
            entries.frombytes(pages.read((end - begin) // mmap.PAGESIZE * 8))
            granules[fields[5]] |= _granules(entries, int(fields[2], 16))
    sizes = {path: Path(path).stat().st_size for path in granules}
    return {
        os.path.relpath(path, prefix): _joined(found | {0}, sizes[path])
        for path, found in sorted(granules.items())
        if sizes[path] >= min_bytes
    }


def _granules(entries: array.array[int], offset_bytes: int) -> set[int]:
    """Which granules of the file the mapped pages lie in."""
    first = offset_bytes // mmap.PAGESIZE
    per_granule = GRANULE_BYTES // mmap.PAGESIZE
    return {
        (first + index) // per_granule for index, entry in enumerate(entries) if entry & PRESENT
    }


def _joined(granules: set[int], size_bytes: int) -> list[tuple[int, int]]:
    """Byte ranges, near neighbours joined, none beyond the file's end."""
    ranges: list[tuple[int, int]] = []
    for granule in sorted(granules):
        begin = granule * GRANULE_BYTES
        end = min(begin + GRANULE_BYTES, size_bytes)
        if begin >= size_bytes:
            continue
        if ranges and begin - ranges[-1][1] <= MAX_GAP_BYTES:
            ranges[-1] = (ranges[-1][0], end)
        else:
            ranges.append((begin, end))
    return ranges


def versions() -> dict[str, str]:
    """Of the packages that matter, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Import, then tell."""
    root, min_bytes, imports = sys.argv[1:]
    told = os.dup(1)
    os.dup2(2, 1)  # libraries print; stdout is for the answer
    sys.path.insert(0, root)
    exec(imports, {})  # noqa: S102  the bootstrap's own words
    prefix = os.path.realpath(sys.prefix)  # the kernel tells real paths
    answer = {"versions": versions(), "touched": touched(prefix, int(min_bytes))}
    os.write(told, json.dumps(answer).encode())
    os._exit(0)  # an orderly end of torch and NeMo takes 4 to 8 s


if __name__ == "__main__":
    main()
