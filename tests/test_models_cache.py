"""The models on the volume and in RunPod's cache: whole, or not there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from volume import models
from volume.errors import DamagedError
from volume.models import HASHED_BYTES, Model

REVISION = "0123456789abcdef0123456789abcdef01234567"
OTHER_REVISION = REVISION[::-1]
SPEECH = Model("speech", "someone/some-model", REVISION, 1000)
DIARIZATION = Model("diarization", "someone/speakers", REVISION, 1000)


@pytest.mark.parametrize(
    ("name", "is_path", "title"),
    [
        ("someone/some-model", False, "someone/some-model@01234567"),
        ("some.one/some_model-2.0", False, "some.one/some_model-2.0@01234567"),
        ("/models/speech.nemo", True, "speech.nemo"),
        ("models/speech.nemo", True, "speech.nemo"),
        ("speech.nemo", True, "speech.nemo"),
        ("./models", True, "models"),
        ("../models", True, "models"),
        ("one/two/three", True, "three"),
        ("speakers", True, "speakers"),
    ],
)
def test_a_path_is_told_from_a_name_of_the_hub(name: str, is_path: bool, title: str) -> None:
    model = Model("speech", name, REVISION, 0)
    assert (model.is_path, model.title) == (is_path, title)


def test_what_is_there_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not SPEECH.is_path
    (tmp_path / SPEECH.name).mkdir(parents=True)
    assert SPEECH.is_path
    assert SPEECH.title == "some-model"


def test_each_revision_has_its_place(tmp_path: Path) -> None:
    places = [models.place(tmp_path, Model("speech", "a/b", r, 0)) for r in ("one", "two")]
    assert [place.folder for place in places] == [
        tmp_path / "models" / "a--b-one",
        tmp_path / "models" / "a--b-two",
    ]


def put(folder: Path, files: Mapping[str, bytes]) -> Mapping[str, Any]:
    """A published model, and its manifest."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return {"files": {name: {"bytes": len(content)} for name, content in files.items()}}


def test_a_published_model_is_checked_by_its_sizes(tmp_path: Path) -> None:
    manifest = put(tmp_path, {"config.yaml": b"a: 1", "embedding/model.bin": b"weights"})
    models.check(tmp_path, manifest)
    (tmp_path / "config.yaml").write_bytes(b"a: 2")
    models.check(tmp_path, manifest)
    (tmp_path / "embedding" / "model.bin").write_bytes(b"weight")
    with pytest.raises(DamagedError, match=r"embedding/model\.bin has 6 bytes instead of 7"):
        models.check(tmp_path, manifest)
    (tmp_path / "embedding" / "model.bin").unlink()
    with pytest.raises(DamagedError, match=r"model\.bin is missing"):
        models.check(tmp_path, manifest)


@pytest.mark.parametrize(
    "manifest",
    [{}, {"files": None}, {"files": ["model.nemo"]}, {"files": {"model.nemo": {}}},
     {"files": {"model.nemo": None}}],
)  # fmt: skip
def test_a_manifest_that_is_none_is_damage(tmp_path: Path, manifest: Mapping[str, Any]) -> None:
    (tmp_path / "model.nemo").write_bytes(b"x")
    with pytest.raises(DamagedError, match="its manifest is not one"):
        models.check(tmp_path, manifest)


def test_the_engine_loads_the_checkpoint_or_the_folder(tmp_path: Path) -> None:
    put(tmp_path, {"README.md": b"x", "model.nemo": b"x", "config.yaml": b"x"})
    assert models.weights(tmp_path, SPEECH) == tmp_path / "model.nemo"
    assert models.weights(tmp_path, DIARIZATION) == tmp_path
    own = tmp_path / "model.nemo"
    assert models.weights(own, Model("speech", str(own), "", 0)) == own


def put_cached(
    cache: Path, model: Model, files: Mapping[str, bytes], revision: str = REVISION
) -> Path:
    """A snapshot as the hub's library leaves it: links to blobs, of which the large ones have their
    sum for a name, and the small ones another.
    """
    repository = cache / f"models--{model.name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(revision)
    (repository / "blobs").mkdir(exist_ok=True)
    snapshot = repository / "snapshots" / revision
    for name, content in files.items():
        is_large = name.endswith((".nemo", ".bin"))
        digest = hashlib.sha256(content) if is_large else hashlib.sha1(content)
        blob = repository / "blobs" / digest.hexdigest()
        blob.write_bytes(content)
        link = snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        up = "/".join([".."] * (2 + name.count("/")))
        link.symlink_to(f"{up}/blobs/{blob.name}")
    return snapshot


