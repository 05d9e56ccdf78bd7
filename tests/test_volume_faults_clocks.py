"""Clocks that differ, and what dead installers have left."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.small_environment import Machine, attempts, leavings, make_lock
from tests.volume_faults import (
    HOUR_S,
    age,
    as_worker,
    end_bootstraps,  # noqa: F401  a fixture
    ended,
    fingerprint_name,
    instance,
    manifests,
    new_machine,
    published,
    start,
    two_machines,
    with_more,
)

pytestmark = pytest.mark.volume

CLOCK = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = syscall(SYS_clock_gettime, clock, now);
    if (!status && clock == CLOCK_REALTIME)
        now->tv_sec += AHEAD;
    return status;
}
time_t time(time_t *place)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return place ? (*place = now.tv_sec) : now.tv_sec;
}
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return make_lock(tmp_path / "wheels")


@pytest.mark.fault(7)
@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S])
def test_times_of_files_that_are_an_hour_off_change_nothing(
    tmp_path: Path, lock: Path, ahead_s: float
) -> None:
    machine = new_machine(tmp_path / "machine", lock)
    machine.bootstrap()
    made = instance(machine)
    install = next(machine.home.glob(".install/venv-*"))
    for path in (*install.iterdir(), published(machine) / ".ready.json"):
        age(path, -ahead_s)
    other = new_machine(tmp_path / "other", lock, machine.volume)
    other.bootstrap()
    assert other.works()
    assert machine.run("--gc").returncode == 0
    assert instance(machine) == made
    assert attempts(machine.home) == 1


@pytest.mark.fault(7)
@pytest.mark.parametrize(("age_s", "tried_again"), [(0.0, False), (HOUR_S, True), (-HOUR_S, True)])
def test_a_failure_counts_for_a_minute_of_the_volumes_clock(
    tmp_path: Path, age_s: float, tried_again: bool
) -> None:
    once = tmp_path / "once"
    code = (
        f"import pathlib\nif not pathlib.Path({str(once)!r}).exists():\n"
        f"    pathlib.Path({str(once)!r}).touch()\n    raise ImportError('only once')\n"
    )
    machine = new_machine(tmp_path / "machine", make_lock(tmp_path / "wheels", tinyone=code))
    failed = as_worker(machine)
    assert failed["error_code"] == "bootstrap_failed"
    assert "only once" in failed["error"]
    assert manifests(machine) == []
    (record,) = machine.home.glob(".install/*/failed.json")
    age(record, age_s)
    again = as_worker(machine)
    assert ("python" in again) == machine.works() == tried_again
    assert tried_again or again == failed


@pytest.fixture
def skewed(tmp_path: Path) -> Callable[[int], str]:
    """Makes a library that sets the clock of the processes that load it first."""

    def library(ahead_s: int) -> str:
        source, made = tmp_path / "clock.c", tmp_path / f"clock{ahead_s}.so"
        source.write_text(CLOCK)
        command = ["gcc", "-shared", "-fPIC", f"-DAHEAD={ahead_s}", str(source), "-o", str(made)]
        subprocess.run(command, check=True)
        return str(made)

    if not shutil.which("gcc"):
        pytest.skip("a clock of one's own needs gcc")
    return library


@pytest.mark.fault(7)
def test_workers_whose_clocks_are_two_hours_apart_share_one_install(
    tmp_path: Path, lock: Path, skewed: Callable[[int], str]
) -> None:
    first, second = two_machines(tmp_path, lock)
    first = with_more(first, LD_PRELOAD=skewed(3600), PARAKEET_LEASE_TTL_S="10")
    second = with_more(second, LD_PRELOAD=skewed(-3600), PARAKEET_LEASE_TTL_S="10")
    assert clock_s(first) - clock_s(second) > 7000
    racers = [start(machine, "--json") for machine in (first, second)]
    assert [ended(racer).returncode for racer in racers] == [0, 0]
    assert first.works()
    assert second.works()
    assert len(manifests(first)) == 1
    assert attempts(first.home) <= 2, "and no second attempt, but for one who found it done"
    assert not list(first.home.glob(".trash/*"))


def clock_s(machine: Machine) -> float:
    """What a machine's worker takes for the time."""
    code = "import time; print(time.time())"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=machine.variables, capture_output=True
    )
    return float(done.stdout)


@pytest.mark.fault(11)
@pytest.mark.parametrize(
    ("left", "generation"),
    [
        pytest.param({"claim.7": "somebody"}, 8, id="a claim without a beat"),
        pytest.param({"claim.1": ""}, 2, id="an empty claim"),
        pytest.param({"claim.3": "somebody", "beat.3": ""}, 4, id="an empty beat"),
        pytest.param({"beat.9": "{}", "released.9": ""}, 1, id="a beat without a claim"),
        pytest.param({"claim.x": "?", "released.": "", "failed.json": "{"}, 1, id="nonsense"),
    ],
)
def test_what_a_lease_has_left_behind_is_passed_over(
    tmp_path: Path, lock: Path, left: dict[str, str], generation: int
) -> None:
    machine = new_machine(tmp_path / "machine", lock, PARAKEET_LEASE_TTL_S="1")
    install = machine.home / ".install" / fingerprint_name(machine)
    install.mkdir(parents=True)
    for name, text in left.items():
        (install / name).write_text(text)
    machine.bootstrap()
    assert machine.works()
    assert [path.name for path in install.glob("claim.[0-9]*")] == [f"claim.{generation}"]
    assert leavings(machine) == []


@pytest.mark.fault(11)
def test_what_dead_installs_have_left_is_swept(tmp_path: Path, lock: Path) -> None:
    machine = new_machine(tmp_path / "machine", lock, PARAKEET_GC_UNUSED_S="0")
    install = machine.home / ".install" / fingerprint_name(machine)
    for folder in (
        install / "staging-1-dead" / "files",
        install / "staging-2-dead" / "build-staging-2-dead" / "tree-1",
        machine.home / ".trash" / "venv-old",
        machine.disk / "local" / "scratch" / "build-staging-1-dead" / "tree-1",
        machine.disk / "local" / "shadows" / "venv-old.0123abcd",
    ):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(bytes(1000))
    (install / ".beat.1.dead").touch()
    machine.bootstrap()
    assert machine.works()
    swept = machine.run("--gc")
    assert swept.returncode == 0, swept.stderr
    assert leavings(machine) == []
    trees = {path.name for path in (machine.disk / "local" / "shadows").iterdir()}
    assert trees == {
        f"{published(machine).name}-{instance(machine)}{end}" for end in ("", ".owner")
    }
