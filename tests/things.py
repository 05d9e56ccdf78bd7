"""A small thing for a volume, and who makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from volume import publish
from volume.errors import DamagedError
from volume.lease import Timing
from volume.publish import Manifest, Place, Wanted
from volume.steps import Step, Tell

TIMING = Timing(ttl_s=1.0, beat_s=0.02, poll_s=0.02)
PATIENT = replace(TIMING, ttl_s=1e6)
DATA = b"content"


@dataclass
class Maker:
    """Makes a thing of one file, and remembers how often."""

    first: Callable[[Path, Tell], object] = lambda staging, tell: None
    """Called in the first attempt."""
    attempts: int = 0
    told: list[Step] = field(default_factory=list)

    def make(self, staging: Path, tell: Tell) -> Manifest:
        assert list(staging.iterdir()) == []
        self.attempts += 1
        (staging / "data").write_bytes(DATA)
        if self.attempts == 1:
            self.first(staging, tell)
        tell(Step("making", 0.5))
        return {"bytes": len(DATA)}

    def wanted(self, home: Path, broken: object = None) -> Wanted:
        place = Place(home, "things", "thing-1")
        return Wanted(place, self.make, check, None if broken is None else str(broken))

    def obtain(self, home: Path, broken: object = None, timing: Timing = PATIENT) -> Manifest:
        return publish.obtain(self.wanted(home, broken), self.told.append, timing)


def check(folder: Path, manifest: Manifest) -> None:
    if (folder / "data").stat().st_size != manifest["bytes"]:
        raise DamagedError("data is cut short")


def place(home: Path) -> Place:
    return Maker().wanted(home).place


def leavings(home: Path) -> list[str]:
    return [path.name for path in place(home).install.iterdir() if publish.is_leaving(path.name)]
