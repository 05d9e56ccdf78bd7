"""Make a thing on the volume once, whoever else tries, and whatever dies in the middle.

A thing (an environment, a model) is a folder that never changes, and counts as there only when it
holds ``.ready.json``. It is made in a staging folder of its own, its ``.ready.json`` is written
last, and one rename publishes it. It is never repaired in place: an interrupted install that is
simply run again ends with success and missing files (measured with uv).

    <home>/<kind>/<name>/                    published
    <home>/.install/<name>/claim.N beat.N    the lease (volume/lease.py)
    <home>/.install/<name>/staging-N-<token>/
    <home>/.install/<name>/failed.json       why the last attempt failed
    <home>/.install/<name>/rebuilds.json     when it was found broken
    <home>/.trash/                           what was published and is no more
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from volume import files, lease, programs
from volume.errors import BootstrapError, DamagedError, EndingError, LeaseLostError
from volume.lease import Lease, Timing
from volume.steps import Step, Tell

log = logging.getLogger(__name__)

READY: Final = ".ready.json"

REST_AFTER_FAILURE_S: Final = 60.0
"""Twelve workers would meet the same full disk."""

REBUILDS_AN_HOUR: Final = 2
HOUR_S: Final = 3600.0

Manifest = Mapping[str, Any]
Make = Callable[[Path, Tell], Manifest]
"""Makes the thing in an empty folder and returns its manifest."""
Check = Callable[[Path, Manifest], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing is, or will be."""

    home: Path
    kind: str
    """The folder for things of its kind."""
    name: str

    @property
    def folder(self) -> Path:
        """The published thing."""
        return self.home / self.kind / self.name

    @property
    def install(self) -> Path:
        """All that belongs to making it."""
        return self.home / ".install" / self.name


@dataclass(frozen=True, slots=True)
class Wanted:
    """A thing that is to be there."""

    place: Place
    make: Make
    check: Check
    """Raises DamagedError where a published thing is not what its manifest says."""
    broken: str | None = None
    """The instance that did not work: where it is still published, it is set aside."""
    rest_s: float = REST_AFTER_FAILURE_S
    """For so long after a failure nobody tries again."""


def manifest(folder: Path) -> Manifest | None:
    """What a published thing says of itself; None where there is none."""
    return files.read_json(folder / READY)


def sound(wanted: Wanted) -> Manifest | None:
    """The manifest of the published thing where it is there, whole, and not the broken one."""
    found = manifest(wanted.place.folder)
    if found is None or found.get("instance") == wanted.broken:
        return None
    try:
        wanted.check(wanted.place.folder, found)
    except DamagedError as error:
        log.warning("%s is damaged: %s", wanted.place.name, error)
        return None
    return found


def obtain(wanted: Wanted, tell: Tell, timing: Timing) -> Manifest:
    """The manifest of a published thing, which is made first if it must be.

    Args:
        wanted: The thing.
        tell: Called with the steps, ours or those of the worker that makes it, at least each poll.
        timing: Of the lease.

    Raises:
        BootstrapError: It cannot be made; ``bootstrap_failed``, ``volume_full`` or ``make``'s own.
        OSError: The volume does not answer as it should.
    """
    watcher = lease.Watcher(wanted.place.install, timing)
    while True:
        found = sound(wanted)
        if found is not None:
            return found
        if watcher.is_free():
            with files.full_volume_is_an_error(wanted.place.home):
                _refuse_after_failure(wanted)
                held = lease.claim(wanted.place.install, watcher.seen.generation, timing)
            if held is not None:
                with held, contextlib.suppress(LeaseLostError):
                    return _make_under_lease(wanted, held, tell)
                log.warning("%s: the lease was lost; looking again", wanted.place.name)
                continue
        tell(watcher.seen.step or Step("waiting", worker="another worker"))
        programs.pause(timing.poll_s)