SPEECH_FILES = {"README.md": b"text", "model.nemo": b"weights"}
SPEAKER_FILES = {
    "config.yaml": b"a: 1",
    "embedding/model.bin": b"one",
    "segmentation/model.bin": b"two",
}


def test_a_whole_snapshot_of_runpods_cache_is_taken(tmp_path: Path) -> None:
    for model, files in ((SPEECH, SPEECH_FILES), (DIARIZATION, SPEAKER_FILES)):
        assert models.in_runpods_cache(tmp_path, model) is None
        snapshot = put_cached(tmp_path, model, files)
        assert models.in_runpods_cache(tmp_path, model) == snapshot
        for name, content in files.items():
            assert (snapshot / name).read_bytes() == content
    found = models.in_runpods_cache(tmp_path, SPEECH)
    assert found is not None
    assert models.weights(found, SPEECH).read_bytes() == b"weights"


def test_another_revision_is_not_taken(tmp_path: Path) -> None:
    put_cached(tmp_path, SPEECH, SPEECH_FILES, OTHER_REVISION)
    assert models.in_runpods_cache(tmp_path, SPEECH) is None


def test_a_snapshot_without_the_weights_is_not_taken(tmp_path: Path) -> None:
    put_cached(tmp_path, SPEECH, {"README.md": b"text"})
    put_cached(tmp_path, DIARIZATION, {"embedding/model.bin": b"one"})
    assert models.in_runpods_cache(tmp_path, SPEECH) is None
    assert models.in_runpods_cache(tmp_path, DIARIZATION) is None


def test_two_checkpoints_are_one_too_many(tmp_path: Path) -> None:
    put_cached(tmp_path, SPEECH, {**SPEECH_FILES, "other.nemo": b"others"})
    assert models.in_runpods_cache(tmp_path, SPEECH) is None


def test_a_checkpoint_where_the_engine_would_not_look_is_not_taken(tmp_path: Path) -> None:
    put_cached(tmp_path, SPEECH, {"deep/model.nemo": b"weights"})
    put_cached(tmp_path, DIARIZATION, {"deep/config.yaml": b"a: 1"})
    assert models.in_runpods_cache(tmp_path, SPEECH) is None
    assert models.in_runpods_cache(tmp_path, DIARIZATION) is None


@pytest.mark.fault(16)
@pytest.mark.parametrize("name", ["model.nemo", "README.md"])
def test_a_snapshot_that_is_not_yet_whole_is_not_taken(tmp_path: Path, name: str) -> None:
    snapshot = put_cached(tmp_path, SPEECH, SPEECH_FILES)
    blob = (snapshot / name).resolve()
    blob.rename(blob.with_name(f"{blob.name}.0a1b2c3d.incomplete"))
    assert models.in_runpods_cache(tmp_path, SPEECH) is None


@pytest.mark.fault(16)
@pytest.mark.parametrize("content", [b"", b"weightS", b"weights and more"])
def test_a_blob_that_is_not_what_its_name_says_is_not_taken(tmp_path: Path, content: bytes) -> None:
    snapshot = put_cached(tmp_path, SPEECH, SPEECH_FILES)
    (snapshot / "model.nemo").resolve().write_bytes(content)
    assert models.in_runpods_cache(tmp_path, SPEECH) is None


def test_a_large_blob_is_not_read_at_each_start(tmp_path: Path) -> None:
    snapshot = put_cached(tmp_path, SPEECH, SPEECH_FILES)
    with (snapshot / "model.nemo").open("r+b") as file:
        file.truncate(HASHED_BYTES + 1)
    assert models.in_runpods_cache(tmp_path, SPEECH) == snapshot


def test_files_that_are_no_links_are_taken_too(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--someone--some-model" / "snapshots" / REVISION
    put(snapshot, SPEECH_FILES)
    assert models.in_runpods_cache(tmp_path, SPEECH) == snapshot
    (snapshot / "README.md").write_bytes(b"")
    assert models.in_runpods_cache(tmp_path, SPEECH) is None
