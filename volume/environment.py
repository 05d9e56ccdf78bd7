"""The models' environment: built on local disk, proved, and packed for a volume that is slow.

On the volume an environment is not a tree of 45,000 files but

    .ready.json     what it is, written last
    code.tar.gz     the small files (volume/archive.py)
    index.json      what is where in it, and which ranges of the large files a start reads
    files/          the large files, as they are

A worker unpacks the small ones onto its own disk and links the large ones (volume/shadow.py).
"""

from __future__ import annotations

import hashlib
import platform
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from volume import files
from volume.errors import DamagedError
from volume.publish import Manifest, Place

SCHEMA: Final = 2
"""Raised when what an environment consists of changes without its lock changing."""

ARCHIVE: Final = "code.tar.gz"
INDEX: Final = "index.json"
LARGE: Final = "files"

LARGE_BYTES: Final = 1_000_000
"""Larger files stay as they are: 160 files hold 7.3 of the 7.8 GB, and a start maps 68 of them."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an environment is made from."""

    lock: Path
    """A requirements file, exact and hashed."""
    imports: str
    """What it must be able to do before it is published."""
    imports_ahead: str
    """A part of these imports that a second process makes meanwhile, so that its bytecode is there
    when they come to it. What fails here fails there."""
    expected_bytes: int
    """Of the installed environment: for progress, and for the room that it needs."""
    optional_wheel: str | None = None
    """URL or path of a wheel that nothing depends on. Where it cannot be installed or imported, the
    environment is published without it."""


def fingerprint(recipe: Recipe) -> str:
    """Names what an environment depends on: the lock, the interpreter, the platform, the wheel."""
    wheel = recipe.optional_wheel or ""
    parts = (
        str(SCHEMA),
        hashlib.sha256(recipe.lock.read_bytes()).hexdigest(),
        platform.python_version(),
        str(sysconfig.get_config_var("SOABI")),
        str(Path(sys.base_prefix).resolve()),
        platform.machine(),
        "-".join(platform.libc_ver()),
        wheel,
        hashlib.sha256(Path(wheel).read_bytes()).hexdigest() if Path(wheel).is_file() else "",
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def place(home: Path, recipe: Recipe) -> Place:
    """Where the environment for this recipe is, or will be."""
    return Place(home, "venvs", f"venv-{fingerprint(recipe)}")


def check(folder: Path, manifest: Manifest) -> None:
    """Hold a published environment against its manifest: every file is there with its size.

    Raises:
        DamagedError: One is not.
    """

    def look(item: tuple[str, int]) -> None:
        path, size = folder / item[0], item[1]
        try:
            found = files.patiently(lambda: path.stat().st_size)
        except FileNotFoundError:
            raise DamagedError(f"{path.name} is missing") from None
        if found != size:
            raise DamagedError(f"{path.name} has {found} bytes instead of {size}")

    try:
        sizes = [(f"{LARGE}/{entry['stored']}", entry["bytes"]) for entry in manifest["large"]]
        sizes += [(name, manifest["sizes"][name]) for name in (ARCHIVE, INDEX)]
        files.in_parallel(sizes, look)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"its manifest is not one: {error!r}") from error
