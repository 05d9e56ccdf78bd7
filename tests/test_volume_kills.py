"""kill -9 anywhere in a bootstrap: the next gets a good environment, and nothing stays behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.environments import ROOT
from tests.small_environment import Machine, leavings, make_lock

pytestmark = [pytest.mark.volume, pytest.mark.fault(1)]

POINTS = 220
AT_ONCE = 4
TTL_S = "1"


def die_at(machine: Machine, operation: int) -> int:
    """A bootstrap that is killed before this file operation; its status."""
    process = subprocess.Popen(
        [sys.executable, "-S", str(ROOT / "tests" / "die_at.py"), str(operation)],
        env=machine.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return process.wait(timeout=120)


def new_machine(folder: Path, lock: Path, **more: str) -> Machine:
    (folder / "volume").mkdir(parents=True)
    (folder / "disk").mkdir()
    more = {"PARAKEET_LEASE_TTL_S": TTL_S, "PARAKEET_GC_UNUSED_S": "0", **more}
    return Machine(folder / "volume", folder / "disk", lock, more)


def recovers(machine: Machine) -> str:
    """What is wrong after the next start and a sweep; nothing, if all is well."""
    again = machine.run("--json")
    if again.returncode != 0:
        return again.stdout + again.stderr
    if not machine.works():
        return "the environment does not work"
    swept = machine.run("--gc")
    if swept.returncode != 0 or leavings(machine):
        return f"left after --gc: {leavings(machine)} {swept.stderr}"
    return ""


def test_a_kill_between_any_two_file_operations_is_survived(tmp_path: Path) -> None:
    lock = make_lock(tmp_path / "wheels")
    counting = new_machine(tmp_path / "counting", lock, DIE_AT_COUNT=str(tmp_path / "count"))
    assert die_at(counting, 0) == 0
    count = int((tmp_path / "count").read_text())
    assert count >= POINTS
    points = sorted({1 + round(i * (count - 1) / (POINTS - 1)) for i in range(POINTS)})

    def try_one(point: int) -> tuple[int, int, str]:
        machine = new_machine(tmp_path / str(point), lock)
        status = die_at(machine, point)
        return point, status, recovers(machine)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(try_one, points))
    assert [(point, problem) for point, _, problem in results if problem] == []
    killed = [point for point, status, _ in results if status == -signal.SIGKILL]
    assert len(killed) >= 200, "threads take turns, so the last points may never come"


def test_no_program_that_an_installer_started_outlives_it(tmp_path: Path) -> None:
    waiting = tmp_path / "waiting"
    lock = make_lock(
        tmp_path / "wheels",
        tinyone=f"open({str(waiting)!r}, 'w').write('x'); import time; time.sleep(600)\n",
    )
    machine = new_machine(tmp_path / "machine", lock)
    process = machine.start()
    from tests.worker_process import wait_for

    wait_for("the proof", waiting.exists, 60)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    def ended() -> bool:
        listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
        return str(machine.disk) not in listing

    wait_for("the end of all its programs", ended, 30)


@pytest.mark.parametrize("seed", range(8))
def test_a_kill_at_a_random_time_is_survived(tmp_path: Path, seed: int) -> None:
    lock = make_lock(tmp_path / "wheels")
    machine = new_machine(tmp_path / "machine", lock)
    process = machine.start()
    try:
        process.wait(timeout=random.Random(seed).uniform(0.05, 1.0))
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    assert recovers(machine) == ""
