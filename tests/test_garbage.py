"""What is removed is what nobody needs."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.leases import HOLD, LONG, SHORT, child, taken
from volume import garbage, local, usage
from volume.garbage import Removed
from volume.lease import Timing
from volume.publish import READY

DAY_S = 24 * 3600.0


def age(path: Path, age_s: float) -> None:
    at_s = time.time() - age_s
    os.utime(path, (at_s, at_s))


def publish(home: Path, kind: str, name: str, age_s: float) -> Path:
    folder = home / kind / name
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(bytes(1000))
    (folder / READY).write_text(json.dumps({"instance": f"of-{name}"}))
    age(folder / READY, age_s)
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def collect(
    home: Path,
    *wanted: str,
    unused_s: float = DAY_S,
    said: list[str] | None = None,
    timing: Timing = SHORT,
) -> list[Removed]:
    heard = [] if said is None else said
    return garbage.collect(
        home, home / "scratch", wanted, unused_s=unused_s, timing=timing, say=heard.append
    )


def test_an_empty_home_has_no_garbage(tmp_path: Path) -> None:
    assert collect(tmp_path) == []
    assert collect(tmp_path / "nothing") == []
    assert not (tmp_path / "nothing").exists()


def test_the_two_newest_the_wanted_and_the_used_stay(tmp_path: Path) -> None:
    for kind in ("venvs", "models"):
        for days in range(1, 8):
            publish(tmp_path, kind, f"{kind}-{days}", days * DAY_S + 60)
    usage.mark(tmp_path, ["venvs-5", "models-6"])
    removed = collect(tmp_path, "venvs-7", "models-7")
    assert names(tmp_path / "venvs") == {"venvs-1", "venvs-2", "venvs-5", "venvs-7"}
    assert names(tmp_path / "models") == {"models-1", "models-2", "models-6", "models-7"}
    size_bytes = 1000 + len(json.dumps({"instance": "of-venvs-3"}))
    assert Removed("venvs-3", size_bytes) in removed
    assert {thing.name for thing in removed} == {
        "venvs-3", "venvs-4", "venvs-6", "models-3", "models-4", "models-5",
    }  # fmt: skip
    assert names(tmp_path / ".trash") == set()
    assert collect(tmp_path, "venvs-7", "models-7") == []


def test_fast_checkpoints_go_when_nobody_wants_them_however_new_they_are(tmp_path: Path) -> None:
    originals = [publish(tmp_path, "models", f"model-{n}", n * DAY_S + 60).name for n in (5, 6, 7)]
    for name in ("model-5-fast2", "model-5-fast1", "model-6-fast2", "model-7-fast10"):
        publish(tmp_path, "models", name, 2 * DAY_S)
    publish(tmp_path, "models", "model-7-fast2", 3600)
    usage.mark(tmp_path, ["model-6-fast2"])
    removed = collect(tmp_path, "model-5-fast2")
    gone = {originals[-1], "model-5-fast1", "model-7-fast10"}
    assert {thing.name for thing in removed} == gone
    assert names(tmp_path / "models") == {
        *originals[:2], "model-5-fast2", "model-6-fast2", "model-7-fast2",
    }  # fmt: skip


def test_what_was_made_lately_stays_though_nobody_has_used_it(tmp_path: Path) -> None:
    for hours in range(1, 6):
        publish(tmp_path, "venvs", f"venv-{hours}", hours * 3600)
    assert collect(tmp_path) == []
    assert len(names(tmp_path / "venvs")) == 5


def test_what_was_used_long_ago_goes_with_its_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("old", "new", "newest"):
        publish(tmp_path, "venvs", name, 0 if "new" in name else 9 * DAY_S)
    for worker, age_s in {"pod-1": 3 * DAY_S, "pod-2": 2 * DAY_S}.items():
        monkeypatch.setenv("RUNPOD_POD_ID", worker)
        usage.mark(tmp_path, ["old"])
        age(tmp_path / usage.FOLDER / f"old@{worker}", age_s)
    assert collect(tmp_path, unused_s=2.5 * DAY_S) == []
    assert [thing.name for thing in collect(tmp_path, unused_s=1.5 * DAY_S)] == ["old"]
    assert usage.ages_s(tmp_path) == {}


def put_leavings(home: Path, name: str) -> Path:
    install = home / ".install" / name
    (install / "staging-1-dead" / "deep").mkdir(parents=True)
    (install / "staging-1-dead" / "deep" / "file").write_bytes(bytes(500))
    (install / ".beat.1.temporary").write_bytes(bytes(20))
    (install / "failed.json").write_text("{}")
    return install


def test_the_leavings_of_the_dead_are_swept(tmp_path: Path) -> None:
    released = put_leavings(tmp_path, "venv-released")
    with taken(released, 0):
        pass
    silent = put_leavings(tmp_path, "venv-silent")
    (silent / "claim.1").write_text("one that died")
    removed = {(thing.name, thing.bytes) for thing in collect(tmp_path)}
    assert removed == {
        ("venv-released/staging-1-dead", 500),
        ("venv-released/.beat.1.temporary", 20),
        ("venv-silent/staging-1-dead", 500),
        ("venv-silent/.beat.1.temporary", 20),
    }
    for install in (released, silent):
        assert names(install) == {"failed.json", "claim.2", "beat.2", "released.2"}
    assert collect(tmp_path) == []


def test_what_a_living_installer_is_making_is_left_alone(tmp_path: Path) -> None:
    install = put_leavings(tmp_path, "venv-1")
    said: list[str] = []
    with child(HOLD, install):
        assert collect(tmp_path, unused_s=0, said=said, timing=LONG) == []
    assert names(install) > {"staging-1-dead", ".beat.1.temporary"}
    assert said == ["venv-1 is being made by a worker: left alone"]


@pytest.mark.parametrize(("unused_s", "is_kept"), [(DAY_S, True), (0.0, False)])
def test_trash_and_trees_that_were_unpacked_here_go_when_they_are_old(
    tmp_path: Path, unused_s: float, is_kept: bool
) -> None:
    publish(tmp_path, "venvs", "venv-1", 0)
    trees = ("venv-1-of-venv-1", "venv-1-of-venv-1.0a1b2c3d", "venv-1-of-another", "venv-0-of-x")
    for name in trees:
        (tmp_path / ".shadows" / name).mkdir(parents=True)
        (tmp_path / ".shadows" / name / "file").write_bytes(bytes(10))
    (tmp_path / ".trash" / "venv-1-0a1b2c3d").mkdir(parents=True)
    removed = {thing.name for thing in collect(tmp_path, unused_s=unused_s)}
    assert removed == (set() if is_kept else {*trees[1:], "venv-1-0a1b2c3d"})
    assert names(tmp_path / ".shadows") == set(trees if is_kept else trees[:1])
    assert names(tmp_path / ".trash") == ({"venv-1-0a1b2c3d"} if is_kept else set())
    assert names(tmp_path / "venvs") == {"venv-1"}


def test_the_builds_of_dead_processes_go_and_others_stay(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    for name in ("build-dead", "build-living"):
        (scratch / name).mkdir(parents=True)
    held = local.hold(scratch / "build-living")
    assert [thing.name for thing in collect(tmp_path)] == ["scratch/build-dead"]
    assert names(scratch) == {"build-living", "build-living.owner"}
    local.release(scratch / "build-living", held)
