"""The doctor's checks of the volume and of the local disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from volume import machine
from volume.findings import Finding, State
from volume.machine import Mount

ENVIRONMENT_BYTES: Final = 10_000_000_000
MODELS_BYTES: Final = 3_000_000_000
BUILD_BYTES: Final = 16_000_000_000
"""What an environment is built in: the tree, and its packages as they were downloaded."""

MIN_FREE_SHARE: Final = 0.10
"""RunPod's fitness check: a worker whose root disk has less is ended when it starts."""

NO_VOLUME: Final = "Attach a network volume to the endpoint."
ENLARGE: Final = "Enlarge the volume, or empty it with `python bootstrap.py --gc`."


@dataclass(frozen=True, slots=True)
class Storage:
    """The volume, and the disk that takes its place."""

    volume: Path
    local_home: Path
    failure: str | None
    """Of the write test on the volume."""
    mount: Mount | None = None
    """None where the volume is not there or does not answer."""

    @property
    def is_absent(self) -> bool:
        """Whether there is no volume."""
        return self.failure == machine.MISSING

    @property
    def hangs(self) -> bool:
        """Whether nothing may touch it, because it would wait for ever."""
        return self.failure is not None and self.failure.startswith(machine.NO_ANSWER)

    @property
    def is_written(self) -> bool:
        """Whether what is installed goes to the volume (the rule is ``homes.find``'s)."""
        return self.failure in (None, machine.NO_SPACE, machine.OVER_QUOTA)


def look(volume: Path, local_home: Path, timeout_s: float, proc: Path = machine.PROC) -> Storage:
    """Examine the volume, the write test first: nothing else is safe on one that hangs."""
    storage = Storage(volume, local_home, machine.write_test(volume, timeout_s))
    if storage.is_absent or storage.hangs:
        return storage
    return Storage(volume, local_home, storage.failure, machine.mount_of(volume, proc))


def volume(storage: Storage) -> Finding:
    """Is a volume there, and is it one?"""
    place, mount = storage.volume, storage.mount
    if storage.hangs:
        return Finding("volume", "problem", f"{place}: {storage.failure}", _sound(storage))
    if storage.is_absent:
        cost = "Without one, local disk is used and all is fetched anew at every cold start."
        return Finding("volume", "warning", f"{place} is not there", f"{NO_VOLUME} {cost}")
    if mount is None or mount.point == Path("/"):
        advice = f"What is installed there is lost with the container. {NO_VOLUME}"
        return Finding("volume", "warning", f"{place} is a plain directory, no mount", advice)
    read_only = ", read-only" if "ro" in mount.options else ""
    return Finding("volume", "ok", f"{place}: {mount.kind}, {mount.device}{read_only}")


def writing(storage: Storage, installed: bool) -> Finding:
    """Can files be written, synced, renamed, read and deleted?"""
    found = f"{storage.volume}: {storage.failure or 'works'}"
    if storage.failure is None:
        return Finding("writing", "ok", found)
    if storage.is_written:
        return Finding("writing", _stops(not installed), found, ENLARGE)
    if storage.failure not in (machine.MISSING, machine.READ_ONLY, machine.NO_PERMISSION):
        return Finding("writing", "problem", found, _sound(storage))
    folder = machine.nearest_folder(storage.local_home)
    local_failure = machine.write_test(folder)
    local = f"local disk, {folder}: {local_failure or 'works'}"
    found = local if storage.is_absent else f"{found}; {local}"
    if local_failure:
        advice = "Make the volume, or PARAKEET_LOCAL_HOME, a folder that the worker may write to."
        return Finding("writing", _stops(not installed), found, advice)
    if storage.is_absent:
        return Finding("writing", "ok", found)
    advice = "What the volume has is used; what it lacks goes to local disk, at each cold start."
    return Finding("writing", "warning", found, advice)


def space(storage: Storage, home: Path, installed: bool) -> Finding:
    """Is there room for a new environment and the models?"""
    if storage.hangs:
        return Finding("space", "warning", "not known: the volume does not answer")
    place = machine.nearest_folder(home if storage.is_written else storage.local_home)
    try:
        free_bytes = machine.free_bytes(place)
    except OSError as error:
        return Finding("space", "warning", f"{place}: not known ({error.strerror})")
    quota = " by its own account, which shows no quota" if storage.is_written else ""
    found = f"{place}: {free_bytes / 1e9:.1f} GB free{quota}"
    if free_bytes >= ENVIRONMENT_BYTES + MODELS_BYTES:
        return Finding("space", "ok", found)
    more = ENLARGE if storage.is_written else "Give the container a larger disk."
    needed = (
        f"A new environment needs {ENVIRONMENT_BYTES / 1e9:.0f} GB, "
        f"the models {MODELS_BYTES / 1e9:.0f} GB."
    )
    return Finding("space", _stops(not installed), found, f"{needed} {more}")


def local_disk(storage: Storage, installed: bool) -> Finding:
    """Is the container's own disk large enough, and empty enough for RunPod?"""
    place = machine.nearest_folder(storage.local_home)
    usage = shutil.disk_usage(place)
    share = usage.free / usage.total if usage.total else 0.0
    found = f"{place}: {usage.free / 1e9:.1f} of {usage.total / 1e9:.1f} GB free ({share:.0%})"
    if share < MIN_FREE_SHARE:
        advice = "RunPod ends a worker with less than 10 % free. Give the container a larger disk."
        return Finding("local disk", "problem", found, advice)
    if usage.free < BUILD_BYTES and storage.is_written and not installed:
        advice = (
            f"With less than {BUILD_BYTES / 1e9:.0f} GB the environment is built on the volume, "
            "which takes longer."
        )
        return Finding("local disk", "warning", found, advice)
    return Finding("local disk", "ok", found)


def _stops(is_needed: bool) -> State:
    return "problem" if is_needed else "warning"


def _sound(storage: Storage) -> str:
    return (
        "No worker can start with it. Start another worker, which mounts it anew; if that does not "
        f"help, attach another volume at {storage.volume}."
    )
