"""Bootstraps for tests: a machine whose holders are patient, and an installation that can wait."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.small_environment import Machine, environment_in, make_lock

PATIENT = {"PARAKEET_LEASE_TTL_S": "12"}
"""Long enough that nobody seems dead on a busy machine, short enough to wait for a beat."""

DEADLINE_S = 60.0


def new_machine(folder: Path, lock: Path, name: str = "worker-1", **more: str) -> Machine:
    (folder / "volume").mkdir(exist_ok=True)
    return Machine(folder / "volume", folder / name, lock, {**PATIENT, **more})


def published(machine: Machine) -> list[Path]:
    """The environments on its volume."""
    return sorted(machine.home.glob("venvs/*"))


def run_in_tree(machine: Machine, code: str) -> str:
    """What Python code prints in the one tree of a machine."""
    (tree,) = (machine.disk / "local" / "shadows").glob("venv-*/bin/python")
    return subprocess.check_output([tree, "-I", "-c", code], text=True).strip()


def checked(machine: Machine) -> tuple[int, dict[str, Any]]:
    """The status of ``--check``, and what it says of the environment."""
    done = machine.run("--check", "--json")
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["ready"] == (done.returncode == 0)
    return done.returncode, environment_in(done.stdout)


class Gate:
    """An environment whose proof waits until it may go on."""

    def __init__(self, folder: Path) -> None:
        self.reached, self.open = folder / "reached", folder / "open"
        code = (
            "import pathlib, time\n"
            f"pathlib.Path({str(self.reached)!r}).touch()\n"
            f"while not pathlib.Path({str(self.open)!r}).exists():\n"
            "    time.sleep(0.02)\n"
            "VERSION = '1.0'\n"
        )
        self.lock = make_lock(folder / "wheels", tinythree=code)
