"""Machines whose speech model is an order for the stand-in ``tests/converter.py``."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.environments import ROOT
from tests.machines import put_program
from tests.small_environment import Machine

CONVERTER = ROOT / "tests" / "converter.py"
DEADLINE_S = 60.0

PROVIDE = f"""
import json, logging, sys, threading; sys.path.insert(0, {str(ROOT)!r})
logging.basicConfig(level=logging.WARNING)
opened = []
sys.addaudithook(lambda event, about: event == "open" and opened.append(str(about[0])))
from volume.provide import Provider
steps = []
provided = Provider().provide(steps.append)
for thread in threading.enumerate():
    if thread.name == "read-ahead":
        thread.join()
fast = provided.fast_model
print(json.dumps({{
    "speech": str(provided.speech_model),
    "fast": fast and str(fast),
    "steps": [[step.name, step.fraction] for step in steps],
    "opened": opened,
}}), flush=True)
sys.stdin.read()
"""
"""What a worker is provided with, and which files its process opens for that. It lives until its
stdin ends."""


@dataclass(frozen=True)
class Provided:
    """What a worker got, and said."""

    speech: Path
    fast: Path | None
    steps: list[tuple[str, float]]
    opened: list[str]
    log: str


def python_of(folder: Path) -> Path:
    """The Python of an environment in which a conversion is the stand-in's."""
    return put_program(
        folder,
        "python",
        f'case "$*" in *engine/convert.py) exec {sys.executable} -I -u {CONVERTER} ;; esac\n'
        f'exec {sys.executable} "$@"',
    )


def write_order(checkpoint: Path, **order: object) -> Path:
    """A .nemo file that says what the converter is to do with it."""
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.write_text(json.dumps(order))
    return checkpoint


def new_machine(folder: Path, name: str = "worker-1", **more: str) -> Machine:
    """A machine whose speech model is the operator's ``own.nemo`` in the folder."""
    (folder / "volume").mkdir(exist_ok=True)
    variables = {
        "RUNPOD_POD_ID": name,
        "PARAKEET_ENGINE_PYTHON": str(python_of(folder / "bin")),
        "PARAKEET_ASR_MODEL": str(folder / "own.nemo"),
        "PARAKEET_FAST_CHECKPOINT": "true",
        **more,
    }
    (folder / name).mkdir(exist_ok=True)
    return Machine(folder / "volume", folder / name, ROOT / "requirements.txt", variables)


def start(machine: Machine) -> subprocess.Popen[str]:
    """What a worker does before it starts an engine."""
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", sys.executable, "-S", "-c", PROVIDE],
        env=machine.variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> Provided:
    """What came of it, which is always something."""
    out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err
    answer = json.loads(out)
    fast = Path(answer["fast"]) if answer["fast"] else None
    return Provided(Path(answer["speech"]), fast, answer["steps"], answer["opened"], err)


def provide(machine: Machine) -> Provided:
    """Both."""
    return ended(start(machine))


def runs(checkpoint: Path) -> list[int]:
    """The converters that were given this original, by their processes' ids."""
    record = checkpoint.with_suffix(".runs")
    return [int(line) for line in record.read_text().split()] if record.exists() else []


def models(machine: Machine) -> list[str]:
    """The names of what is published."""
    return sorted(path.name for path in machine.home.glob("models/*"))


def fast_thing(machine: Machine) -> dict[str, Any] | None:
    """What ``--check`` says of the fast checkpoint, and that it is content in any case."""
    done = machine.run("--check", "--json")
    assert done.returncode == 0, done.stderr
    things: list[dict[str, Any]] = json.loads(done.stdout)["things"]
    return things[3] if len(things) > 3 else None


def without_volume(machine: Machine) -> Machine:
    """The same machine, with nothing mounted."""
    return replace(machine, volume=machine.disk / "no-volume")
