"""Who is dead and who only slow: decided by what changes, never by a clock that is shared."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.leases import DEADLINE_S, HOLD, LONG, SHORT, ask, child, loses, taken
from tests.worker_process import wait_for
from volume import lease
from volume.lease import Timing, Watcher


def test_a_silent_holder_is_replaced_after_its_time(tmp_path: Path) -> None:
    patient, watcher, begin_s = Watcher(tmp_path, LONG), Watcher(tmp_path, SHORT), time.monotonic()
    with child(HOLD, tmp_path) as holder:
        assert not watcher.is_free()
        assert not patient.is_free()
        holder.kill()
        holder.wait()
        wait_for("the holder's end", watcher.is_free, DEADLINE_S)
    assert time.monotonic() - begin_s >= SHORT.ttl_s, "not before a beat was missed"
    assert not patient.is_free()
    assert not watcher.seen.released
    with taken(tmp_path, watcher.seen.generation) as held:
        assert held.generation == 2
        held.check()


def test_a_sign_of_life_begins_the_time_anew(tmp_path: Path) -> None:
    (tmp_path / "claim.1").write_text("somebody")
    watcher = Watcher(tmp_path, SHORT)
    for beat in range(2):
        assert not watcher.is_free()
        time.sleep(1.1 * SHORT.ttl_s)  # this time is what is tested; nothing is waited for
        (tmp_path / "beat.1").write_text(json.dumps({"counter": beat}))
    assert not watcher.is_free()
    wait_for("the end of the time", watcher.is_free, DEADLINE_S)


def test_a_beating_holder_is_never_replaced(tmp_path: Path) -> None:
    watcher, begin_s, texts = Watcher(tmp_path, SHORT), time.monotonic(), [""]

    def beats() -> bool:
        texts.append(lease.look(tmp_path).text)
        return texts[-1] != texts[-2]

    with taken(tmp_path, 0) as held:
        while time.monotonic() - begin_s < 3 * SHORT.ttl_s:
            # However busy this machine is: who saw a new beat does not take over.
            wait_for("a beat", beats, DEADLINE_S)
            assert not watcher.is_free()
        held.check()


def test_a_holder_that_was_stopped_and_wakes_has_lost(tmp_path: Path) -> None:
    with child(HOLD, tmp_path) as holder:
        assert ask(holder) == "mine"
        holder.send_signal(signal.SIGSTOP)
        watcher = Watcher(tmp_path, SHORT)
        assert not watcher.is_free()
        wait_for("the silence to last", watcher.is_free, DEADLINE_S)
        with taken(tmp_path, watcher.seen.generation) as held:
            holder.send_signal(signal.SIGCONT)
            assert ask(holder) == "generation 1 was taken over"
            held.check()


def test_a_holder_that_could_not_beat_has_lost(tmp_path: Path) -> None:
    folder, away = tmp_path / "lease", tmp_path / "away"
    with taken(folder, 0, SHORT) as held:
        folder.rename(away)  # no write succeeds, as on a volume that fails
        wait_for("the silence", lambda: loses(held, "silent for too long"), DEADLINE_S)
        away.rename(folder)
    assert lease.look(folder).released


HALF_WRITTEN: Sequence[tuple[str, str | None]] = (
    ("", None),  # its maker died between creating and writing it, where there are no links
    ("somebody", None),  # its maker died before the first beat
    ("somebody", ""),  # a full volume
    ("somebody", '{"token": "some'),
    ("somebody", "[]"),
    ("somebody", '{"step": 5}'),
    ("somebody", '{"step": {"name": "of another version", "colour": "blue"}}'),
    ("somebody", "\x00\xff"),
)


@pytest.mark.fault(11)
def test_what_is_half_written_is_a_sign_of_life_once(tmp_path: Path) -> None:
    watchers: list[tuple[Path, Watcher]] = []
    for number, (claim, beat) in enumerate(HALF_WRITTEN):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "claim.1").write_text(claim)
        if beat is not None:
            (folder / "beat.1").write_bytes(beat.encode("latin-1"))
        watchers.append((folder, Watcher(folder, SHORT)))
    for _, watcher in watchers:
        assert not watcher.is_free()
        assert watcher.seen.step is None
    for folder, watcher in watchers:
        wait_for("the end of the time", watcher.is_free, DEADLINE_S)
        with taken(folder, watcher.seen.generation) as held:
            held.check()


@pytest.mark.fault(7)
def test_the_times_of_files_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "claim.1").write_text("somebody")
    (tmp_path / "beat.1").write_text("{}")
    patient = Watcher(tmp_path, LONG)
    for shift_s in (0, -1e9, -3600, 3600, 1e9):
        at_s = time.time() + shift_s
        for path in (tmp_path, *tmp_path.iterdir()):
            os.utime(path, (at_s, at_s))
        assert not patient.is_free()
        assert not Watcher(tmp_path, SHORT).is_free(), "it has only begun to look"
    watcher = Watcher(tmp_path, SHORT)
    wait_for("the end of the time", watcher.is_free, DEADLINE_S)


def test_a_life_has_six_beats_and_changes_are_seen_within_five_seconds() -> None:
    assert Timing.of(60) == Timing(60, 10, 5)
    assert Timing.of(6) == Timing(6, 1, 0.5)
