"""The models' weights: pinned revisions, downloaded once a volume, then never from the network.

    <home>/models/<name>-<revision>/    the files, and .ready.json with their sizes and checksums

Published like an environment (volume/publish.py), so nobody sees half a model, and what a killed
download leaves is swept by the next. RunPod's own model cache is read where it holds the revision.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from volume import files
from volume.errors import DamagedError
from volume.publish import Manifest, Place

HASHED_BYTES: Final = 100 << 20
"""Up to this size a file of RunPod's cache is held against its checksum at each start."""

CODES: Final = {"speech": "model_unavailable", "diarization": "diarization_unavailable"}
PATTERNS: Final = {"speech": "*.nemo", "diarization": "config.yaml"}
"""What a model of the kind must have."""

_HUB_NAME: Final = re.compile(r"[\w.-]+/[\w.-]+")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the worker is to have."""

    kind: Literal["speech", "diarization"]
    name: str
    """Of the hub, or a path."""
    revision: str
    expected_bytes: int

    @property
    def is_path(self) -> bool:
        """Whether it is the operator's own: no two words and a slash, or there under this name."""
        return (
            not _HUB_NAME.fullmatch(self.name)
            or self.name.startswith(".")
            or self.name.endswith(".nemo")
            or Path(self.name).exists()
        )

    @property
    def title(self) -> str:
        """What the envelope calls it."""
        return Path(self.name).name if self.is_path else f"{self.name}@{self.revision[:8]}"


def place(home: Path, model: Model) -> Place:
    """Where a model of the hub is, or will be."""
    return Place(home, "models", f"{model.name.replace('/', '--')}-{model.revision}")


def check(folder: Path, manifest: Manifest) -> None:
    """Hold a published model against its manifest: every file is there with its size.

    Raises:
        DamagedError: One is not.
    """
    try:
        for name, entry in manifest["files"].items():
            path = folder / name
            found = files.patiently(lambda path=path: path.stat().st_size)  # type: ignore[misc]
            if found != entry["bytes"]:
                raise DamagedError(f"{name} has {found} bytes instead of {entry['bytes']}")
    except FileNotFoundError as error:
        raise DamagedError(f"{error.filename} is missing") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"its manifest is not one: {error!r}") from error


def weights(folder: Path, model: Model) -> Path:
    """What the engine loads of a model's folder: the .nemo file, or the folder."""
    if model.is_path or model.kind == "diarization":
        return folder
    return next(folder.glob("*.nemo"))


def in_runpods_cache(cache: Path, model: Model) -> Path | None:
    """The model in RunPod's model cache, if it has this revision, whole.

    The cache is the hub library's: a snapshot's files are links to blobs, which a download gives
    their names only when it is complete.
    """
    snapshot = cache / f"models--{model.name.replace('/', '--')}" / "snapshots" / model.revision
    found = [path for path in sorted(snapshot.rglob("*")) if not path.is_dir()]
    wanted = list(snapshot.glob(PATTERNS[model.kind]))  # where the engine looks for it
    if len(wanted) != 1 or not all(_is_whole(path) for path in found):
        return None
    return snapshot


def _is_whole(path: Path) -> bool:
    """Whether a link of the cache leads to its blob; large files' blobs are named by their sum."""
    if not path.is_file():
        return False
    blob = path.resolve().name
    if not _SHA256.fullmatch(blob) or path.stat().st_size > HASHED_BYTES:
        return path.stat().st_size > 0
    return hashlib.sha256(path.read_bytes()).hexdigest() == blob
