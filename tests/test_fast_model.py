"""The fast checkpoint: made once a volume, used from then on, and nothing fails for want of it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests import slow_mount
from tests.fast_models import (
    DEADLINE_S,
    ended,
    fast_thing,
    models,
    new_machine,
    provide,
    runs,
    start,
    without_volume,
    write_order,
)
from tests.small_environment import Machine, leavings
from tests.worker_process import wait_for
from volume import conversion, fast_model
from volume.models import Model

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """The operator's file, of which a fast checkpoint can be made."""
    return write_order(tmp_path / "own.nemo")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return new_machine(tmp_path)


def let_it_rest(machine: Machine, seconds: float) -> None:
    """The last failure was so long ago."""
    (record,) = machine.home.glob(".install/*-fast*/failed.json")
    at_s = record.stat().st_mtime - seconds
    os.utime(record, (at_s, at_s))


def test_it_is_made_once_and_used_by_every_start(machine: Machine, original: Path) -> None:
    first, second = provide(machine), provide(machine)
    assert len(runs(original)) == 1
    assert first.speech == second.speech == original
    assert first.fast == second.fast
    assert first.fast is not None
    assert first.fast.parent == machine.home / "models"
    assert (first.fast / "model.safetensors").read_bytes() == original.read_bytes() * 100
    manifest = json.loads((first.fast / ".ready.json").read_text())
    assert (manifest["usable"], manifest["precision"]) == (True, "bf16")
    assert manifest["report"] == {"worst_difference": 0.001, "words": 12}
    assert leavings(machine) == []
    assert list(machine.home.glob(".install/*/tries.json")) == []


def test_who_waits_is_told_how_far_it_is(machine: Machine, original: Path) -> None:
    steps = [step for step in provide(machine).steps if "speech model" in step[0]]
    names = [name for name, _ in steps]
    assert names[0] == "preparing the speech model"
    assert names[1:] == [
        "preparing the speech model: reading the original",
        "preparing the speech model: comparing the encoders",
    ]
    fractions = [fraction for _, fraction in steps]
    assert 0 < fractions[0] < fractions[2] < 1


def test_its_weights_are_read_ahead_and_not_the_originals(machine: Machine, original: Path) -> None:
    provided = provide(machine)
    assert str(provided.fast) + "/model.safetensors" in provided.opened
    assert str(original) not in provided.opened
    write_order(original, unusable="the text differs")
    assert str(original) in provide(machine).opened


def test_of_two_starters_one_makes_it(tmp_path: Path, machine: Machine) -> None:
    go_on = tmp_path / "go-on"
    original = write_order(tmp_path / "own.nemo", wait_for=str(go_on))
    first = start(machine)
    wait_for("the converter", lambda: runs(original), DEADLINE_S)
    other = new_machine(tmp_path, "worker-2")
    second = start(other)
    watched = other.home / ".install"
    wait_for("the maker's beat", lambda: list(watched.glob("*-fast*/beat.1")), DEADLINE_S)
    go_on.touch()
    made, waited = ended(first), ended(second)
    assert made.fast is not None
    assert made.fast == waited.fast
    assert len(runs(original)) == 1


def test_one_that_hears_something_else_is_never_tried_again(
    tmp_path: Path, machine: Machine
) -> None:
    original = write_order(tmp_path / "own.nemo", unusable="the text differs")
    for _ in range(2):
        provided = provide(machine)
        assert (provided.speech, provided.fast) == (original, None)
        assert "the text differs" in provided.log
    assert len(runs(original)) == 1
    (folder,) = (machine.home / "models").iterdir()
    assert [path.name for path in folder.iterdir()] == [".ready.json"]
    assert machine.run().returncode == 0
    assert len(runs(original)) == 1, "not even by an operator's command"


def test_a_converter_that_is_killed_leaves_nothing_and_is_tried_after_a_rest(
    tmp_path: Path, machine: Machine
) -> None:
    go_on = tmp_path / "go-on"
    original = write_order(tmp_path / "own.nemo", wait_for=str(go_on))
    process = start(machine)
    wait_for(
        "half of it", lambda: list(machine.home.glob(".install/*/staging-*/model.*")), DEADLINE_S
    )
    os.kill(runs(original)[0], signal.SIGKILL)
    provided = ended(process)
    assert (provided.speech, provided.fast) == (original, None)
    assert "killed, perhaps for want of memory" in provided.log
    assert models(machine) == leavings(machine) == []
    go_on.touch()
    let_it_rest(machine, conversion.REST_AFTER_FAILURE_S / 2)
    again = provide(machine)
    assert again.fast is None
    assert "killed" in again.log
    assert len(runs(original)) == 1
    let_it_rest(machine, conversion.REST_AFTER_FAILURE_S / 2)
    assert provide(machine).fast is not None


