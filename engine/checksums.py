"""What weights must be, byte for byte, since loading them unpickles."""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from speech.errors import EngineError

_BLOCK_BYTES: Final = 1 << 20
_SUMS_LINE: Final = re.compile(r"^([0-9a-f]{64}) [ *](?:\./)?(.+)$", re.MULTILINE)

SUMS_FILE: Final = "SHA256SUMS"
"""In the format of sha256sum: a sum, two spaces, a path relative to the directory."""

KNOWN_SHA256: Final[Mapping[tuple[str, str], Mapping[str, str]]] = {
    (
        "pyannote/speaker-diarization-community-1",
        "3533c8cf8e369892e6b79ff1bf80f7b0286a54ee",
    ): {
        "config.yaml": "5ce2bfa9a938dc132cec1172592d65173cbb8f444ea1e4133f10f9391de155be",
        "segmentation/pytorch_model.bin": (
            "7ad24338d844fb95985486eb1a464e32d229f6d7a03c9abe60f978bacf3f816e"
        ),
        "embedding/pytorch_model.bin": (
            "6f10ff60898a1d185fa22e1d11e0bfa8a92efec811f11bca48cb8cafebefd929"
        ),
        "plda/plda.npz": "9b77bcd840692710dd3496f62ecfeed8d8e5f002fd991b785079b244eab7d255",
        "plda/xvec_transform.npz": (
            "325f1ce8e48f7e55e9c8aa47e05d2766b7c48c4b25b8de8dd751e7a4cc5fbe8f"
        ),
    },
    (
        "nvidia/diar_streaming_sortformer_4spk-v2",
        "6dbf0d69730bfee097056692b86525a0a23b32f9",
    ): {
        "diar_streaming_sortformer_4spk-v2.nemo": (
            "b371afce2c4958186469df33d939936b9746c89f38b10a69cfd2c61254e83329"
        ),
    },
}
"""Sums of the files of (model, revision); these files and no others are downloaded."""


def sha256(path: Path) -> str:
    """The sha256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def require_nemo(checkpoint: Path) -> Path:
    """The checkpoint, if it is what NeMo loads.

    Raises:
        EngineError: ``model_unavailable``: it is no tar archive.
    """
    if not tarfile.is_tarfile(checkpoint):
        raise EngineError(
            "model_unavailable",
            f"{checkpoint.name} is no NeMo checkpoint (a tar archive); it may be cut off, or a"
            " pointer of Git LFS",
        )
    return checkpoint


def verify_directory(directory: Path) -> None:
    """Hold a local directory against its ``SHA256SUMS``, if it has that file.

    Every file listed must be there and match, and every ``.bin`` file must be listed.

    Raises:
        EngineError: ``diarization_unavailable``, naming the first file that is not as described.
    """
    sums_file = directory / SUMS_FILE
    if not sums_file.is_file():
        return
    sums = {name: digest for digest, name in _SUMS_LINE.findall(sums_file.read_text("utf-8"))}
    unlisted = [
        path.relative_to(directory).as_posix()
        for path in sorted(directory.rglob("*.bin"))
        if path.relative_to(directory).as_posix() not in sums
    ]
    for name in (*sums, *unlisted):
        path = directory / name
        if not path.is_file() or sha256(path) != sums.get(name):
            raise EngineError(
                "diarization_unavailable",
                f"{name} is not the file that {SUMS_FILE} of {directory.name} describes; it is"
                " missing, damaged, changed or not listed",
            )
