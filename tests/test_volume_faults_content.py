"""An environment that is there and broken: found, set aside, and built anew."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.small_environment import Machine, attempts, make_lock
from tests.volume_faults import instance, new_machine, published

pytestmark = [pytest.mark.volume, pytest.mark.fault(9)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """One with an environment, which no test changes."""
    folder = tmp_path_factory.mktemp("sound")
    machine = new_machine(folder / "machine", make_lock(folder / "wheels"))
    machine.bootstrap()
    return machine


@pytest.fixture
def volume(sound: Machine, tmp_path: Path) -> Path:
    """A volume with an environment."""
    return Path(shutil.copytree(sound.volume, tmp_path / "volume"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change(path: Path) -> None:
    """One bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def large(folder: Path) -> Path:
    (path,) = (folder / "files").iterdir()
    return path


def rewrite(**changes: Any) -> Callable[[Path], object]:
    """Change entries of the manifest; None removes them."""

    def damage(folder: Path) -> None:
        path = folder / ".ready.json"
        content = {**json.loads(path.read_text()), **changes}
        kept = {key: value for key, value in content.items() if value is not None}
        path.write_text(json.dumps(kept))

    return damage


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a large file is missing": lambda folder: large(folder).unlink(),
    "a large file is cut short": lambda folder: cut(large(folder)),
    "the archive is cut short": lambda folder: cut(folder / "code.tar.gz"),
    "the archive is damaged": lambda folder: change(folder / "code.tar.gz"),
    "the index is damaged": lambda folder: change(folder / "index.json"),
    "the manifest is missing": lambda folder: (folder / ".ready.json").unlink(),
    "the manifest is garbage": lambda folder: (folder / ".ready.json").write_bytes(b"\xff{"),
    "the manifest is cut short": lambda folder: cut(folder / ".ready.json"),
    "the manifest names no instance": rewrite(instance=None),
    "the manifest names no sizes": rewrite(sizes=None),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_environment_is_made_anew(
    sound: Machine, volume: Path, tmp_path: Path, damage: str
) -> None:
    machine = new_machine(tmp_path / "machine", sound.lock, volume)
    DAMAGE[damage](published(machine))
    machine.bootstrap()
    assert machine.works()
    assert instance(machine) != instance(sound)
    assert attempts(machine.home) == 2


def test_a_machine_with_a_tree_of_the_damaged_environment_takes_one_of_the_new(
    sound: Machine, volume: Path, tmp_path: Path
) -> None:
    machine = new_machine(tmp_path / "machine", sound.lock, volume)
    machine.bootstrap()
    assert instance(machine) == instance(sound)
    large(published(machine)).unlink()
    assert not machine.works()
    machine.bootstrap()
    assert machine.works()
    assert instance(machine) != instance(sound)


def tree_of(machine: Machine) -> Path:
    """The tree that a machine runs from."""
    return machine.disk / "local" / "shadows" / f"{published(machine).name}-{instance(machine)}"


def link_to_nowhere(link: Path) -> None:
    link.unlink()
    link.symlink_to("/nowhere/bin/python3")


def moved_away(tree: Path) -> None:
    """As another image made it, whose Python was elsewhere."""
    for link in (tree / "bin").glob("python*"):
        link_to_nowhere(link)
    (tree / "pyvenv.cfg").write_text("home = /nowhere/bin\ninclude-system-site-packages = false\n")
    marker = json.loads((tree / ".shadow.json").read_text())
    (tree / ".shadow.json").write_text(json.dumps({**marker, "python": "/nowhere/bin/python3"}))


TREE_DAMAGE: dict[str, Callable[[Path], object]] = {
    "its Python is gone": lambda tree: link_to_nowhere(tree / "bin" / "python"),
    "another image made it": moved_away,
    "its pyvenv.cfg names a folder that is gone": lambda tree: (tree / "pyvenv.cfg").write_text(
        "home = /nowhere/bin\ninclude-system-site-packages = false\n"
    ),
    "its pyvenv.cfg is gone": lambda tree: (tree / "pyvenv.cfg").unlink(),
    "its marker is gone": lambda tree: (tree / ".shadow.json").unlink(),
    "its marker is garbage": lambda tree: (tree / ".shadow.json").write_text("{"),
}


@pytest.mark.parametrize("damage", TREE_DAMAGE)
def test_a_damaged_tree_is_made_anew_and_its_environment_is_not(
    sound: Machine, volume: Path, tmp_path: Path, damage: str
) -> None:
    machine = new_machine(tmp_path / "machine", sound.lock, volume)
    machine.bootstrap()
    tree = tree_of(machine)
    TREE_DAMAGE[damage](tree)
    machine.bootstrap()
    assert machine.works()
    assert tree_of(machine) == tree
    assert {path.name for path in tree.parent.iterdir()} == {tree.name, f"{tree.name}.owner"}
    home = f"home = {Path(sys.executable).resolve().parent}\n"
    assert (tree / "pyvenv.cfg").read_text().startswith(home)
