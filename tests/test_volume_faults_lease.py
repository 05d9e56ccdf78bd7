"""Installers that stop, wake up late, or leave things behind; clocks that differ."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.small_environment import Machine, attempts, environment_in, leavings, make_lock
from tests.volume_faults import (
    end_bootstraps,  # noqa: F401  a fixture
    ended,
    go_on_with,
    instance,
    lock_that_waits,
    manifests,
    new_machine,
    published,
    start,
    start_meddled,
    stop_group,
    two_machines,
    wait_for_file,
    wait_until_said,
    wait_until_stopped,
)

pytestmark = pytest.mark.volume

LISTED_TO_SWEEP = 3
"""The installer's listings of the lease's folder: to look, to claim, and then to sweep."""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return make_lock(tmp_path / "wheels")


def both_have_one(
    machines: tuple[Machine, Machine], done: subprocess.CompletedProcess[str]
) -> None:
    """The one that was slow has ended well, too, and with the environment of the other."""
    assert done.returncode == 0, done.stderr
    assert environment_in(done.stdout)["state"] == "ready"
    assert len(manifests(machines[0])) == 1
    assert all(machine.works() for machine in machines)
    assert not list(machines[0].home.glob(".install/*/failed.json"))
    assert leavings(machines[0]) == []


@pytest.mark.fault(2)
def test_an_installer_that_is_stopped_beyond_its_lease_takes_the_environment_of_the_next(
    tmp_path: Path,
) -> None:
    lock, begun, go_on = lock_that_waits(tmp_path)
    first, second = two_machines(tmp_path, lock)
    slow = start(first, "--json")
    wait_for_file(begun)
    stop_group(slow)
    made = second.bootstrap()
    assert attempts(first.home) == 2
    go_on.touch()
    go_on_with(slow)
    done = ended(slow)
    both_have_one((first, second), done)
    assert environment_in(done.stdout)["name"] == made["name"]


@pytest.mark.fault(2)
@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(r"os\.listdir .*/\.install/venv-[^/]*$", id="before it sweeps"),
        pytest.param(r"open .*/staging-[^/]*/\.\.ready", id="before the manifest"),
        pytest.param(r"os\.rename .*/staging-\S* .*/venvs/", id="before it publishes"),
    ],
)
def test_wherever_an_installer_is_stopped_one_environment_is_published_and_stays(
    tmp_path: Path, lock: Path, operation: str
) -> None:
    first, second = two_machines(tmp_path, lock)
    number = LISTED_TO_SWEEP if "listdir" in operation else 1
    slow = start_meddled(first, operation, number, "stop")
    wait_until_stopped(slow)
    second.bootstrap()
    made = instance(second)
    go_on_with(slow)
    done = ended(slow)
    both_have_one((first, second), done)
    assert instance(first) == made


@pytest.mark.fault(2)
def test_who_wakes_up_does_not_sweep_away_what_its_successor_is_making(tmp_path: Path) -> None:
    lock, begun, go_on = lock_that_waits(tmp_path)
    first, second = two_machines(tmp_path, lock)
    slow = start_meddled(first, r"os\.listdir .*/\.install/venv-[^/]*$", LISTED_TO_SWEEP, "stop")
    wait_until_stopped(slow)
    maker = start(second, "--json")
    wait_for_file(begun)
    go_on_with(slow)
    saying = wait_until_said(slow, "(by second)")
    go_on.touch()
    assert ended(maker).returncode == 0
    done = ended(slow)
    assert done.returncode == 0, saying
    assert environment_in(done.stdout)["state"] == "ready"
    assert attempts(first.home) == 2
    assert first.works()
    assert second.works()


@pytest.mark.fault(14)
def test_of_two_that_publish_at_once_one_drops_its_own(tmp_path: Path, lock: Path) -> None:
    first, second = two_machines(tmp_path, lock)
    elsewhere = new_machine(tmp_path / "elsewhere", lock)
    elsewhere.bootstrap()
    slow = start_meddled(first, r"os\.rename .*/staging-\S* .*/venvs/", 1, "stop")
    wait_until_stopped(slow)
    # One that took over without being seen: its lease never came to this volume.
    shutil.copytree(published(elsewhere), first.home / "venvs" / published(elsewhere).name)
    go_on_with(slow)
    done = ended(slow)
    assert done.returncode == 0, done.stderr
    assert instance(first) == instance(elsewhere)
    assert first.works()
    assert leavings(first) == []
    assert second.bootstrap()["state"] == "ready"
    assert instance(second) == instance(elsewhere)
