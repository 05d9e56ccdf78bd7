"""The fast checkpoint: the speech model in the form that loads quickest, made once of the original.

    <home>/models/<name>-<revision>-fast<FORMAT>/    of a model of the hub
    <home>/models/<stem>-<digest>-fast<FORMAT>/      of the operator's own .nemo file

Published beside the original, as a model is. Where the two did not hear the same, a manifest that
says so is all that is published: the original is used, and no later start tries again.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from volume import models
from volume.models import Model
from volume.publish import Manifest, Place

FORMAT: Final = 2
"""Raised when what a fast checkpoint consists of changes: each format has folders of its own."""

WEIGHTS: Final = "model.safetensors"
"""What a start reads of it; the rest is small."""

_FAST: Final = re.compile(r".*-fast\d+")
_UNUSUAL: Final = re.compile(r"[^\w.-]", re.ASCII)
_STEM_LETTERS: Final = 64


def name_of(model: Model) -> str | None:
    """What the fast checkpoint of a speech model is called; None where there is no original.

    The name of an operator's own file changes with the file: it holds its place, size and time.

    Raises:
        OSError: The file cannot be looked at.
    """
    if not model.is_path:
        return f"{models.place(Path(), model).name}-fast{FORMAT}"
    path = Path(model.name)
    if not path.is_file():
        return None
    found = path.stat()
    text = f"{path.resolve()}\n{found.st_size}\n{found.st_mtime_ns}"
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
    return f"{_UNUSUAL.sub('_', path.stem)[:_STEM_LETTERS]}-{digest}-fast{FORMAT}"


def place(home: Path, name: str) -> Place:
    """Where the fast checkpoint of this name is, or will be."""
    return Place(home, "models", name)


def is_fast(name: str) -> bool:
    """Whether a published thing is called like a fast checkpoint, of whichever format."""
    return _FAST.fullmatch(name) is not None


def unusable_because(manifest: Manifest) -> str | None:
    """Why the original must be used; None where the fast checkpoint is to be."""
    if manifest.get("usable") is False:
        return str(manifest.get("reason"))
    return None


def check(folder: Path, manifest: Manifest) -> None:
    """Hold a published fast checkpoint against its manifest; one that is none has no files.

    Raises:
        DamagedError: A file is not there, or not with its size.
    """
    if unusable_because(manifest) is None:
        models.check(folder, manifest)
