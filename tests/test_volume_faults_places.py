"""Other locks, other Pythons, no volume, and no room on local disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import machines
from tests.environments import ROOT
from tests.small_environment import Machine, environment_in, make_lock
from tests.volume_faults import (
    HOUR_S,
    age,
    error_of,
    fingerprint_name,
    manifests,
    new_machine,
    published,
    works_on_the_volume,
)
from tests.worker_process import wait_for

pytestmark = pytest.mark.volume

USE = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from volume.provide import Provider
python = Provider().provide(lambda step: None).python
print(python, flush=True)
sys.stdin.read()
"""
"""A worker without its queue: it provides, and uses what it provided until its stdin ends."""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return make_lock(tmp_path / "wheels")


@contextmanager
def using(machine: Machine) -> Iterator[Path]:
    """A worker that uses its environment; the Python of that."""
    command = [sys.executable, "-S", "-c", USE]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=machine.variables, stdin=pipe, stdout=pipe) as process:
        try:
            assert process.stdout is not None
            python = Path(process.stdout.readline().decode().strip())
            marks = machine.home / ".used"
            wait_for("its mark", lambda: list(marks.glob(f"*@{machine.more['RUNPOD_POD_ID']}")), 60)
            yield python
        finally:
            process.kill()


@pytest.mark.fault(10)
def test_a_new_lock_leaves_the_old_environment_to_those_that_use_it(tmp_path: Path) -> None:
    locks = [make_lock(tmp_path / f"wheels-{v}", version=f"{v}.0") for v in (1, 2, 3, 4)]
    old, *others = [
        new_machine(tmp_path / f"machine-{number}", each, tmp_path)
        for number, each in enumerate(locks, 1)
    ]
    with using(old) as python:
        for machine in others:
            machine.bootstrap()
        versions = [subprocess.check_output([python, "-I", "-c", VERSION])] * 2
        assert len(manifests(old)) == 4
        for machine, age_h in ((old, 48), (others[0], 48), (others[1], 40)):
            age(old.home / "venvs" / fingerprint_name(machine) / ".ready.json", age_h * HOUR_S)
        swept = others[-1].run("--gc")
        assert swept.returncode == 0, swept.stderr
        left = {path.name for path in old.home.glob("venvs/*")}
        assert left == {fingerprint_name(machine) for machine in (old, *others[1:])}
        versions.append(subprocess.check_output([python, "-I", "-c", VERSION]))
        assert versions == [b"1.0\n"] * 3
    assert all(machine.works() for machine in (old, *others[1:]))


VERSION = "import tinyone, tinytwo, tinythree; print(tinytwo.VERSION)"


def another_python() -> Path:
    """A Python of another minor version, or at least another one, that can run the bootstrap."""
    beside = Path(sys.base_prefix).parent.glob("*/bin/python3")
    code = "import sys; print(*sys.version_info[:2], sys.base_prefix)"
    found = {}
    for place in (*beside, Path("/usr/bin/python3")):
        done = subprocess.run([place, "-I", "-c", code], capture_output=True, text=True)
        major, minor, prefix = done.stdout.split() if done.returncode == 0 else ("0", "0", "")
        if (int(major), int(minor)) >= (3, 11) and prefix != sys.base_prefix:
            found[int(minor) != sys.version_info[1]] = place
    if not found:
        pytest.skip("there is no other Python from 3.11 on")
    return found[max(found)]


@pytest.mark.fault(9)
def test_another_python_has_an_environment_of_its_own(tmp_path: Path, lock: Path) -> None:
    python = another_python()
    machine = new_machine(tmp_path / "machine", lock)
    machine.bootstrap()
    other = new_machine(tmp_path / "other", lock, machine.volume)
    command: list[str | Path] = [python, "-S", ROOT / "bootstrap.py", "--json"]
    done = subprocess.run(command, env=other.variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert other.works()
    assert environment_in(done.stdout)["name"] != fingerprint_name(machine)
    assert len(manifests(machine)) == 2
    (tree,) = (other.disk / "local" / "shadows").glob("venv-*/bin/python")
    assert tree.resolve() == python.resolve()
    assert machine.works()


@pytest.mark.fault(12)
@pytest.mark.parametrize("there", [True, False])
def test_where_no_volume_is_mounted_that_is_said_and_it_works(
    tmp_path: Path, lock: Path, there: bool
) -> None:
    volume = tmp_path / "volume"
    if there:
        volume.mkdir()
    machine = new_machine(tmp_path / "machine", lock, volume)
    done = machine.run("--json")
    assert done.returncode == 0, done.stderr
    assert machine.works()
    found = Path(environment_in(done.stdout)["found"])
    if there:
        assert f"{volume} is no mounted volume but a folder of this container" in done.stderr
        assert found.is_relative_to(volume)
    else:
        assert f"no volume at {volume}" in done.stderr
        assert found.is_relative_to(machine.disk / "local")
        assert not volume.exists()


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    ("place", "options"), [("local", "size=16k"), ("local/shadows", "size=64m,nr_inodes=12")]
)
def test_where_local_disk_has_no_room_the_tree_is_on_the_volume(
    tmp_path: Path, lock: Path, place: str, options: str
) -> None:
    machine = new_machine(tmp_path / "machine", lock)
    (machine.disk / "local").mkdir()
    with machines.mounted("tmpfs", machine.disk / place, options):
        said = machine.run("--json").stderr
        assert "no place for the environment's code" in said
        assert "No space left on device" in said
        assert works_on_the_volume(machine)
        (tree,) = machine.home.glob(".shadows/venv-*")
        made_s = (tree / ".shadow.json").stat().st_mtime_ns
        assert machine.run().returncode == 0
        assert (tree / ".shadow.json").stat().st_mtime_ns == made_s, "once for all"
        assert not list((machine.disk / "local").glob("*/venv-*/*"))
    assert machine.run("--gc").returncode == 0
    assert works_on_the_volume(machine)


@pytest.mark.fault(15)
def test_where_nothing_has_room_that_is_said(tmp_path: Path, lock: Path) -> None:
    machine = new_machine(tmp_path / "machine", lock)
    machine.bootstrap()
    other = new_machine(tmp_path / "other", lock, machine.volume)
    with (
        machines.mounted("tmpfs", other.disk / "local", "size=16k"),
        machines.mounted("tmpfs", other.home / ".shadows", "size=16k"),
    ):
        code, message = error_of(other.run("--json"))
    assert code == "bootstrap_failed"
    assert "neither local disk nor the volume takes it" in message
    assert published(other)
    other.bootstrap()
    assert other.works()
