"""One installer at a time: with real files, threads, processes, and two hosts."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier

import pytest

from tests import slow_mount
from tests.environments import ROOT
from tests.leases import DEADLINE_S, LONG, child, loses, say, taken
from tests.worker_process import wait_for
from volume import lease
from volume.lease import Watcher
from volume.steps import Step

CONTEND = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from volume import lease
folder, generations = Path(sys.argv[1]), int(sys.argv[2])
timing = lease.Timing(1e6, 1e6, 1e6)
print("ready", flush=True)
sys.stdin.readline()
for after in range(generations):
    held = lease.claim(folder, after, timing)
    if held is not None:
        with held:
            held.check()
            print(held.generation, flush=True)
    while True:
        seen = lease.look(folder)
        if seen.generation > after + 1 or seen.generation == after + 1 and seen.released:
            break
"""


def test_one_of_many_threads_gets_a_generation(tmp_path: Path) -> None:
    count = 16
    for after in range(5):
        barrier = Barrier(count)

        def contend(_: int, after: int = after, barrier: Barrier = barrier) -> lease.Lease | None:
            barrier.wait()
            return lease.claim(tmp_path, after, LONG)

        with ThreadPoolExecutor(count) as pool:
            (held,) = [held for held in pool.map(contend, range(count)) if held is not None]
        with held:
            assert held.generation == after + 1
            held.check()


def test_one_of_many_processes_gets_each_generation(tmp_path: Path) -> None:
    # Some are late, and try a generation that was over and forgotten long ago.
    generations = 30
    with ExitStack() as stack:
        processes = [stack.enter_context(child(CONTEND, tmp_path, generations)) for _ in range(4)]
        for process in processes:
            say(process)
        answers = [process.communicate(timeout=DEADLINE_S)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    wins = Counter(int(line) for answer in answers for line in answer.split())
    assert wins == dict.fromkeys(range(1, generations + 1), 1)
    assert lease.look(tmp_path).released


@pytest.mark.fault(13)
def test_a_volume_without_hard_links_has_one_winner_too(tmp_path: Path) -> None:
    slow_mount.require()
    count = 8
    with slow_mount.two_hosts(tmp_path, attr_s=0, entry_s=0) as hosts:
        folders = [host.path / "lease" for host in hosts]
        for host in hosts:
            host.set("nolink", 1)
        for after in range(4):

            def contend(number: int, after: int = after) -> lease.Lease | None:
                return lease.claim(folders[number % 2], after, LONG)

            with ThreadPoolExecutor(count) as pool:
                (held,) = [held for held in pool.map(contend, range(count)) if held is not None]
            with held:
                held.check()
        assert lease.look(folders[1]).released
        assert {path.name for path in folders[0].iterdir()} == {"claim.4", "beat.4", "released.4"}


def test_an_empty_folder_is_free(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nothing"):
        watcher = Watcher(folder, LONG)
        assert watcher.is_free()
        assert watcher.seen.generation == 0


def test_what_is_released_may_be_claimed_at_once(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path, LONG)
    with taken(tmp_path, 0):
        assert not watcher.is_free()
    assert watcher.is_free()
    with taken(tmp_path, watcher.seen.generation) as held:
        assert held.generation == 2
        assert not watcher.is_free()


def test_what_fails_is_released_too(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), taken(tmp_path, 0):
        raise KeyboardInterrupt
    assert Watcher(tmp_path, LONG).is_free()


def test_older_generations_are_forgotten(tmp_path: Path) -> None:
    for after in range(3):
        with taken(tmp_path, after):
            pass
    assert {path.name for path in tmp_path.iterdir()} == {"claim.3", "beat.3", "released.3"}
    assert lease.claim(tmp_path, 0, LONG) is None
    # That attempt left a claim of long ago, which counts for nothing.
    assert lease.look(tmp_path).generation == 3
    with taken(tmp_path, 3):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"claim.4", "beat.4", "released.4"}


def test_other_files_are_nobodys_claims(tmp_path: Path) -> None:
    for name in ("claim.x", "claim.", "claims.7", "failed.json", "beat.9", "staging-8-abc"):
        (tmp_path / name).touch()
    assert Watcher(tmp_path, LONG).is_free()
    with taken(tmp_path, 0) as held:
        assert held.generation == 1


def test_a_lost_lease_does_not_release_its_successors(tmp_path: Path) -> None:
    with taken(tmp_path, 0) as first:
        second = taken(tmp_path, 1)
        assert loses(first, "generation 1 was taken over")
    assert lease.look(tmp_path).generation == 2
    assert not lease.look(tmp_path).released
    with second:
        second.check()
    assert lease.look(tmp_path).released


def test_who_waits_is_told_the_holders_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_POD_ID", "pod-7")
    step = Step("downloading", 0.25, 5, 20, 60.5)
    with taken(tmp_path, 0) as held:
        held.tell(step)

        def told() -> Step | None:
            seen = lease.look(tmp_path).step
            return seen if seen is not None and seen.name == step.name else None

        assert wait_for("the step", told, DEADLINE_S) == Step(
            "downloading", 0.25, 5, 20, 60.5, worker="pod-7"
        )
