"""Bootstraps that meet, that are ended and killed, and what surrounds them."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import slow_mount
from tests.bootstraps import DEADLINE_S, Gate, checked, new_machine, published
from tests.small_environment import NAMES, Machine, attempts, environment_in, leavings, make_lock
from tests.worker_process import wait_for


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


@pytest.fixture
def installing(tmp_path: Path, gate: Gate) -> Iterator[tuple[Machine, subprocess.Popen[str]]]:
    """A machine in the middle of an installation, and its process."""
    machine = new_machine(tmp_path, gate.lock)
    with machine.start() as process:
        try:
            wait_for("the proof", gate.reached.exists, DEADLINE_S)
            yield machine, process
        finally:
            process.kill()


def has_published(said: str) -> bool:
    """Whether a bootstrap tells of a publication as of its own."""
    return re.search(r"^ *\d+ %  publishing$", said, re.MULTILINE) is not None


def test_a_check_and_a_second_worker_see_who_installs(
    tmp_path: Path, gate: Gate, installing: tuple[Machine, subprocess.Popen[str]]
) -> None:
    first, installation = installing
    impatient = new_machine(tmp_path, gate.lock, "worker-2")
    patient = new_machine(tmp_path, gate.lock, "worker-4")
    with impatient.start() as one, patient.start() as other:
        for process in (one, other):
            assert process.stderr is not None
            told = next(line for line in process.stderr if "proving" in line)
            assert re.fullmatch(r" 60 %  proving the environment, .*\(by worker-1\)\n", told)
        status, said = checked(new_machine(tmp_path, gate.lock, "worker-3"))
        assert (status, said["state"]) == (1, "being made")
        assert re.fullmatch(r"proving the environment, .*, by worker-1", said["found"])
        one.terminate()
        assert one.wait(DEADLINE_S) == 130
        gate.open.touch()
        endings = [process.communicate(timeout=DEADLINE_S) for process in (installation, other)]
    assert [process.returncode for process in (installation, other)] == [0, 0], endings
    assert [has_published(err) for _, err in endings] == [True, False]
    assert first.works()
    assert patient.works()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_installation_that_is_ended_leaves_nothing(
    gate: Gate, installing: tuple[Machine, subprocess.Popen[str]], number: signal.Signals
) -> None:
    machine, process = installing
    process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (130, ""), err
    assert "Traceback" not in err
    assert leavings(machine) == []
    assert list((machine.disk / "local").rglob("*")) == [machine.disk / "local" / "scratch"]
    # It has released its lease, and nothing is noted as a failure: the next one begins at once.
    gate.open.touch()
    machine.bootstrap()
    assert machine.works()
    assert attempts(machine.home) == 2


def test_a_download_that_is_ended_leaves_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes a request, and never answers
        url = f"http://127.0.0.1:{server.getsockname()[1]}/tinyone-1.0-py3-none-any.whl"
        lock = tmp_path / "lock.txt"
        lock.write_text(f"tinyone @ {url} --hash=sha256:{'0' * 64}\n")
        machine = new_machine(tmp_path, lock, UV_OFFLINE="false", NO_PROXY="127.0.0.1")
        with machine.start() as process:
            server.settimeout(DEADLINE_S)
            server.accept()[0].close()
            process.terminate()
            process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert leavings(machine) == []


@pytest.mark.fault(1)
def test_the_next_one_succeeds_where_one_was_killed(tmp_path: Path, gate: Gate) -> None:
    machine = new_machine(tmp_path, gate.lock, PARAKEET_LEASE_TTL_S="1")
    with machine.start() as process:
        wait_for("the proof", gate.reached.exists, DEADLINE_S)
        process.kill()
    assert leavings(machine) != []
    gate.open.touch()
    machine.bootstrap()
    assert machine.works()
    assert leavings(machine) == []
    assert attempts(machine.home) > 1


def test_machines_that_race_get_one_environment(tmp_path: Path) -> None:
    lock = make_lock(tmp_path / "wheels")
    machines = [new_machine(tmp_path, lock, f"worker-{number}") for number in range(3)]
    racers = [machine.start("--json") for machine in machines]
    answers = [racer.communicate(timeout=DEADLINE_S) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 3, answers
    assert len({environment_in(out)["found"] for out, _ in answers}) == 1
    assert len(list(machines[0].home.glob("venvs/*"))) == 1
    assert sum(has_published(err) for _, err in answers) == 1
    assert all(machine.works() for machine in machines)


def test_variables_of_the_image_do_not_reach_the_environment(tmp_path: Path) -> None:
    forbidden = {
        "HF_TOKEN": "hf_secret",
        "S3_SECRET_KEY": "secret",
        "PYTHONPATH": str(tmp_path / "image"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPYCACHEPREFIX": str(tmp_path / "bytecode"),
        "PYTHONOPTIMIZE": "2",
        "VIRTUAL_ENV": str(tmp_path / "nothing"),
        "PIP_REQUIRE_VIRTUALENV": "1",
        "UV_PYTHON": "2.7",
        "UV_LINK_MODE": "nonsense",
        "UV_PRERELEASE": "nonsense",
        "UV_PROJECT_ENVIRONMENT": str(tmp_path / "nothing"),
        "UV_TARGET": str(tmp_path / "nothing"),
    }
    (tmp_path / "image").mkdir()
    for name in ("tinyone", "tinytwo", "sitecustomize"):
        (tmp_path / "image" / f"{name}.py").write_text("raise SystemExit('of the image')")
    seen = tmp_path / "seen"
    code = (
        "import os, sys\n"
        f"with open({str(seen)!r}, 'a') as file:\n"
        "    print(sys.flags.optimize, *os.environ, file=file)\n"
        "VERSION = '1.0'\n"
    )
    lock = make_lock(tmp_path / "wheels", tinyone=code)
    machine = new_machine(tmp_path, lock, **forbidden)
    machine.bootstrap()
    (proof,) = seen.read_text().splitlines()
    assert proof.split()[0] == "0"
    assert not forbidden.keys() & set(proof.split()[1:])
    assert machine.works()
    with tarfile.open(published(machine)[0] / "code.tar.gz") as archive:
        assert sum(name.endswith(".pyc") for name in archive.getnames()) == len(NAMES)
    assert not (tmp_path / "nothing").exists()
    assert not (tmp_path / "bytecode").exists()


def test_a_volume_that_may_only_be_read_is_enough_where_all_is_there(tmp_path: Path) -> None:
    slow_mount.require()
    (tmp_path / "mount").mkdir()
    lock = make_lock(tmp_path / "wheels")
    new_machine(tmp_path, lock).bootstrap()
    with slow_mount.mounted(tmp_path / "volume", tmp_path / "mount") as volume:
        volume.set("ro", 1)
        machine = Machine(volume.path, tmp_path / "worker-2", lock)
        before = {path: path.stat().st_mtime for path in (tmp_path / "volume").rglob("*")}
        status, said = checked(machine)
        assert (status, said["state"]) == (0, "ready")
        found = machine.bootstrap()["found"]
        assert found.startswith(str(volume.path))
        assert machine.works()
    assert before == {path: path.stat().st_mtime for path in (tmp_path / "volume").rglob("*")}
    assert not list((machine.disk / "local").glob("venvs/*"))


def test_what_a_read_only_volume_lacks_goes_to_local_disk(tmp_path: Path) -> None:
    slow_mount.require()
    for name in ("volume", "mount"):
        (tmp_path / name).mkdir()
    with slow_mount.mounted(tmp_path / "volume", tmp_path / "mount") as volume:
        volume.set("ro", 1)
        machine = Machine(volume.path, tmp_path / "worker-1", make_lock(tmp_path / "wheels"))
        done = machine.run("--json")
        assert done.returncode == 0, done.stderr
        assert "read-only; what it lacks goes to local disk" in done.stderr
        assert environment_in(done.stdout)["found"].startswith(f"{machine.disk}/local/venvs/")
        assert machine.works()
    assert list((tmp_path / "volume").iterdir()) == []
