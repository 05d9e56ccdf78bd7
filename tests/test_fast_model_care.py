"""The fast checkpoint in an operator's hands: what is said of it, and what goes as garbage."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.fast_models import (
    DEADLINE_S,
    ended,
    fast_thing,
    models,
    new_machine,
    provide,
    runs,
    start,
    write_order,
)
from tests.small_environment import Machine
from tests.worker_process import wait_for


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """The operator's file, of which a fast checkpoint can be made."""
    return write_order(tmp_path / "own.nemo")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return new_machine(tmp_path)


def test_the_one_in_use_is_marked_and_no_garbage(machine: Machine, original: Path) -> None:
    old = provide(machine).fast
    assert old is not None
    write_order(original, other="content")
    for path in machine.home.glob(".used/*"):
        path.unlink()
    process = start(machine)
    (mark,) = wait_for("its mark", lambda: list(machine.home.glob(".used/own-*")), DEADLINE_S)
    used = ended(process).fast
    assert used is not None
    assert mark.name == f"{used.name}@worker-1"
    mark.unlink()
    for folder in (old, used):
        at_s = (folder / ".ready.json").stat().st_mtime - 48 * 3600
        os.utime(folder / ".ready.json", (at_s, at_s))
    assert machine.run("--gc").returncode == 0
    assert models(machine) == [used.name]
    off = new_machine(machine.disk.parent, PARAKEET_FAST_CHECKPOINT="false")
    assert off.run("--gc").returncode == 0
    assert models(off) == []


def doctor_says(machine: Machine) -> dict[str, str] | None:
    findings = json.loads(machine.run("--doctor", "--json").stdout)
    found = [finding for finding in findings if finding["name"] == "fast model"]
    return found[0] if found else None


def test_an_operator_is_told_of_it(machine: Machine, original: Path) -> None:
    before = fast_thing(machine)
    assert before is not None
    assert before["state"] == "missing"
    assert doctor_says(machine) is None
    said = machine.run("--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["things"][3] == fast_thing(machine)
    thing = fast_thing(machine)
    assert thing is not None
    assert (thing["state"], thing["precision"], thing["words"]) == ("ready", "bf16", "12")
    found = doctor_says(machine)
    assert found is not None
    assert found["state"] == "ok"
    assert thing["found"] in found["found"]


def test_an_operator_is_told_why_there_is_none(machine: Machine, tmp_path: Path) -> None:
    write_order(tmp_path / "own.nemo", unusable="the text differs")
    assert machine.run().returncode == 0
    thing, found = fast_thing(machine), doctor_says(machine)
    assert thing is not None
    assert thing["state"] == "unusable"
    assert thing["found"].endswith(": the text differs")
    assert found is not None
    assert (found["state"], found["found"]) == ("warning", thing["found"])
    write_order(tmp_path / "own.nemo", say="nonsense")
    assert machine.run().returncode == 0
    thing, found = fast_thing(machine), doctor_says(machine)
    assert thing is not None
    assert (thing["state"], thing["found"]) == ("missing", "its making gave no sensible answer")
    assert found is not None
    assert (found["state"], found["found"]) == ("warning", thing["found"])
    tried = len(runs(tmp_path / "own.nemo"))
    assert machine.run().returncode == 0
    assert len(runs(tmp_path / "own.nemo")) == tried + 1, "an operator need not wait"