def _make_under_lease(wanted: Wanted, held: Lease, tell: Tell) -> Manifest:
    def tell_all(step: Step) -> None:
        held.check()
        held.tell(step)
        tell(step)

    place = wanted.place
    found = sound(wanted)  # it may have been published while we claimed
    if found is not None:
        return found
    sweep_staging(place, held)
    staging = place.install / f"staging-{held.generation}-{held.token}"
    try:
        with files.full_volume_is_an_error(place.home):
            if os.path.lexists(place.folder):
                _set_aside(place, held)
            staging.mkdir()
            made = {
                **wanted.make(staging, tell_all),
                "name": place.name,
                "instance": held.token,
            }
            files.write_json(staging / READY, made)
            held.check()
            return _publish(staging, place, made)
    except EndingError:
        raise  # nothing is wrong: another worker may go on at once
    except (BootstrapError, OSError) as error:
        held.check()  # what a successor has swept away under us is no failure
        if isinstance(error, BootstrapError):
            _record_failure(place, error)
        raise
    finally:
        files.remove_tree(staging)


def _publish(staging: Path, place: Place, made: Manifest) -> Manifest:
    """One rename: the fence. Where another published first, what it made is taken."""
    place.folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        staging.rename(place.folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise LeaseLostError(f"{place.name} was published by another worker") from error
    with contextlib.suppress(OSError):
        (place.install / "failed.json").unlink(missing_ok=True)
    return made


def is_leaving(name: str) -> bool:
    """Whether this is what an attempt leaves when it dies: a staging folder or a temporary file."""
    return name.startswith((".", "staging-"))


def sweep_staging(place: Place, held: Lease) -> None:
    """Remove what attempts that are over have left. Only for the holder of the lease."""
    for name in files.names_in(place.install):
        if is_leaving(name):
            held.check()  # who was stopped here must not sweep a successor's
            files.remove(place.install / name)


def _set_aside(place: Place, held: Lease) -> None:
    """Move a thing that does not work out of the way, if that has not happened too often.

    Raises:
        BootstrapError: It has.
        LeaseLostError: What is there now may be a successor's.
    """
    now_s = files.volume_time_s(place.install)
    record = place.install / "rebuilds.json"
    times = (files.read_json(record) or {}).get("times", [])
    # A time that lies ahead is one of a clock that was set back: it counts.
    recent = [at_s for at_s in times if now_s - at_s < HOUR_S]
    if len(recent) >= REBUILDS_AN_HOUR:
        reason = (files.read_json(place.install / "broken.json") or {}).get("reason", "unknown")
        raise BootstrapError(
            "bootstrap_failed",
            f"{place.name} was found broken {len(recent) + 1} times within an hour and is not "
            f"rebuilt again before that hour is over. The last reason: {reason}",
        )
    files.write_json(record, {"times": [*recent, now_s]})
    trash = place.home / ".trash"
    trash.mkdir(exist_ok=True)
    held.check()
    place.folder.rename(trash / f"{place.name}-{uuid.uuid4().hex[:8]}")
    log.warning("%s is set aside and made anew", place.name)


def note_broken(place: Place, reason: str) -> None:
    """Keep why a published thing did not work, for the operator."""
    with contextlib.suppress(OSError):
        place.install.mkdir(parents=True, exist_ok=True)
        files.write_json(place.install / "broken.json", {"reason": reason})


def _record_failure(place: Place, error: BootstrapError) -> None:
    with contextlib.suppress(OSError):  # a full volume holds no record either
        files.write_json(
            place.install / "failed.json",
            {"code": error.code, "message": error.message, "retryable": error.retryable},
        )


def forget_failure(place: Place) -> None:
    """Let the next attempt come at once: an operator has seen the last one and done something."""
    with contextlib.suppress(OSError):
        (place.install / "failed.json").unlink(missing_ok=True)


def last_failure(place: Place) -> BootstrapError | None:
    """How the last attempt failed, if none has succeeded since."""
    record = files.read_json(place.install / "failed.json")
    if record is None:
        return None
    return BootstrapError(
        str(record.get("code")), str(record.get("message")), retryable=bool(record.get("retryable"))
    )


def _refuse_after_failure(wanted: Wanted) -> None:
    """Raise the last failure again while it is fresh, by the volume's own clock."""
    place, failure = wanted.place, last_failure(wanted.place)
    with contextlib.suppress(FileNotFoundError):  # somebody has just succeeded
        if failure is not None:
            failed_at_s = (place.install / "failed.json").stat().st_mtime
            age_s = files.volume_time_s(place.install) - failed_at_s
            if 0 <= age_s < wanted.rest_s:  # not one of a clock that was set back
                raise failure
