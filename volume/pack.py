"""From a tree on disk to the folder that is published: prove, archive, move, record.

Three things go on at once: the imports that prove the tree (and compile it), the archive of what
they do not change, and the move of the large files to the volume.
"""

from __future__ import annotations

import gzip
import json
import os
import stat
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import config
from volume import archive, environment, files, install, programs
from volume.archive import ArchiveError, Part
from volume.environment import ARCHIVE, INDEX, LARGE, LARGE_BYTES, Recipe
from volume.errors import BootstrapError, DamagedError
from volume.publish import Manifest
from volume.steps import Step, Tell

PROOF: Final = Path(__file__).with_name("proof.py")
PROOF_TIMEOUT_S: Final = 900.0

OWN_TO_THE_IMAGE: Final = ("pyvenv.cfg", ".lock", ".gitignore", "CACHEDIR.TAG")
"""With bin/python*: they say where this image has its Python, and each shadow gets its own."""

BYTECODE: Final = ".pyc"


def pack(recipe: Recipe, tree: Path, staging: Path, tell: Tell) -> Manifest:
    """Prove the tree, and put all of it but ``.ready.json`` into ``staging``.

    The tree's large files are moved, so it is of no use afterwards.

    Returns:
        The manifest.

    Raises:
        BootstrapError: The tree does not do what it is for, or could not be packed.
    """
    tell(Step("proving the environment, archiving its code", install.SHARE))
    small, large = sort_files(tree)
    # What is compiled already (the optional wheel was imported) comes with the other bytecode.
    small = [path for path in small if not path.endswith(BYTECODE)]
    try:
        with ThreadPoolExecutor(3) as pool:
            proving = pool.submit(prove, recipe, tree)
            ahead = pool.submit(compile_ahead, recipe, tree)
            moving = pool.submit(copy_large, tree, large, staging / LARGE)
            parts = archive.write(tree, small, staging / ARCHIVE)
            proof, entries, _ = proving.result(), moving.result(), ahead.result()
        tell(Step("archiving the bytecode", 0.9))
        compiled = [path for path in sort_files(tree)[0] if path.endswith(BYTECODE)]
        parts += archive.write(tree, compiled, staging / ARCHIVE)
        archive.finish(staging / ARCHIVE)
    except ArchiveError as error:
        raise BootstrapError(
            "bootstrap_failed", f"the archive could not be written: {error}", retryable=True
        ) from error
    write_index(staging / INDEX, parts, entries, proof["touched"])
    tell(Step("publishing", 0.98))
    sizes = {name: (staging / name).stat().st_size for name in (ARCHIVE, INDEX)}
    return {
        "schema": environment.SCHEMA,
        "fingerprint": environment.fingerprint(recipe),
        "lock": recipe.lock.name,
        "versions": proof["versions"],
        "files": len(small) + len(compiled) + len(large),
        "bytes": sum(sizes.values()) + sum(entry["bytes"] for entry in entries),
        "sizes": sizes,
        "large": entries,
    }


def prove(recipe: Recipe, tree: Path) -> dict[str, Any]:
    """Run the recipe's imports in the tree; its versions and what was touched of it.

    Raises:
        BootstrapError: They failed.
    """
    python = str(install.python_of(tree))
    command = [python, "-I", str(PROOF), str(config.ROOT), str(LARGE_BYTES + 1), recipe.imports]
    answer: dict[str, Any] = json.loads(programs.require(command, timeout_s=PROOF_TIMEOUT_S))
    return answer


def compile_ahead(recipe: Recipe, tree: Path) -> None:
    """Make some of the proof's imports beside it, so that it finds their bytecode.

    The proof is one thread, and what all wait for.
    """
    command = [str(install.python_of(tree)), "-I", "-c", recipe.imports_ahead]
    programs.run(command, timeout_s=PROOF_TIMEOUT_S)


def sort_files(tree: Path) -> tuple[list[str], list[str]]:
    """The tree's files, relative to it: (small ones and links, large ones). Bytecode included."""
    small: list[str] = []
    large: list[str] = []
    for path in files.files_below(tree):
        relative = path.relative_to(tree)
        if relative.name in OWN_TO_THE_IMAGE and len(relative.parts) == 1:
            continue
        if relative.parts[0] == "bin" and relative.name.startswith("python"):
            continue
        state = path.lstat()
        is_large = stat.S_ISREG(state.st_mode) and state.st_size > LARGE_BYTES
        (large if is_large else small).append(str(relative))
    return sorted(small), sorted(large)


def copy_large(tree: Path, large: Sequence[str], target: Path) -> list[dict[str, Any]]:
    """Copy or link the large files into one flat folder; what the manifest says of them.

    Flat, because each folder on the way to a file costs a slow volume another round trip. The tree
    keeps them: it is being proved meanwhile.
    """
    target.mkdir()
    entries = [
        {
            "path": path,
            "stored": f"{number:04d}-{Path(path).name}",
            "bytes": (tree / path).stat().st_size,
            "mode": stat.S_IMODE((tree / path).stat().st_mode),
        }
        for number, path in enumerate(large)
    ]

    def copy(entry: dict[str, Any]) -> None:
        files.link_or_copy(tree / entry["path"], target / entry["stored"])

    files.in_parallel(entries, copy)
    return entries


def write_index(
    path: Path,
    parts: Sequence[Part],
    large: Sequence[dict[str, Any]],
    touched: dict[str, list[list[int]]],
) -> None:
    """What a start needs beside the manifest: the archive's content, and what to read ahead."""
    hot = {entry["stored"]: touched[entry["path"]] for entry in large if entry["path"] in touched}
    content = json.dumps({"parts": [asdict(part) for part in parts], "hot": hot}).encode()
    path.write_bytes(gzip.compress(content, 1, mtime=0))
    with path.open("rb") as file:
        os.fsync(file.fileno())


def read_index(path: Path) -> tuple[tuple[Part, ...], dict[str, list[list[int]]]]:
    """(the archive's parts, the ranges to read ahead by stored name).

    Raises:
        DamagedError: It is not an index.
    """
    try:
        content = json.loads(gzip.decompress(files.patiently(path.read_bytes)))
        return tuple(Part(**part) for part in content["parts"]), dict(content["hot"])
    except (EOFError, gzip.BadGzipFile, zlib.error, ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{path.name} is not an index: {error!r}") from error
