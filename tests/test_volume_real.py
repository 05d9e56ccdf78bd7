"""The production lock, installed for real, killed at random on the way, and started from."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import worker_process
from tests.control_plane_state import Rules
from tests.demo_worker import assert_all_ended, command, conversation_base64
from tests.environments import ROOT
from tests.small_environment import Machine, environment_in, leavings

pytestmark = pytest.mark.real

KILLS_S = ((0.5, 4.0), (6.0, 20.0), (25.0, 40.0))
"""When the installers are killed: while uv installs, while the tree is proved, near the end."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with an empty volume and the production lock. What it makes is 9 GB."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "volume").mkdir()
    uv = Path(sys.executable).with_name("uv")
    uv_cache = subprocess.check_output([uv, "cache", "dir"], text=True).strip()
    own = ("PATH", "PARAKEET_", "PYTHON")
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(own)}
    more = {
        **inherited,
        "PARAKEET_LEASE_TTL_S": "10",
        # The packages were fetched by `make`; a machine that is really new fetches them here.
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", uv_cache),
        "UV_OFFLINE": "0",
        "PARAKEET_GC_UNUSED_S": "0",
    }
    lock = ROOT / "requirements.txt"
    yield Machine(folder / "volume", folder / "disk", lock, more, is_small=False)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def installed(machine: Machine) -> Machine:
    """After three installers that were killed and one that was not."""
    chance = random.Random(os.environ.get("PARAKEET_TEST_SEED", "1"))
    for window_s in KILLS_S:
        process = machine.start()
        try:
            process.wait(timeout=chance.uniform(*window_s))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
    done = machine.run("--json", timeout_s=1800)
    assert done.returncode == 0, done.stderr
    environment = environment_in(done.stdout)
    assert environment["state"] == "ready"
    assert environment["torch"] == "2.8.0"
    return machine


def test_nothing_is_left_of_the_killed_ones_after_a_sweep(installed: Machine) -> None:
    swept = installed.run("--gc")
    assert swept.returncode == 0, swept.stderr
    assert leavings(installed) == []
    assert len(list(installed.home.glob("venvs/venv-*"))) == 1


def test_the_environment_takes_little_more_room_than_its_files(installed: Machine) -> None:
    on_volume = sum(p.stat().st_size for p in installed.home.rglob("*") if p.is_file())
    tree = next((installed.disk / "local" / "shadows").glob("venv-*/pyvenv.cfg")).parent
    unpacked = sum(p.stat().st_size for p in tree.rglob("*") if p.is_file())
    assert on_volume <= 1.2 * unpacked


def test_a_worker_starts_from_it_and_answers(installed: Machine) -> None:
    (installed.disk / "tmp").mkdir(exist_ok=True)
    variables = {
        **installed.variables,
        "TMPDIR": str(installed.disk / "tmp"),
        "PARAKEET_WORK_DIR": str(installed.disk / "work"),
    }
    log = installed.disk / "worker.log"
    with (
        worker_process.endpoint(Rules(lease_s=120)) as endpoint,
        worker_process.worker(endpoint, installed.disk.name, command(), log, variables) as worker,
    ):
        job = endpoint.run({"audio_base64": conversation_base64()}, executionTimeout=900_000)
        view = endpoint.finished(job, timeout_s=900)
        assert view["status"] == "COMPLETED", worker.log()
        assert view["output"]["text"].startswith("Good morning, everybody.")
        assert len(view["output"]["speakers"]) == 3
        engine = worker.descendants("engine/__main__.py")[0]
        assert str(installed.disk / "local" / "shadows") in " ".join(engine.cmdline())
    assert_all_ended(installed.disk)


def test_its_bytecode_was_compiled_once_for_all(installed: Machine) -> None:
    tree = next((installed.disk / "local" / "shadows").glob("venv-*/bin/python"))
    code = (
        "import importlib.util, pathlib, sys, torch; "
        "cached = pathlib.Path(importlib.util.cache_from_source(torch.__file__)); "
        "source = pathlib.Path(torch.__file__).stat(); data = cached.read_bytes(); "
        "assert int.from_bytes(data[8:12], 'little') == int(source.st_mtime); "
        "assert int.from_bytes(data[12:16], 'little') == source.st_size"
    )
    done = subprocess.run([tree, "-I", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
