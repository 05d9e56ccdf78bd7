"""Where the worker keeps its things: the volume, or local disk where that cannot be."""

from __future__ import annotations

import errno
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import config
from volume import files, machine
from volume.errors import BootstrapError

log = logging.getLogger(__name__)

MEMORY: Final = Path("/dev/shm")  # noqa: S108
"""A file system in memory: 45,000 files in 3 s, and not in 6 to 20 (measured)."""

FULL: Final = tuple(machine.REASONS[number] for number in files.FULL)
UNWRITABLE: Final = tuple(
    machine.REASONS[number] for number in (errno.EROFS, errno.EACCES, errno.EPERM)
)

MUCH_MEMORY_BYTES: Final = 16_000_000_000
"""The code takes 0.8 GB of it."""


@dataclass(frozen=True, slots=True)
class Homes:
    """The worker's folders."""

    write: Path
    """What is missing is made here."""
    read_only: Path | None = None
    """What is here is used as it is."""
    keeps: bool = True
    """Whether what is made is there at the next start. The disk of a worker without a volume is
    counted as lost with it."""

    @property
    def readable(self) -> tuple[Path, ...]:
        """Where something may be that is there already, best first."""
        return (self.write,) if self.read_only is None else (self.read_only, self.write)

    @property
    def scratch(self) -> Path:
        """For what is on its way to somewhere else."""
        return config.LOCAL_HOME_DIR / "scratch"


def find() -> Homes:
    """Look at the volume, without ever waiting for one that hangs.

    Raises:
        BootstrapError: It does not answer.
    """
    problem = machine.write_test(config.VOLUME_DIR)
    if problem is None:
        if not machine.is_own_mount(config.VOLUME_DIR):
            log.warning(
                "%s is no mounted volume but a folder of this container: what is installed there "
                "is lost with it",
                config.VOLUME_DIR,
            )
        return Homes(config.HOME_DIR)
    if problem == machine.MISSING:
        log.warning(
            "no volume at %s: the models' environment (8 GB) and the models go to local disk, at "
            "each cold start anew. Attach a network volume.",
            config.VOLUME_DIR,
        )
        return Homes(config.LOCAL_HOME_DIR, keeps=False)
    if problem in FULL:
        return Homes(config.HOME_DIR)  # what is there works; what is not says what it lacks
    if problem in UNWRITABLE:
        log.warning("%s: %s; what it lacks goes to local disk", config.VOLUME_DIR, problem)
        return Homes(config.LOCAL_HOME_DIR, read_only=config.HOME_DIR, keeps=False)
    raise BootstrapError(
        "bootstrap_failed", f"the volume at {config.VOLUME_DIR}: {problem}", retryable=True
    )


def tree_parents(homes: Homes) -> tuple[Path, ...]:
    """Where an environment's code may be unpacked, best first; the last one is on the volume."""
    places = [config.LOCAL_HOME_DIR / "shadows", homes.write / ".shadows"]
    if config.SHADOW_DIR:
        places.insert(0, Path(config.SHADOW_DIR))
    elif (
        machine.is_own_mount(config.VOLUME_DIR)
        and machine.is_own_mount(MEMORY)
        and machine.memory_bytes() >= MUCH_MEMORY_BYTES
    ):
        places.insert(0, MEMORY / "parakeet-shadows")
    return tuple(places)
