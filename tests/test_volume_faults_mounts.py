"""Volumes without locks or hard links, and hosts that see late what others did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import machines, slow_mount
from tests.slow_mount import Mount
from tests.small_environment import Machine, attempts, environment_in, make_lock
from tests.volume_faults import (
    DEADLINE_S,
    as_worker,
    end_bootstraps,  # noqa: F401  a fixture
    ended,
    error_of,
    lock_that_waits,
    manifests,
    new_machine,
    start,
    wait_for_file,
    wait_until_said,
    works_on_the_volume,
)
from tests.worker_process import wait_for

pytestmark = pytest.mark.volume


@contextmanager
def hosts(
    folder: Path, lock: Path, options: Mapping[str, object], **more: str
) -> Iterator[list[tuple[Mount, Machine]]]:
    """Two machines, each with a mount of its own of one volume."""
    slow_mount.require()
    (folder / "hosts").mkdir()
    with slow_mount.two_hosts(folder / "hosts", **options) as mounts:  # type: ignore[arg-type]
        yield [
            (mount, new_machine(folder / mount.path.name, lock, mount.path, **more))
            for mount in mounts
        ]


def race(racing: list[Machine]) -> None:
    """All at once; one installs, and all have what it made."""
    racers = [start(machine, "--json") for machine in racing]
    answers = [ended(racer) for racer in racers]
    assert [answer.returncode for answer in answers] == [0] * len(racing), answers
    assert len(manifests(racing[0])) == 1
    assert sum("proving" in a.stderr and "(by" not in a.stderr for a in answers) == 1
    assert all(machine.works() for machine in racing)


@pytest.mark.fault(6)
@pytest.mark.parametrize("locks", ["none", "lie", "local"])
def test_without_locks_that_hold_one_installs_as_ever(tmp_path: Path, locks: str) -> None:
    lock = make_lock(tmp_path / "wheels")
    with hosts(tmp_path, lock, {"locks": locks}, PARAKEET_LEASE_TTL_S="10") as found:
        race([machine for _, machine in found])


@pytest.mark.fault(13)
def test_without_hard_links_one_installs_as_ever(tmp_path: Path) -> None:
    lock = make_lock(tmp_path / "wheels")
    with hosts(tmp_path, lock, {}, PARAKEET_LEASE_TTL_S="10") as found:
        for mount, _ in found:
            mount.set("nolink", 1)
        race([machine for _, machine in found])


@pytest.mark.fault(13)
@pytest.mark.fault(15)
@pytest.mark.parametrize("nolink", [0, 1])
def test_without_local_room_everything_is_done_on_the_volume(tmp_path: Path, nolink: int) -> None:
    lock = make_lock(tmp_path / "wheels")
    with hosts(tmp_path, lock, {}) as found:
        mount, machine = found[0]
        mount.set("nolink", nolink)
        with machines.mounted("tmpfs", machine.disk / "local", "size=16k"):
            machine.bootstrap()
            assert works_on_the_volume(machine)
            assert not list((machine.disk / "local").glob("*/venv-*/*"))


@pytest.mark.fault(6)
@pytest.mark.fault(15)
def test_without_local_room_and_without_locks_that_is_said(tmp_path: Path) -> None:
    # uv, too, needs a lock beside its cache.
    lock = make_lock(tmp_path / "wheels")
    with hosts(tmp_path, lock, {"locks": "none"}) as found:
        _, machine = found[0]
        with machines.mounted("tmpfs", machine.disk / "local", "size=16k"):
            code, message = error_of(machine.run("--json"))
            assert code == "bootstrap_failed"
            assert "No locks available" in message
            assert "No locks available" in as_worker(machine)["error"]
        assert manifests(machine) == []
        machine.bootstrap()
        assert machine.works()


@pytest.mark.fault(8)
def test_who_sees_an_environment_late_sees_it_whole(tmp_path: Path) -> None:
    lock, begun, go_on = lock_that_waits(tmp_path)
    late = {"attr_s": 30, "entry_s": 30, "neg_s": 30}
    with hosts(tmp_path, lock, late, PARAKEET_LEASE_TTL_S="50") as found:
        (_, maker), (_, waiter) = found
        making = start(maker, "--json")
        wait_for_file(begun)
        waiting = start(waiter, "--json")
        wait_until_said(waiting, f"(by {maker.disk.parent.name})")
        go_on.touch()
        answers = [ended(making), ended(waiting)]
        assert [answer.returncode for answer in answers] == [0, 0], answers
        assert maker.works()
        assert waiter.works()
        assert len(manifests(maker)) == 1
        assert {environment_in(answer.stdout)["state"] for answer in answers} == {"ready"}
        assert not any("damaged" in answer.stderr for answer in answers)
        # Who does not see it yet may make another, and drops it when it comes to publish it.
        assert attempts(tmp_path / "hosts" / "volume" / "Parakeet") <= 3


@pytest.mark.fault(8)
def test_an_installer_whose_beats_are_seen_late_is_waited_for(tmp_path: Path) -> None:
    lock, begun, go_on = lock_that_waits(tmp_path)
    late = {"attr_s": 2.4, "entry_s": 2.4, "neg_s": 2.4}  # of 4: as 30 s are of the worker's 50
    with hosts(tmp_path, lock, late, PARAKEET_LEASE_TTL_S="4") as found:
        (_, maker), (_, waiter) = found
        making = start(maker, "--json")
        wait_for_file(begun)
        waiting = start(waiter, "--json")
        (beat,) = (tmp_path / "hosts" / "volume").glob("Parakeet/.install/*/beat.1")
        beats_before = beats(beat)
        wait_for("two lives", lambda: beats(beat) >= beats_before + 10, DEADLINE_S)
        assert attempts(maker.home) == 1
        assert waiting.poll() is None
        go_on.touch()
        assert [ended(process).returncode for process in (making, waiting)] == [0, 0]
        assert maker.works()
        assert waiter.works()


def beats(beat: Path) -> int:
    """How often its holder has given a sign of life."""
    return int(json.loads(beat.read_text())["counter"])
