"""Engines that do not start: through the worker and its queue."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import slow_mount, worker_process
from tests.control_plane_state import Rules
from tests.environments import engine_python
from tests.small_environment import attempts, make_lock
from tests.volume_faults import (
    DEADLINE_S,
    add_to_lock,
    instance,
    lock_that_waits,
    manifests,
    new_machine,
    wait_for_file,
    with_more,
)
from tests.volume_workers import (
    JOB_TIMEOUT_S,
    REQUEST,
    engines,
    failed,
    wait_until,
    worker,
)
from tests.worker_process import Endpoint, wait_for

pytestmark = pytest.mark.volume

HANG = "import time\nwhile True: time.sleep(1)"
JUNK = "import os\nprint('{\"type\": \"broken\"}')\nos.write(1, b'\\xff\\x00 junk\\n')\n"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with worker_process.endpoint(Rules(lease_s=120)) as endpoint:
        yield endpoint


def at_engines_start(code: str) -> dict[str, bytes]:
    """Files of a package that run code where an engine starts, and nowhere else."""
    module = "import sys\nif any('engine/__main__' in word for word in sys.orig_argv):\n"
    indented = "".join(f"    {line}\n" for line in code.splitlines())
    return {"at_start.pth": b"import at_start\n", "at_start.py": (module + indented).encode()}


@pytest.mark.fault(17)
def test_an_environment_that_starts_no_engine_is_rebuilt_twice_and_then_given_up(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    machine = new_machine(tmp_path / "machine", make_lock(tmp_path / "wheels"))
    with worker(endpoint, machine) as process:
        for _ in range(2):
            output = failed(endpoint, endpoint.run(REQUEST))
            assert output["error_code"] == "bootstrap_failed"
        assert process.log().count("does not start") == 6, "each environment, and each tree of it"
    assert len(list(machine.home.glob(".trash/venv-*"))) == 2
    (broken,) = machine.home.glob(".install/*/broken.json")
    assert "No module named 'torch'" in json.loads(broken.read_text())["reason"]
    assert "found broken 3 times within an hour" in process.log()


@pytest.mark.fault(17)
def test_a_tree_that_has_lost_a_file_is_made_anew_and_its_environment_is_not(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    lock, started = make_lock(tmp_path / "wheels"), tmp_path / "started"
    add_to_lock(lock, at_engines_start(f"open({str(started)!r}, 'w').close()\n{HANG}"))
    machine = new_machine(tmp_path / "machine", lock)
    machine.bootstrap()
    made = instance(machine)
    (lost,) = (machine.disk / "local" / "shadows").glob("venv-*/lib/**/at_start.pth")
    lost.unlink()  # as those do who clean up what nobody has read for long
    with worker(endpoint, machine) as process:
        wait_for_file(started)
        assert process.log().count("does not start") == 1
    assert instance(machine) == made
    assert attempts(machine.home) == 1


def borrowed() -> dict[str, bytes]:
    """A file by which a small environment has all that the models' environment has."""
    command = [str(engine_python()), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return {"borrowed.pth": subprocess.check_output(command)}


@pytest.mark.fault(17)
@pytest.mark.fault(22)
@pytest.mark.parametrize("end", ["is killed for memory", "hangs", "talks nonsense"])
def test_an_engine_that_ends_in_its_start_is_no_fault_of_its_environment(
    endpoint: Endpoint, tmp_path: Path, end: str
) -> None:
    lock = make_lock(tmp_path / "wheels")
    nonsense = "import os\nos.write(int(sys.orig_argv[-1]), b'nonsense\\n')\n"
    add_to_lock(lock, at_engines_start(nonsense * (end == "talks nonsense") + HANG))
    machine = new_machine(tmp_path / "machine", lock)
    if end == "hangs":
        machine = with_more(machine, PARAKEET_ENGINE_HELLO_TIMEOUT_S="1")
    with worker(endpoint, machine) as process:
        job = endpoint.run(REQUEST)
        if end == "is killed for memory":
            (engine,) = wait_for("an engine", lambda: engines(process), DEADLINE_S)
            wait_until(endpoint, job, "load")
            engine.kill()
            engine.wait(DEADLINE_S)
        output = failed(endpoint, job)
        assert output["error_code"] == "engine_start_failed"
        assert output["retryable"] is True
        assert "does not start" not in process.log()
    assert attempts(machine.home) == len(manifests(machine)) == 1
    assert not list(machine.home.glob(".install/*/*broken.json"))
    assert not list(machine.home.glob(".trash/*"))


@pytest.mark.fault(17)
@pytest.mark.fault(21)
def test_two_jobs_at_once_wait_for_one_install_and_one_engine_which_may_print_what_it_likes(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    lock, begun, go_on = lock_that_waits(tmp_path)
    add_to_lock(lock, {**at_engines_start(JUNK), **borrowed()})
    machine = new_machine(tmp_path / "machine", lock)
    with worker(endpoint, machine) as process:
        wait_for_file(begun)
        jobs = [endpoint.run(REQUEST) for _ in range(2)]
        for job in jobs:
            wait_until(endpoint, job, "install")
        go_on.touch()
        views = [endpoint.finished(job, JOB_TIMEOUT_S) for job in jobs]
        assert [view["status"] for view in views] == ["COMPLETED"] * 2, views
        assert len(engines(process)) == 1
        assert process.log().count("engine ready") == 1
        assert "junk" in process.log()
    assert attempts(machine.home) == len(manifests(machine)) == 1
    assert machine.works()


@pytest.mark.fault(5)
def test_a_job_is_answered_while_the_volume_hangs_and_the_install_goes_on_afterwards(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    slow_mount.require()
    lock, begun, go_on = lock_that_waits(tmp_path)
    for name in ("backing", "mount"):
        (tmp_path / name).mkdir()
    with slow_mount.mounted(tmp_path / "backing", tmp_path / "mount") as mount:
        machine = new_machine(tmp_path / "machine", lock, mount.path)
        machine = with_more(machine, PARAKEET_BOOTSTRAP_TIMEOUT_S="1", PARAKEET_LEASE_TTL_S="60")
        with worker(endpoint, machine):
            wait_for_file(begun)
            mount.set("hang", 1)
            go_on.touch()
            output = failed(endpoint, endpoint.run(REQUEST))
            mount.set("hang", 0)
            assert output["error_code"] == "bootstrap_timeout"
            assert output["retryable"] is True
            wait_for("the environment", lambda: manifests(machine), DEADLINE_S)
