"""Folders on local disk: a living process keeps its own, and what a dead one left is swept."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.environments import ROOT
from tests.leases import DEADLINE_S, child, say
from tests.worker_process import wait_for
from volume import local

HOLD = f"""
import subprocess, sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from volume import local
folder = Path(sys.argv[1])
local.hold(folder)
folder.mkdir(exist_ok=True)
(folder / "file").touch()
subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL)
print("ready", flush=True)
sys.stdin.read()
"""

SWEEP_LATE = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from volume import local
folder = Path(sys.argv[1])
is_first = True

def note(event, arguments):
    global is_first
    if event == "fcntl.flock" and is_first:
        is_first = False
        local.sweep(folder.parent)  # another sweeper is faster,
        local.hold(folder)  # and somebody makes the folder anew
        folder.mkdir()

sys.addaudithook(note)
print("ready", local.sweep(folder.parent), sep="\\n", flush=True)
"""
"""Does what others may do between a sweeper's open and its lock, which is where Python tells of it
(PEP 578)."""

SWEEP_SLOWLY = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from volume import local

def note(event, arguments):
    if event == "shutil.rmtree":
        print("ready", flush=True)
        sys.stdin.readline()

sys.addaudithook(note)
local.sweep(Path(sys.argv[1]).parent)
"""


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("x")
    return folder


def test_what_nobody_holds_is_swept(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make(tmp_path / name)
    (tmp_path / "three.owner").touch()
    swept = local.sweep(tmp_path)
    assert swept == [tmp_path / "one", tmp_path / "three", tmp_path / "two"]
    assert list(tmp_path.iterdir()) == []
    assert local.sweep(tmp_path) == []


def test_nothing_to_sweep(tmp_path: Path) -> None:
    assert local.sweep(tmp_path / "nothing") == []
    assert local.sweep(tmp_path) == []


def test_a_held_folder_stays_until_the_last_lets_go(tmp_path: Path) -> None:
    folder = make(tmp_path / "folder")
    first, second = local.hold(folder), local.hold(folder)
    os.close(first)
    assert local.sweep(tmp_path) == []
    assert (folder / "deep" / "file").exists()
    os.close(second)
    assert local.sweep(tmp_path) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_held_before_it_is_there(tmp_path: Path) -> None:
    descriptor = local.hold(tmp_path / "folder")
    assert local.sweep(tmp_path) == []
    make(tmp_path / "folder")
    assert local.sweep(tmp_path) == []
    local.release(tmp_path / "folder", descriptor)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_no_parent_cannot_be_held(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        local.hold(tmp_path / "nothing" / "folder")


def test_what_a_killed_owner_held_is_swept(tmp_path: Path) -> None:
    folder = tmp_path / "shadows" / "tree"
    folder.parent.mkdir()
    with child(HOLD, folder) as owner:
        assert local.sweep(folder.parent) == []
        owner.send_signal(signal.SIGSTOP)
        assert local.sweep(folder.parent) == [], "it is not dead"
        assert (folder / "file").exists()
        (started,) = psutil.Process(owner.pid).children()
        owner.kill()
        owner.wait()
        try:
            assert started.is_running()
            assert local.sweep(folder.parent) == [folder], "what it started holds nothing"
        finally:
            started.kill()
    assert list(folder.parent.iterdir()) == []


def test_a_late_sweeper_takes_nothing_from_a_new_owner(tmp_path: Path) -> None:
    folder = make(tmp_path / "shadows" / "tree")
    with child(SWEEP_LATE, folder) as sweeper:
        assert sweeper.stdout is not None
        assert sweeper.stdout.readline() == "[]\n"
    assert folder.is_dir()
    assert (folder.parent / "tree.owner").exists()


def test_a_folder_that_is_being_swept_is_waited_for(tmp_path: Path) -> None:
    folder = make(tmp_path / "shadows" / "tree")
    owner = folder.parent / "tree.owner"
    with child(SWEEP_SLOWLY, folder) as sweeper, ThreadPoolExecutor(1) as pool:
        sweeping = owner.stat()
        holding = pool.submit(local.hold, folder)

        def waits() -> bool:
            locks = Path("/proc/locks").read_text().splitlines()
            return any("->" in line and f":{sweeping.st_ino} " in line for line in locks)

        wait_for("the wait", lambda: holding.done() or waits(), DEADLINE_S)
        say(sweeper)
        descriptor = holding.result(DEADLINE_S)
    assert os.path.samestat(os.fstat(descriptor), owner.stat())
    assert not folder.exists()
    assert local.sweep(folder.parent) == []
    local.release(folder, descriptor)
