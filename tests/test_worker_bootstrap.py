"""What a job sees of a bootstrap: the real worker, its queue, and a small environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import fast_models, worker_process
from tests.control_plane_state import Rules
from tests.demo_worker import assert_all_ended, command, conversation_base64
from tests.fast_models import write_order
from tests.small_environment import Machine, make_lock
from tests.worker_process import Endpoint, WorkerProcess, wait_for

REQUEST = {"audio_base64": conversation_base64(), "end": 6}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with worker_process.endpoint(Rules(lease_s=60)) as endpoint:
        yield endpoint


@pytest.fixture
def held_up(tmp_path: Path) -> tuple[Path, Path]:
    """A lock whose proof goes on until a file is there, and that file."""
    go_on = tmp_path / "go-on"
    wait = (
        f"import pathlib, time\nwhile not pathlib.Path({str(go_on)!r}).exists(): time.sleep(0.05)\n"
    )
    return make_lock(tmp_path / "wheels", tinyone=wait), go_on


@contextmanager
def worker(endpoint: Endpoint, machine: Machine, **more: str) -> Iterator[WorkerProcess]:
    """A worker whose environment is the small one."""
    machine.disk.mkdir(parents=True, exist_ok=True)
    (machine.disk / "tmp").mkdir(exist_ok=True)
    variables = {
        **machine.variables,
        "TMPDIR": str(machine.disk / "tmp"),
        "PARAKEET_WORK_DIR": str(machine.disk / "work"),
        "PARAKEET_PROGRESS_INTERVAL_S": "0.1",
        "PARAKEET_BOOTSTRAP_PROGRESS_INTERVAL_S": "0.2",
        **more,
    }
    log = machine.disk / "worker.log"
    with worker_process.worker(endpoint, machine.disk.name, command(), log, variables) as process:
        yield process


def installing(endpoint: Endpoint, job: str, detail: str) -> dict[str, Any]:
    """Wait for progress of the install that says this."""

    def look() -> list[dict[str, Any]]:
        events = endpoint.events("progress", job=job)
        outputs = [event["output"] for event in events]
        return [o for o in outputs if o["stage"] == "install" and detail in o.get("detail", "")]

    return wait_for(f"an install's progress with {detail!r}", look, 60)[0]


def installed(machine: Machine) -> list[Path]:
    """Environments that were made: no engine starts in the small one, so it is soon set aside."""
    return [path for place in ("venvs", ".trash") for path in machine.home.glob(f"{place}/venv-*")]


def test_a_job_that_waits_too_long_is_given_back_and_the_install_goes_on(
    endpoint: Endpoint, tmp_path: Path, held_up: tuple[Path, Path]
) -> None:
    lock, go_on = held_up
    (tmp_path / "volume").mkdir()
    machine = Machine(tmp_path / "volume", tmp_path / "first", lock)
    with worker(endpoint, machine, PARAKEET_BOOTSTRAP_TIMEOUT_S="2"):
        job = endpoint.run(REQUEST)
        told = installing(endpoint, job, "proving")
        assert 0 < told["percent"] < 100
        view = endpoint.finished(job)
        assert view["status"] == "FAILED"
        assert view["output"]["error_code"] == "bootstrap_timeout"
        assert view["output"]["retryable"] is True
        assert "proving" in view["output"]["message"]
        assert not list(machine.home.glob("venvs/venv-*"))
        go_on.touch()
        wait_for("the environment", lambda: installed(machine), 240)
    assert_all_ended(machine.disk)


def test_the_install_starts_with_the_worker_and_not_with_a_job(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    (tmp_path / "volume").mkdir()
    machine = Machine(tmp_path / "volume", tmp_path / "idle", make_lock(tmp_path / "wheels"))
    with worker(endpoint, machine):
        wait_for("the environment", lambda: installed(machine), 240)
        assert endpoint.events("given") == []


def test_a_job_is_told_which_other_worker_installs_and_how_far_it_is(
    endpoint: Endpoint, tmp_path: Path, held_up: tuple[Path, Path]
) -> None:
    lock, go_on = held_up
    (tmp_path / "volume").mkdir()
    first = Machine(tmp_path / "volume", tmp_path / "first", lock)
    second = Machine(tmp_path / "volume", tmp_path / "second", lock)
    installer = first.start()
    wait_for("the install", lambda: list(first.home.glob(".install/venv-*/beat.1")), 60)
    with worker(endpoint, second):
        job = endpoint.run(REQUEST)
        told = installing(endpoint, job, "by first")
        assert "percent" in told
        percents = [
            event["output"]["percent"]
            for event in endpoint.events("progress", job=job)
            if "percent" in event["output"]
        ]
        assert percents == sorted(percents)
        go_on.touch()
        installer.communicate(timeout=60)
        assert installer.returncode == 0
        assert len(list(second.home.glob("venvs/venv-*"))) == 1


def test_a_job_is_told_that_the_speech_model_is_prepared(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    write_order(tmp_path / "own.nemo", wait_for=str(tmp_path / "never"))
    machine = fast_models.new_machine(tmp_path)
    with worker(endpoint, machine):
        job = endpoint.run(REQUEST)
        told = installing(endpoint, job, "preparing the speech model: comparing the encoders")
        assert 0 < told["percent"] < 100
    assert_all_ended(machine.disk)
    processes = fast_models.runs(tmp_path / "own.nemo")
    assert len(processes) == 1
    assert not psutil.pid_exists(processes[0])


def test_sigterm_in_the_middle_of_an_install_ends_the_worker_and_its_programs(
    endpoint: Endpoint, tmp_path: Path, held_up: tuple[Path, Path]
) -> None:
    lock, _ = held_up
    (tmp_path / "volume").mkdir()
    machine = Machine(tmp_path / "volume", tmp_path / "ended", lock)
    with worker(endpoint, machine) as process:
        job = endpoint.run(REQUEST)
        installing(endpoint, job, "proving")
        endpoint.cancel(job)
        process.process.terminate()
        process.process.wait(timeout=60)
        assert_all_ended(machine.disk)
