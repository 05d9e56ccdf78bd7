"""A thing that failed, is damaged or does not work: made again, and not too often."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests import machines
from tests.things import DATA, TIMING, Maker, place
from volume import publish
from volume.errors import BootstrapError
from volume.publish import HOUR_S, READY, REST_AFTER_FAILURE_S
from volume.steps import Tell


def failing(maker: Maker, home: Path) -> BootstrapError:
    with pytest.raises(BootstrapError) as caught:
        maker.obtain(home)
    return caught.value


def test_after_a_failure_nobody_tries_again_for_a_while(tmp_path: Path) -> None:
    def first(staging: Path, tell: Tell) -> None:
        raise BootstrapError("diarization_unavailable", "no token", retryable=True)

    maker, other = Maker(first), Maker()
    failing(maker, tmp_path)
    assert publish.last_failure(place(tmp_path)) is not None
    for _ in range(2):
        error = failing(other, tmp_path)
        told = (error.code, error.message, error.retryable)
        assert told == ("diarization_unavailable", "no token", True)
    assert other.attempts == 0
    record = place(tmp_path).install / "failed.json"
    at_s = record.stat().st_mtime - REST_AFTER_FAILURE_S
    os.utime(record, (at_s, at_s))
    other.obtain(tmp_path)
    assert other.attempts == 1
    assert publish.last_failure(place(tmp_path)) is None


def test_a_failure_of_a_clock_that_was_set_back_does_not_last(tmp_path: Path) -> None:
    maker = Maker()
    place(tmp_path).install.mkdir(parents=True)
    record = place(tmp_path).install / "failed.json"
    record.write_text('{"code": "bootstrap_failed", "message": "of the future"}')
    at_s = record.stat().st_mtime + HOUR_S
    os.utime(record, (at_s, at_s))
    maker.obtain(tmp_path)
    assert maker.attempts == 1


def test_a_damaged_thing_is_made_anew(tmp_path: Path) -> None:
    maker = Maker()
    before = maker.obtain(tmp_path)
    (place(tmp_path).folder / "data").write_bytes(DATA[:-1])
    assert publish.sound(maker.wanted(tmp_path)) is None
    after = maker.obtain(tmp_path)
    assert before["instance"] != after["instance"]
    assert maker.attempts == 2
    (old,) = (tmp_path / ".trash").iterdir()
    assert (old / "data").read_bytes() == DATA[:-1]


@pytest.mark.parametrize("ready", [None, "", '{"name": "thi', "[]"])
def test_a_folder_without_its_manifest_is_no_thing(tmp_path: Path, ready: str | None) -> None:
    folder = place(tmp_path).folder
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(DATA)
    if ready is not None:
        (folder / READY).write_text(ready)
    maker = Maker()
    assert publish.sound(maker.wanted(tmp_path)) is None
    maker.obtain(tmp_path)
    assert maker.attempts == 1
    assert publish.sound(maker.wanted(tmp_path)) is not None


def test_a_broken_instance_is_set_aside_twice_an_hour(tmp_path: Path) -> None:
    maker = Maker()
    made = maker.obtain(tmp_path)
    assert maker.obtain(tmp_path, broken="of another day") == made
    for _ in range(publish.REBUILDS_AN_HOUR):
        publish.note_broken(place(tmp_path), "libtorch is cut short")
        again = maker.obtain(tmp_path, broken=made["instance"])
        assert again["instance"] != made["instance"]
        made = again
    with pytest.raises(BootstrapError, match=r"3 times within an hour.*libtorch is cut short"):
        maker.obtain(tmp_path, broken=made["instance"])
    assert maker.attempts == 3
    assert publish.manifest(place(tmp_path).folder) == made, "what there is stays"
    assert len(list((tmp_path / ".trash").iterdir())) == 2

    record = place(tmp_path).install / "rebuilds.json"
    times = json.loads(record.read_text())["times"]
    record.write_text(json.dumps({"times": [times[0] - HOUR_S, times[1]]}))
    (place(tmp_path).install / "failed.json").unlink()
    maker.obtain(tmp_path, broken=made["instance"])
    assert maker.attempts == 4


@pytest.mark.fault(4)
def test_a_full_volume_is_told_as_that(tmp_path: Path) -> None:
    with machines.mounted("tmpfs", tmp_path / "volume", "size=64k") as volume:
        (volume / "filler").write_bytes(
            bytes(os.statvfs(volume).f_bavail * os.sysconf("SC_PAGESIZE"))
        )
        maker = Maker()
        assert failing(maker, volume / "home").code == "volume_full"
        assert maker.attempts == 0
        (volume / "filler").unlink()
        maker.obtain(volume / "home", timing=TIMING)
