"""Who uses what on the volume, by the volume's own clock."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.leases import DEADLINE_S
from tests.worker_process import wait_for
from volume import usage


def age(path: Path, age_s: float) -> None:
    at_s = time.time() - age_s
    os.utime(path, (at_s, at_s))


def test_what_was_never_used_has_no_age(tmp_path: Path) -> None:
    assert usage.ages_s(tmp_path) == {}
    assert usage.ages_s(tmp_path / "nothing") == {}


def test_the_last_of_all_workers_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for worker, age_s in {"pod-1": 5000, "pod-2": 3000, "pod-3": 9000}.items():
        monkeypatch.setenv("RUNPOD_POD_ID", worker)
        usage.mark(tmp_path, ["venv-1", f"only-{worker}"])
        age(tmp_path / usage.FOLDER / f"venv-1@{worker}", age_s)
    (tmp_path / usage.FOLDER / "something else").touch()
    ages_s = usage.ages_s(tmp_path)
    assert set(ages_s) == {"venv-1", "only-pod-1", "only-pod-2", "only-pod-3"}
    assert ages_s["venv-1"] == pytest.approx(3000, abs=1000)
    usage.mark(tmp_path, ["venv-1"])
    assert usage.ages_s(tmp_path)["venv-1"] < 1000


def test_a_mark_of_the_future_is_one_of_now(tmp_path: Path) -> None:
    usage.mark(tmp_path, ["venv-1"])
    (mark,) = (tmp_path / usage.FOLDER).iterdir()
    age(mark, -3600)
    assert usage.ages_s(tmp_path)["venv-1"] < 0


def test_a_thing_is_forgotten_alone(tmp_path: Path) -> None:
    usage.mark(tmp_path, ["venv-1", "venv-10"])
    usage.forget(tmp_path, "venv-1")
    assert set(usage.ages_s(tmp_path)) == {"venv-10"}
    usage.forget(tmp_path / "nothing", "venv-1")


def test_a_volume_that_takes_no_marks_is_no_error(tmp_path: Path) -> None:
    usage.mark(tmp_path / "nothing", ["venv-1"])
    assert list(tmp_path.iterdir()) == []


def test_a_living_worker_marks_at_once_and_stops_when_told(tmp_path: Path) -> None:
    ended = usage.keep_marking(tmp_path, ["venv-1", "model-1"])
    try:
        wait_for("the marks", lambda: len(usage.ages_s(tmp_path)) == 2, DEADLINE_S)
    finally:
        ended.set()