def die_in_the_middle(machine: Machine, original: Path) -> None:
    """A whole worker does, while the converter works for it."""
    before = len(runs(original))
    process = start(machine)
    wait_for("the converter", lambda: len(runs(original)) > before, DEADLINE_S)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_workers_that_die_of_it_end_in_a_rest(tmp_path: Path, machine: Machine) -> None:
    original = write_order(tmp_path / "own.nemo", wait_for=str(tmp_path / "never"))
    for _ in range(conversion.MAX_DEATHS):
        die_in_the_middle(machine, original)
    provided = provide(machine)
    assert (provided.speech, provided.fast) == (original, None)
    assert "2 workers died" in provided.log
    assert len(runs(original)) == conversion.MAX_DEATHS
    assert leavings(machine) == []


def test_without_the_flag_none_is_made_nor_used(machine: Machine, tmp_path: Path) -> None:
    original = write_order(tmp_path / "own.nemo")
    off = new_machine(tmp_path, PARAKEET_FAST_CHECKPOINT="false")
    assert provide(off).fast is None
    assert off.run().returncode == 0
    assert (runs(original), models(off)) == ([], [])
    assert provide(machine).fast is not None
    assert provide(off).fast is None
    assert fast_thing(off) is None


def test_where_it_would_be_lost_none_is_made(machine: Machine, original: Path) -> None:
    provided = provide(without_volume(machine))
    assert (provided.speech, provided.fast) == (original, None)
    assert runs(original) == []


def test_of_a_read_only_volume_it_is_used_and_none_is_made(tmp_path: Path) -> None:
    slow_mount.require()
    for name in ("mount", "disk"):
        (tmp_path / name).mkdir()
    original = write_order(tmp_path / "own.nemo")
    machine = new_machine(tmp_path)
    with slow_mount.mounted(tmp_path / "volume", tmp_path / "mount") as volume:
        there = Machine(volume.path, machine.disk, machine.lock, machine.more)
        made = provide(there).fast
        volume.set("ro", 1)
        assert provide(there).fast == made
        write_order(original, other=True)
        assert provide(there).fast is None
    assert made is not None
    assert made.is_relative_to(tmp_path / "mount")
    assert len(runs(original)) == 1
    assert not (machine.disk / "local" / "models").exists()


def test_a_file_that_changed_gets_another_one(machine: Machine, tmp_path: Path) -> None:
    original = write_order(tmp_path / "own.nemo", content="one")
    before = provide(machine).fast
    write_order(original, content="two")  # as long as before
    after = provide(machine).fast
    assert before is not None
    assert after is not None
    assert before != after
    assert before.name.startswith("own-")
    assert (after / "model.safetensors").read_bytes() == original.read_bytes() * 100
    assert len(runs(original)) == 2


def test_one_whose_file_was_cut_short_is_made_anew(machine: Machine, original: Path) -> None:
    made = provide(machine).fast
    assert made is not None
    weights = made / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1])
    assert provide(machine).fast == made
    assert weights.read_bytes() == content


def test_a_model_of_the_hub_has_it_beside_itself(tmp_path: Path) -> None:
    machine = new_machine(
        tmp_path, PARAKEET_ASR_MODEL="someone/model", PARAKEET_ASR_REVISION=REVISION
    )
    folder = machine.home / "models" / f"someone--model-{REVISION}"
    original = write_order(folder / "model.nemo")
    files = {"model.nemo": {"bytes": original.stat().st_size}}
    (folder / ".ready.json").write_text(json.dumps({"files": files, "instance": "one"}))
    provided = provide(machine)
    assert provided.speech == original
    assert provided.fast == folder.with_name(f"{folder.name}-fast{fast_model.FORMAT}")


def test_a_model_of_runpods_cache_has_it_in_our_home(tmp_path: Path) -> None:
    machine = new_machine(
        tmp_path, PARAKEET_ASR_MODEL="someone/model", PARAKEET_ASR_REVISION=REVISION
    )
    cache = machine.volume / "huggingface-cache" / "hub" / "models--someone--model"
    original = write_order(cache / "snapshots" / REVISION / "model.nemo")
    provided = provide(machine)
    assert provided.speech == original
    name = f"someone--model-{REVISION}-fast{fast_model.FORMAT}"
    assert provided.fast == machine.home / "models" / name


@pytest.mark.parametrize("stem", ["own model@2:é", "x" * 250, ".."])
def test_any_file_name_makes_a_name(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.nemo"
    path.touch()
    name = fast_model.name_of(Model("speech", str(path), "", 0))
    assert name is not None
    assert fast_model.is_fast(name)
    assert not {"@", "/", " ", ":"} & set(name)
    (tmp_path / name).mkdir()
    path.unlink()
    assert fast_model.name_of(Model("speech", str(path), "", 0)) is None
