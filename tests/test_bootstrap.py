"""``python bootstrap.py`` puts a models' environment on the volume, whole or not at all.

With real uv, real processes and a small environment of three packages.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests import machines
from tests.bootstraps import new_machine, published, run_in_tree
from tests.small_environment import (
    LARGE_FILE,
    NAMES,
    Machine,
    attempts,
    environment_in,
    leavings,
    make_lock,
    make_wheel,
)
from volume import files


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lock(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, lock: Path) -> tuple[Machine, Any]:
    """A machine with an environment, and what its bootstrap said of that. To be read only."""
    machine = new_machine(tmp_path_factory.mktemp("installed"), lock)
    return machine, machine.bootstrap()


def failure(machine: Machine) -> tuple[str, str]:
    """The code and the message of a bootstrap that must fail and leave nothing that counts."""
    done = machine.run("--json")
    assert done.returncode == 1, done.stderr
    (line,) = done.stdout.splitlines()
    answer = json.loads(line)
    assert f"bootstrap failed: {answer['error']}" in done.stderr
    assert published(machine) == []
    assert leavings(machine) == []
    return answer["error_code"], answer["error"]


def test_an_environment_is_installed_once_and_works(tmp_path: Path, lock: Path) -> None:
    machine = new_machine(tmp_path, lock)
    first = machine.bootstrap()
    (place,) = published(machine)
    assert (first["state"], first["found"], first["name"]) == ("ready", str(place), place.name)
    assert machine.works()
    assert leavings(machine) == []
    written = (place / ".ready.json").stat()
    again = machine.run()
    assert again.returncode == 0
    assert "installing" not in again.stderr
    assert attempts(machine.home) == 1
    assert (place / ".ready.json").stat() == written
    # Another machine, and one that uses the same disk once more, install nothing either.
    other = new_machine(tmp_path, lock, "worker-2")
    assert other.bootstrap()["found"] == str(place)
    assert other.works()
    assert attempts(machine.home) == 1


def test_what_is_published_is_what_is_documented(installed: tuple[Machine, Any]) -> None:
    machine, said = installed
    (place,) = published(machine)
    assert {path.name for path in place.iterdir()} == {
        ".ready.json", "code.tar.gz", "index.json", "files",
    }  # fmt: skip
    (large,) = (place / "files").iterdir()
    assert large.read_bytes() == next(machine.disk.rglob(LARGE_FILE)).read_bytes()
    manifest = json.loads((place / ".ready.json").read_text())
    assert manifest["name"] == place.name
    assert manifest["lock"] == machine.lock.name
    assert manifest["versions"]["python"] == said["python"]
    assert {path.name for path in machine.home.iterdir()} == {"venvs", ".install"}

    (tree,) = (machine.disk / "local" / "shadows").glob("venv-*/")
    tree_bytes = sum(path.stat().st_size for path in files.files_below(tree) if path.is_file())
    assert files.size_of(place) <= 1.2 * tree_bytes
    assert said["bytes"] == pytest.approx(files.size_of(place), rel=0.01)


def test_the_bytecode_of_what_was_imported_is_published_and_valid(
    installed: tuple[Machine, Any],
) -> None:
    machine, _ = installed
    with tarfile.open(published(machine)[0] / "code.tar.gz") as archive:
        names = archive.getnames()
    assert len(names) == len(set(names))
    assert sum(name.endswith(".pyc") for name in names) == len(NAMES)
    # -v tells of each module whether its bytecode was taken, or made because there was none.
    (python,) = (machine.disk / "local" / "shadows").glob("venv-*/bin/python")
    told = subprocess.run(
        [python, "-I", "-v", "-c", f"import {', '.join(NAMES)}"], capture_output=True, text=True
    ).stderr
    for name in NAMES:
        (module,) = python.parent.parent.glob(f"lib/*/site-packages/{name}.py")
        assert f" matches {module}\n" in told
    assert "wrote" not in told


def test_a_changed_lock_makes_another_environment_beside_the_old_one(
    tmp_path: Path, lock: Path
) -> None:
    old = new_machine(tmp_path, lock)
    new = new_machine(tmp_path, make_lock(tmp_path / "new", "2.0"), "worker-2")
    assert old.bootstrap()["name"] != new.bootstrap()["name"]
    assert len(published(old)) == 2
    for machine, version in ((old, "1.0"), (new, "2.0")):
        assert run_in_tree(machine, "import tinythree; print(tinythree.VERSION)") == version
    # The same machine with the new lock: the tree that nobody uses any more makes room.
    newer = Machine(old.volume, old.disk, new.lock, new.more)
    newer.bootstrap()
    assert run_in_tree(newer, "import tinythree; print(tinythree.VERSION)") == "2.0"
    assert attempts(old.home) == 1


def test_an_environment_that_does_not_import_is_not_published(tmp_path: Path) -> None:
    lock = make_lock(tmp_path / "wheels", tinythree="raise ImportError('wrong CUDA')\n")
    code, message = failure(new_machine(tmp_path, lock))
    assert code == "bootstrap_failed"
    assert "wrong CUDA" in message


def test_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    lock = make_lock(tmp_path / "wheels")
    text = lock.read_text().rstrip()
    lock.write_text(text[:-1] + ("0" if text[-1] != "0" else "1") + "\n")
    code, message = failure(new_machine(tmp_path, lock))
    assert code == "bootstrap_failed"
    assert "hash" in message.lower()


def test_too_little_room_is_told_before_anything_is_done(tmp_path: Path, lock: Path) -> None:
    machine = new_machine(tmp_path, lock, PARAKEET_ENGINE_BYTES="1e15")
    code, message = failure(machine)
    assert code == "volume_full"
    assert "GB free" in message
    assert "Enlarge the volume" in message
    assert not (machine.disk / "local").exists()


@pytest.mark.fault(4)
def test_a_volume_that_is_full_in_the_middle_is_told_as_that(tmp_path: Path) -> None:
    lock = make_lock(tmp_path / "wheels")
    with machines.mounted("tmpfs", tmp_path / "volume", "size=1m"):
        machine = new_machine(tmp_path, lock, PARAKEET_ENGINE_BYTES="1000")
        code, message = failure(machine)
    assert code == "volume_full"
    assert "Enlarge the volume" in message


def test_a_folder_without_its_manifest_is_replaced(tmp_path: Path, lock: Path) -> None:
    machine = new_machine(tmp_path, lock)
    machine.bootstrap()
    (place,) = published(machine)
    (place / ".ready.json").unlink()
    assert machine.run("--check").returncode == 1
    assert machine.bootstrap()["found"] == str(place)
    assert machine.works()
    assert attempts(machine.home) == 2


@pytest.mark.fault(15)
def test_a_damaged_archive_is_found_and_made_anew(tmp_path: Path, lock: Path) -> None:
    new_machine(tmp_path, lock).bootstrap()
    other = new_machine(tmp_path, lock, "worker-2")
    archive = published(other)[0] / "code.tar.gz"
    content = archive.read_bytes()
    archive.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    done = other.run("--json")
    assert done.returncode == 0, done.stderr
    assert environment_in(done.stdout)["state"] == "ready"
    assert other.works()
    assert attempts(other.home) == 2


@pytest.mark.parametrize(
    ("code", "is_there"), [("FAST = True\n", True), ("raise ImportError('wrong CUDA')\n", False)]
)
def test_an_optional_wheel_is_kept_only_where_it_works(
    tmp_path: Path, lock: Path, code: str, is_there: bool
) -> None:
    wheel = make_wheel(tmp_path / "optional", "flash_thing", "1.0", code)
    machine = new_machine(tmp_path, lock, PARAKEET_FLASH_ATTN_WHEEL=str(wheel))
    name = machine.bootstrap()["name"]
    assert machine.works()
    found = "import importlib.util as u; print(u.find_spec('flash_thing') is not None)"
    assert run_in_tree(machine, found) == str(is_there)
    assert new_machine(tmp_path, lock).run("--check").returncode == 1, "it has a name of its own"
    assert name == published(machine)[0].name


@pytest.mark.parametrize("wheel", ["{}/nothing", "https://127.0.0.1:9/none"])
def test_an_optional_wheel_that_is_nowhere_is_not_in_the_way(
    tmp_path: Path, lock: Path, wheel: str
) -> None:
    wheel = f"{wheel.format(tmp_path)}/flash_thing-1.0-py3-none-any.whl"
    machine = new_machine(tmp_path, lock, PARAKEET_FLASH_ATTN_WHEEL=wheel)
    done = machine.run("--json")
    assert done.returncode == 0, done.stderr
    assert "flash_thing is left out" in done.stderr
    assert machine.works()
