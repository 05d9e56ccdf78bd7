"""Volumes that fill up, turn read-only, fail, or hang."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import slow_mount
from tests.slow_mount import Mount
from tests.small_environment import Machine, leavings, make_lock
from tests.volume_faults import (
    end_bootstraps,  # noqa: F401  a fixture
    ended,
    error_of,
    lock_that_waits,
    manifests,
    new_machine,
    start,
    start_meddled,
    wait_for_file,
    with_more,
)

pytestmark = pytest.mark.volume

FIRST_LOOK = r"open .*/venvs/venv-[^/]*/\.ready\.json"
"""After the test whether the volume can be written at all."""


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """A volume of which the kernel caches nothing."""
    slow_mount.require()
    (tmp_path / "backing").mkdir()
    (tmp_path / "mount").mkdir()
    with slow_mount.mounted(tmp_path / "backing", tmp_path / "mount", attr_s=0, entry_s=0) as mount:
        yield mount


def machine_on(mount: Mount, folder: Path, lock: Path, name: str = "machine") -> Machine:
    """A machine that can bring faults about, and does not ask how much is free."""
    control = str(mount.path / slow_mount.CONTROL)
    more = {"CONTROL": control, "PARAKEET_ENGINE_BYTES": "1", "PARAKEET_LEASE_TTL_S": "1"}
    return new_machine(folder / name, lock, mount.path, **more)


def recovers(machine: Machine) -> None:
    """Once the fault is gone: nothing is published by then, and the next start is as the first."""
    assert manifests(machine) == []
    machine.bootstrap()
    assert machine.works()
    assert leavings(machine) == []


@pytest.mark.fault(4)
@pytest.mark.parametrize(
    ("fault", "room_bytes"),
    [
        *(("enospc", room_bytes) for room_bytes in (0, 1_305_000)),
        *(("edquot", room_bytes) for room_bytes in (40, 300_000)),
    ],
)
def test_a_volume_that_fills_up_is_said_and_nothing_is_published(
    mount: Mount, tmp_path: Path, fault: str, room_bytes: int
) -> None:
    machine = machine_on(mount, tmp_path, make_lock(tmp_path / "wheels"))
    done = ended(start_meddled(machine, FIRST_LOOK, 1, f"{fault} {room_bytes}"))
    code, message = error_of(done)
    assert code == "volume_full"
    assert "room" in message or "No space" in message or "GB free" in message
    assert mount.counters()[fault] == 0 or "GB free" in message
    mount.set(fault, -1)
    recovers(machine)


def fails_in_the_middle(mount: Mount, tmp_path: Path, fault: str) -> tuple[str, str]:
    """The error of an install whose volume fails during its proof; it works without the fault."""
    lock, begun, go_on = lock_that_waits(tmp_path)
    machine = machine_on(mount, tmp_path, lock)
    installing = start(machine, "--json")
    wait_for_file(begun)
    name, value = fault.split()
    mount.set(name, int(value))
    go_on.touch()
    error = error_of(ended(installing))
    mount.set(name, -1 if name in ("enospc", "edquot") else 0)
    recovers(machine)
    return error


@pytest.mark.fault(4)
@pytest.mark.parametrize("fault", ["enospc 0", "edquot 0"])
def test_a_volume_that_fills_up_during_the_proof(mount: Mount, tmp_path: Path, fault: str) -> None:
    code, message = fails_in_the_middle(mount, tmp_path, fault)
    assert code == "volume_full"
    assert "Enlarge the volume" in message


@pytest.mark.fault(4)
def test_a_volume_that_turns_read_only_during_the_proof(mount: Mount, tmp_path: Path) -> None:
    code, message = fails_in_the_middle(mount, tmp_path, "ro 1")
    assert code == "bootstrap_failed"
    assert "Read-only file system" in message


@pytest.mark.fault(5)
@pytest.mark.parametrize(
    ("fault", "text"), [("eio 1", "Input/output error"), ("estale 1", "Stale file handle")]
)
def test_a_volume_that_is_lost_during_the_proof(
    mount: Mount, tmp_path: Path, fault: str, text: str
) -> None:
    code, message = fails_in_the_middle(mount, tmp_path, fault)
    assert code == "bootstrap_failed"
    assert text in message


@pytest.mark.fault(4)
def test_a_volume_that_is_read_only_gives_what_it_has_and_the_rest_is_made_locally(
    mount: Mount, tmp_path: Path
) -> None:
    has, lacks = (make_lock(tmp_path / f"wheels-{v}", version=v) for v in ("1.0", "2.0"))
    machine_on(mount, tmp_path, has).bootstrap()
    mount.set("ro", 1)
    for name, lock in (("of-the-volume", has), ("its-own", lacks)):
        machine = machine_on(mount, tmp_path, lock, name)
        found = Path(machine.bootstrap()["found"])
        assert machine.works()
        assert found.is_relative_to(mount.path) == (lock == has)
        assert found.is_relative_to(machine.disk) == (lock == lacks)
        assert "read-only; what it lacks goes to local disk" in machine.run().stderr


@pytest.mark.fault(5)
@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("eio 1", "Input/output error"),
        ("estale 1", "its handle is stale: the mount has to be made anew"),
        ("hang 1", "it did not answer within 10 s"),
    ],
)
def test_a_volume_that_does_not_answer_is_said_at_once(
    mount: Mount, tmp_path: Path, fault: str, text: str
) -> None:
    machine = machine_on(mount, tmp_path, make_lock(tmp_path / "wheels"))
    name, value = fault.split()
    mount.set(name, int(value))
    done = machine.run("--json")
    mount.set(name, 0)
    assert error_of(done) == ("bootstrap_failed", f"the volume at {mount.path}: {text}")
    recovers(machine)


@pytest.mark.fault(5)
@pytest.mark.parametrize("fault", ["eio_next 1", "estale_next 4"])
def test_a_start_survives_what_a_volume_answers_wrongly_once(
    mount: Mount, tmp_path: Path, fault: str
) -> None:
    lock = make_lock(tmp_path / "wheels")
    machine_on(mount, tmp_path, lock).bootstrap()
    name = fault.split(maxsplit=1)[0]
    counting = machine_on(mount, tmp_path, lock, "counting")
    on_volume, count = re.escape(f" {mount.path}/"), tmp_path / "count"
    assert ended(start_meddled(counting, on_volume, 0, "count", COUNT=str(count))).returncode == 0
    numbers = range(1, int(count.read_text()) + 1)
    assert len(numbers) >= 5
    struck = []
    for number in numbers:
        machine = machine_on(mount, tmp_path, lock, f"start-{number}")
        done = ended(start_meddled(machine, on_volume, number, fault))
        if mount.counters()[name] == 0:
            struck.append(number)
        mount.set(name, 0)
        assert done.returncode == 0, (number, done.stderr)
        assert machine.works()
    assert len(struck) >= len(numbers) - 1, "nothing may come after the last one"


@pytest.mark.fault(5)
@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(r"os\.mkdir .*/\.install/venv-", id="the folder of its lease"),
        pytest.param(r"os\.rename .*/beat\.1$", id="its first beat"),
        pytest.param(r"open .*/staging-[^/]*/\.\.ready", id="the manifest"),
        pytest.param(r"os\.rename .*/staging-\S* .*/venvs/", id="the publishing rename"),
    ],
)
def test_an_install_that_is_answered_wrongly_says_so_and_the_next_one_succeeds(
    mount: Mount, tmp_path: Path, operation: str
) -> None:
    machine = machine_on(mount, tmp_path, make_lock(tmp_path / "wheels"))
    # So long a life that no later beat comes in between and takes the error for itself.
    patient = with_more(machine, PARAKEET_LEASE_TTL_S="600")
    done = ended(start_meddled(patient, operation, 1, "eio_next 2"))
    assert mount.counters()["eio_next"] == 0
    code, message = error_of(done)
    assert code == "bootstrap_failed"
    assert "Input/output error" in message
    assert manifests(machine) == []
    machine.bootstrap()
    assert machine.works()
    assert leavings(machine) == []
