"""A thing on the volume is made once, whoever else tries, and whatever dies in the middle."""

from __future__ import annotations

import errno
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.leases import DEADLINE_S, taken
from tests.things import DATA, TIMING, Maker, leavings, place
from tests.worker_process import wait_for
from volume import lease, publish
from volume.errors import BootstrapError
from volume.publish import READY
from volume.steps import Step, Tell


def test_a_thing_is_made_once(tmp_path: Path) -> None:
    maker = Maker()
    assert publish.sound(maker.wanted(tmp_path)) is None
    made = maker.obtain(tmp_path)
    assert maker.obtain(tmp_path) == publish.sound(maker.wanted(tmp_path)) == made
    assert (maker.attempts, made["name"], made["bytes"]) == (1, "thing-1", len(DATA))
    assert maker.told == [Step("making", 0.5)]
    folder = place(tmp_path).folder
    assert json.loads((folder / READY).read_text()) == made
    assert (folder / "data").read_bytes() == DATA
    assert leavings(tmp_path) == []


def test_of_many_at_once_one_makes_it(tmp_path: Path) -> None:
    makers = [Maker() for _ in range(8)]
    with ThreadPoolExecutor(len(makers)) as pool:
        made = list(pool.map(lambda maker: maker.obtain(tmp_path), makers))
    assert sum(maker.attempts for maker in makers) == 1
    assert all(manifest == made[0] for manifest in made)


def test_who_waits_is_told_the_makers_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_POD_ID", "pod-1")
    go_on = threading.Event()

    def first(staging: Path, tell: Tell) -> None:
        tell(Step("downloading", 0.25))
        assert go_on.wait(DEADLINE_S)

    maker, waiter = Maker(first), Maker()
    with ThreadPoolExecutor(2) as pool:
        making = pool.submit(maker.obtain, tmp_path)
        wait_for("the maker", lambda: maker.told, DEADLINE_S)
        waiting = pool.submit(waiter.obtain, tmp_path)
        step = Step("downloading", 0.25, worker="pod-1")
        wait_for("the maker's step", lambda: step in waiter.told, DEADLINE_S)
        go_on.set()
        assert waiting.result() == making.result()
    assert waiter.attempts == 0


def test_what_was_published_meanwhile_is_taken(tmp_path: Path) -> None:
    other = tmp_path / "other"

    def first(staging: Path, tell: Tell) -> None:
        # Another, which was stopped and has woken up, publishes its own.
        place(tmp_path).folder.parent.mkdir(parents=True)
        place(other).folder.rename(place(tmp_path).folder)

    theirs = Maker().obtain(other)
    maker = Maker(first)
    assert maker.obtain(tmp_path) == theirs
    assert maker.attempts == 1
    assert leavings(tmp_path) == []


def test_what_was_published_between_a_look_and_the_claim_is_taken(tmp_path: Path) -> None:
    # Every look of these is followed by a claim: the lease is free at all times.
    makers = [Maker() for _ in range(8)]
    for number in range(5):
        with ThreadPoolExecutor(len(makers)) as pool:
            home = tmp_path / str(number)
            made = list(pool.map(lambda maker, home=home: maker.obtain(home), makers))
        assert len({manifest["instance"] for manifest in made}) == 1
    assert sum(maker.attempts for maker in makers) == 5


def test_a_lost_lease_publishes_nothing(tmp_path: Path) -> None:
    def first(staging: Path, tell: Tell) -> None:
        for name in ("claim.2", "released.2"):  # another's, which found nothing to do
            (place(tmp_path).install / name).write_text("another")

    maker = Maker(first)
    made = maker.obtain(tmp_path)
    assert maker.attempts == 2
    assert lease.look(place(tmp_path).install).generation == 3
    assert publish.manifest(place(tmp_path).folder) == made
    assert leavings(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (BootstrapError("model_unavailable", "none", retryable=True), BootstrapError),
        (OSError(errno.EIO, "the volume"), OSError),
        (OSError(errno.ENOSPC, "full"), BootstrapError),
        (OSError(errno.EDQUOT, "full"), BootstrapError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_an_error_leaves_nothing_and_ends_the_lease(
    tmp_path: Path, error: BaseException, raised: type[BaseException]
) -> None:
    def first(staging: Path, tell: Tell) -> None:
        raise error

    maker = Maker(first)
    with pytest.raises(raised) as caught:
        maker.obtain(tmp_path)
    if isinstance(error, OSError) and raised is BootstrapError:
        assert isinstance(caught.value, BootstrapError)
        assert caught.value.code == "volume_full"
        assert "Enlarge the volume" in caught.value.message
    assert leavings(tmp_path) == []
    assert not place(tmp_path).folder.exists()
    assert lease.look(place(tmp_path).install).released


def test_a_dead_maker_is_waited_for_and_its_leavings_are_swept(tmp_path: Path) -> None:
    install = place(tmp_path).install
    (install / "staging-1-dead" / "deep").mkdir(parents=True)
    (install / "staging-1-dead" / "deep" / "file").touch()
    (install / ".beat.1.temporary").touch()
    (install / "claim.1").touch()
    maker = Maker()
    maker.obtain(tmp_path, timing=TIMING)
    assert maker.told[0] == Step("waiting", worker="another worker")
    assert maker.told[-1] == Step("making", 0.5)
    assert leavings(tmp_path) == []
    assert lease.look(install).generation > 1
    assert not (install / "claim.1").exists()


def test_a_lease_that_is_held_is_waited_for(tmp_path: Path) -> None:
    maker = Maker()
    with ThreadPoolExecutor(1) as pool:
        with taken(place(tmp_path).install, 0):
            waiting = pool.submit(maker.obtain, tmp_path)
            wait_for("the wait", lambda: maker.told, DEADLINE_S)
            assert maker.attempts == 0
        waiting.result(DEADLINE_S)
    assert maker.attempts == 1
