"""Twelve workers on two hosts meet an empty volume: one installs, twelve are ready."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import slow_mount
from tests.small_environment import Machine, environment_in, make_lock

pytestmark = [pytest.mark.volume, pytest.mark.fault(3)]

RACERS = 12
ROUNDS = 20


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lock(tmp_path_factory.mktemp("wheels"))


class Observer:
    """Looks, on a third host's behalf, whether an environment is ever seen half."""

    def __init__(self, venvs: Path) -> None:
        self._venvs = venvs
        self._end = threading.Event()
        self.looks = 0
        self.halves: list[str] = []
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        wanted = {".ready.json", "code.tar.gz", "index.json", "files"}
        while not self._end.wait(0.005):
            for place in self._venvs.glob("venv-*"):
                self.looks += 1
                found = {path.name for path in place.iterdir()}
                if found != wanted:
                    self.halves.append(f"{place.name}: {sorted(found)}")


def race(volumes: list[Path], folder: Path, lock: Path) -> None:
    """Start all at once, and hold what they say against one another."""
    home = volumes[0] / "Parakeet"
    # A machine that is busy with twelve installers may let a heart stop for seconds.
    more = {"PARAKEET_LEASE_TTL_S": "20"}
    machines = [
        Machine(volumes[number % len(volumes)], folder / f"worker-{number}", lock, more)
        for number in range(RACERS)
    ]
    with Observer(home / "venvs") as observer:
        racers = [machine.start("--json") for machine in machines]
        answers = [racer.communicate(timeout=300) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * RACERS, answers
    assert len({environment_in(out)["name"] for out, _ in answers}) == 1
    assert {environment_in(out)["state"] for out, _ in answers} == {"ready"}
    assert sum("proving" in err and "(by" not in err for _, err in answers) == 1, "one install"
    assert all(machine.works() for machine in machines)
    assert observer.looks > 0
    assert observer.halves == []


@pytest.fixture
def two_hosts(tmp_path: Path) -> Iterator[list[Path]]:
    """Two mounts of one volume; a plain folder where FUSE cannot be used."""
    if slow_mount.why_not():
        volume = tmp_path / "volume"
        volume.mkdir()
        yield [volume]
        return
    (tmp_path / "hosts").mkdir()
    with slow_mount.two_hosts(tmp_path / "hosts", lat_us=1000) as (first, second):
        yield [first.path, second.path]


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_twelve_racers_install_once(
    two_hosts: list[Path], tmp_path: Path, lock: Path, round_: int
) -> None:
    race(two_hosts, tmp_path, lock)
