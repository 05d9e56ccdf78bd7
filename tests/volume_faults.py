"""What the tests of the volume's faults share."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.environments import ROOT
from tests.small_environment import Machine, environment_in, make_lock, make_wheel
from tests.worker_process import wait_for

DEADLINE_S = 60.0
HOUR_S = 3600.0

_started: list[subprocess.Popen[str]] = []


def new_machine(folder: Path, lock: Path, volume: Path | None = None, **more: str) -> Machine:
    """A machine whose disk is in a folder, and whose volume is there too unless it is given."""
    if volume is None:
        volume = folder / "volume"
        volume.mkdir(parents=True)
    disk = folder / "disk"
    disk.mkdir(parents=True, exist_ok=True)
    return Machine(volume, disk, lock, {"RUNPOD_POD_ID": folder.name, **more})


def two_machines(folder: Path, lock: Path) -> tuple[Machine, Machine]:
    """On one volume."""
    first = new_machine(folder / "first", lock)
    return first, new_machine(folder / "second", lock, first.volume)


def with_more(machine: Machine, **more: str) -> Machine:
    """The same machine with other variables."""
    return replace(machine, more={**machine.more, **more})


def lock_that_waits(folder: Path) -> tuple[Path, Path, Path]:
    """A lock whose first proof waits: (the lock, a file it then makes, the file it waits for)."""
    begun, go_on = folder / "begun", folder / "go-on"
    code = (
        "import pathlib, time\n"
        f"begun, go_on = pathlib.Path({str(begun)!r}), pathlib.Path({str(go_on)!r})\n"
        "if not begun.exists():\n"
        "    begun.touch()\n"
        "    while not go_on.exists(): time.sleep(0.02)\n"
    )
    return make_lock(folder / "wheels", tinyone=code), begun, go_on


def add_to_lock(lock: Path, files: Mapping[str, bytes]) -> None:
    """Put files into the second of the lock's packages."""
    first, _, third = lock.read_text().splitlines()
    wheel = make_wheel(lock.parent, "tinytwo", "1.0", "VERSION = '1.0'\n", files)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock.write_text("\n".join((first, f"tinytwo @ {wheel.as_uri()} --hash=sha256:{digest}", third)))


def wait_for_file(path: Path) -> None:
    """Wait until it is there."""
    wait_for(path.name, path.exists, DEADLINE_S)


@pytest.fixture(autouse=True)
def end_bootstraps() -> Iterator[None]:
    """A test that fails leaves no bootstrap behind, not even one that is stopped.

    Works in the modules that import it.
    """
    yield
    while _started:
        process = _started.pop()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def start(machine: Machine, *arguments: str) -> subprocess.Popen[str]:
    """A bootstrap that ends with the test at the latest."""
    _started.append(machine.start(*arguments))
    return _started[-1]


def start_meddled(
    machine: Machine, pattern: str, number: int, action: str, **more: str
) -> subprocess.Popen[str]:
    """The same, in which something happens right before a file operation: see meddle.py."""
    program = str(ROOT / "tests" / "meddle.py")
    process = subprocess.Popen(
        [sys.executable, "-S", program, pattern, str(number), action],
        env={**machine.variables, **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _started.append(process)
    return process


def wait_until_stopped(process: subprocess.Popen[str]) -> None:
    """Wait until a process has stopped itself."""
    state = psutil.Process(process.pid)
    wait_for("a stop", lambda: state.status() == psutil.STATUS_STOPPED, DEADLINE_S)


def stop_group(process: subprocess.Popen[str]) -> None:
    """SIGSTOP for a bootstrap and all its programs, as when its machine is paused."""
    os.killpg(process.pid, signal.SIGSTOP)


def go_on_with(process: subprocess.Popen[str]) -> None:
    """SIGCONT for them."""
    os.killpg(process.pid, signal.SIGCONT)


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """A bootstrap, once it has ended."""
    out, err = process.communicate(timeout=DEADLINE_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def error_of(done: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """(code, message) of a bootstrap with --json that must have failed, and said so in words."""
    assert done.returncode != 0, done.stdout
    assert 'bootstrap.py", line' not in done.stderr, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["error_code"], answer["error"]


def manifests(machine: Machine) -> list[Mapping[str, Any]]:
    """Those of the environments that are published."""
    return [json.loads(path.read_text()) for path in machine.home.glob("venvs/*/.ready.json")]


def published(machine: Machine) -> Path:
    """The one environment that is published."""
    (folder,) = machine.home.glob("venvs/*")
    return folder


def instance(machine: Machine) -> str:
    """Which one the one environment is."""
    (manifest,) = manifests(machine)
    return str(manifest["instance"])


def age(path: Path, seconds: float) -> None:
    """Let a file have been written so long ago, by the volume's clock."""
    at_s = path.stat().st_mtime - seconds
    os.utime(path, (at_s, at_s))


TRY = f"""
import json, sys; sys.path.insert(0, {str(ROOT)!r})
from volume.errors import BootstrapError
from volume.provide import Provider
try:
    print(json.dumps({{"python": str(Provider().provide(lambda step: None).python)}}))
except BootstrapError as error:
    print(json.dumps({{"error_code": error.code, "error": error.message}}))
"""


def as_worker(machine: Machine) -> Mapping[str, str]:
    """What a worker, who is no operator with a command line, is provided with, or why not."""
    command = [sys.executable, "-S", "-c", TRY]
    done = subprocess.run(command, env=machine.variables, stdout=subprocess.PIPE, check=True)
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def wait_until_said(process: subprocess.Popen[str], text: str) -> str:
    """Read a bootstrap's stderr up to the line that holds this; all that was read."""
    assert process.stderr is not None
    read = ""
    for line in process.stderr:
        read += line
        if text in line:
            return read
    raise AssertionError(f"ended without saying {text!r}: {read}")


def fingerprint_name(machine: Machine) -> str:
    """The name of the environment that a machine will have."""
    done = machine.run("--check", "--json")
    return str(environment_in(done.stdout)["name"])


def works_on_the_volume(machine: Machine) -> bool:
    """Whether the environment runs from the volume, where its code had to be unpacked."""
    (tree,) = machine.home.glob(".shadows/venv-*")
    code = "import tinyone, tinytwo, tinythree"
    return subprocess.run([tree / "bin" / "python", "-I", "-c", code]).returncode == 0
