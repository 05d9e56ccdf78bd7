"""The tree that is run from: found, made, and never one that is just being swept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.environments import ROOT
from tests.leases import child
from volume import archive, local, pack, shadow
from volume.environment import ARCHIVE, INDEX, LARGE
from volume.errors import BootstrapError, DamagedError

FIND_LATE = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from volume import local, shadow
published, *parents = map(Path, sys.argv[1:])
is_first = True

def note(event, arguments):
    global is_first
    if event == "fcntl.flock" and is_first:
        is_first = False
        local.sweep(parents[0])

sys.addaudithook(note)
print("ready", shadow.find(published, {{"instance": "one"}}, parents), sep="\\n", flush=True)
"""
"""Finds a tree that another process sweeps between the look and the lock, which is where Python
tells of it (PEP 578)."""


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """An environment of one small file and one large one."""
    tree, folder = tmp_path / "tree", tmp_path / "venv-1"
    (tree / "lib").mkdir(parents=True)
    (tree / "lib" / "module.py").write_text("VERSION = 1\n")
    (folder / LARGE).mkdir(parents=True)
    (folder / LARGE / "0000-large.so").write_bytes(b"large")
    parts = archive.write(tree, ["lib/module.py"], folder / ARCHIVE)
    archive.finish(folder / ARCHIVE)
    pack.write_index(folder / INDEX, parts, [], {})
    return folder


def manifest(published: Path) -> dict[str, Any]:
    return {
        "instance": "one",
        "sizes": {ARCHIVE: (published / ARCHIVE).stat().st_size},
        "large": [{"path": "lib/deep/large.so", "stored": "0000-large.so", "bytes": 5}],
    }


@pytest.fixture
def parents(tmp_path: Path) -> list[Path]:
    return [tmp_path / "memory", tmp_path / "disk", tmp_path / "volume"]


def is_right(tree: shadow.Shadow, published: Path) -> bool:
    return (
        (tree.folder / "lib" / "module.py").read_text() == "VERSION = 1\n"
        and (tree.folder / "lib" / "deep" / "large.so").readlink()
        == published / LARGE / "0000-large.so"
        and tree.python.exists()
    )


def test_a_tree_is_made_once_and_found(published: Path, parents: list[Path]) -> None:
    told = manifest(published)
    assert shadow.find(published, told, parents) is None
    made = shadow.make(published, told, parents)
    assert made.folder == parents[0] / "venv-1-one"
    assert is_right(made, published)
    found = shadow.find(published, told, parents)
    assert found is not None
    assert found.folder == made.folder
    assert shadow.find(published, {**told, "instance": "two"}, parents) is None
    assert local.sweep(parents[0]) == [], "it is held"
    for tree in (made, found):
        assert tree.owner is not None
        os.close(tree.owner)
    assert local.sweep(parents[0]) == [made.folder]


@pytest.mark.fault(15)
def test_the_first_place_with_room_is_taken(published: Path, parents: list[Path]) -> None:
    parents[0].write_text("no folder")
    made = shadow.make(published, manifest(published), parents)
    assert made.folder.parent == parents[1]
    assert is_right(made, published)
    assert made.owner is not None
    os.close(made.owner)
    parents[1].rename(parents[1].with_name("away"))
    parents[1].write_text("no folder")
    last = shadow.make(published, manifest(published), parents)
    assert (last.folder.parent, last.owner) == (parents[2], None)
    assert is_right(last, published)
    assert shadow.find(published, manifest(published), parents) == last
    with pytest.raises(BootstrapError, match="neither local disk nor the volume"):
        shadow.make(published, manifest(published), parents[:2])


def test_a_damaged_environment_makes_no_tree(published: Path, parents: list[Path]) -> None:
    told = manifest(published)
    (published / ARCHIVE).write_bytes(bytes(told["sizes"][ARCHIVE]))
    with pytest.raises(DamagedError):
        shadow.make(published, told, parents)
    (published / INDEX).write_bytes(b"{}")
    with pytest.raises(DamagedError):
        shadow.make(published, told, parents)
    assert [
        path for parent in parents if parent.exists() for path in parent.glob("venv-1-*/")
    ] == []


@pytest.mark.parametrize("what", ["the mark", "the python", "the place"])
def test_half_a_tree_is_not_found_and_is_replaced(
    published: Path, parents: list[Path], what: str
) -> None:
    told = manifest(published)
    made = shadow.make(published, told, parents)
    assert made.owner is not None
    os.close(made.owner)
    if what == "the mark":
        (made.folder / shadow.WHOLE).unlink()
    elif what == "the python":
        made.python.unlink()
    else:  # the volume is mounted elsewhere: the links lead nowhere
        (published.parent / "elsewhere").mkdir()
        published = published.rename(published.parent / "elsewhere" / "venv-1")
    assert shadow.find(published, told, parents) is None
    again = shadow.make(published, told, parents)
    assert is_right(again, published)


def test_a_tree_that_is_discarded_is_not_found(published: Path, parents: list[Path]) -> None:
    made = shadow.make(published, manifest(published), parents)
    shadow.discard(made)
    assert shadow.find(published, manifest(published), parents) is None
    assert list(parents[0].glob("venv-1-*/")) == []


def test_a_tree_that_was_swept_meanwhile_is_not_found(published: Path, parents: list[Path]) -> None:
    made = shadow.make(published, manifest(published), parents)
    assert made.owner is not None
    os.close(made.owner)
    with child(FIND_LATE, published, *parents) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "None\n"
    assert not made.folder.exists()
