"""One installer at a time, on a volume whose locks and clocks cannot be trusted.

A lease is a row of generations. Generation N belongs to whoever made ``claim.N``, which only one
can make; its holder rewrites ``beat.N`` with a counter; ``released.N`` says that it is over. Who
waits remembers what it last saw and when, by its *own* monotonic clock: what has not changed for a
whole time-to-live is dead, and generation N + 1 may be claimed. No flock (it lies on some network
file systems, fails on others, and outlives crashes on a third kind), no comparison of wall clocks.

A holder that was stopped and wakes up late may believe that it still holds the lease. Nothing is
lost by that: what it makes is published by one rename, which fails where another has published.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from volume import files
from volume.errors import LeaseLostError
from volume.steps import Step

SAFE_SHARE: Final = 0.6
"""A holder that could not beat for this share of the time-to-live counts itself as dead, before
others do."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How a lease ticks. A dead holder is replaced after ``ttl_s`` and at most two polls more."""

    ttl_s: float
    beat_s: float
    poll_s: float

    @classmethod
    def of(cls, ttl_s: float) -> Timing:
        """Six beats to a life; five seconds at most until a change is seen."""
        return cls(ttl_s, ttl_s / 6, min(5.0, ttl_s / 12))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a folder of generations says at one moment."""

    generation: int
    """The newest claim's; 0 where there is none."""
    released: bool
    text: str
    """Whatever its holder wrote last."""
    step: Step | None
    """Where its holder stands."""


def look(folder: Path) -> Seen:
    """Read the newest generation."""
    names = files.names_in(folder)
    generation = _newest(names)
    if generation == 0:
        return Seen(0, released=True, text="", step=None)
    beat = files.read_text(folder / f"beat.{generation}") or ""
    claim = "" if beat else files.read_text(folder / f"claim.{generation}") or ""
    return Seen(generation, f"released.{generation}" in names, beat + claim, _step_in(beat))


class Watcher:
    """Remembers what a lease showed, to know a holder that is dead from one that works."""

    def __init__(self, folder: Path, timing: Timing) -> None:
        """Args: folder: the lease's; timing: the same for all who contend."""
        self._folder = folder
        self._timing = timing
        self._last: tuple[int, str] | None = None
        self._since_s = 0.0
        self.seen = Seen(0, released=True, text="", step=None)

    def is_free(self) -> bool:
        """Look again. Whether the next generation may be claimed."""
        self.seen = look(self._folder)
        now_s = time.monotonic()
        sign_of_life = (self.seen.generation, self.seen.text)
        if sign_of_life != self._last:
            self._last, self._since_s = sign_of_life, now_s
        return self.seen.released or now_s - self._since_s >= self._timing.ttl_s


class Lease:
    """A generation that is ours. Use it as a context; it is released at the end."""

    def __init__(self, folder: Path, generation: int, token: str, timing: Timing) -> None:
        """Start to beat."""
        self.generation = generation
        self.token = token
        self._folder = folder
        self._timing = timing
        self._step = Step("beginning")
        self._counter = 0
        self._alive_s = time.monotonic()
        self._end = threading.Event()
        self._beat_or_fail()
        self._thread = threading.Thread(target=self._keep_beating, name="lease", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join(timeout=self._timing.beat_s)  # a hung volume must not hang us too
        with contextlib.suppress(OSError):
            (self._folder / f"released.{self.generation}").touch()
            forget_before(self._folder, self.generation)

    def tell(self, step: Step) -> None:
        """What those who wait are told with the next beat."""
        self._step = step

    def check(self) -> None:
        """Make sure that nobody has taken over.

        Raises:
            LeaseLostError: Somebody has, or may have.
        """
        if time.monotonic() - self._alive_s > SAFE_SHARE * self._timing.ttl_s:
            raise LeaseLostError(f"generation {self.generation} was silent for too long")
        if _newest(files.names_in(self._folder)) != self.generation:
            raise LeaseLostError(f"generation {self.generation} was taken over")

    def _keep_beating(self) -> None:
        while not self._end.wait(self._timing.beat_s):
            with contextlib.suppress(OSError):  # silence has its own consequence, see check()
                self._beat_or_fail()

    def _beat_or_fail(self) -> None:
        begin_s = time.monotonic()
        self._counter += 1
        beat = {
            "token": self.token,
            "counter": self._counter,
            "worker": worker_name(),
            "step": {**asdict(self._step), "worker": worker_name()},
        }
        files.write_json(self._folder / f"beat.{self.generation}", beat)
        # When it began, not when it ended: on a slow volume others may have seen it only then.
        self._alive_s = begin_s


def claim(folder: Path, after: int, timing: Timing) -> Lease | None:
    """Try to make generation ``after + 1`` ours; None where another was faster.

    Raises:
        OSError: The volume cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generation, token = after + 1, uuid.uuid4().hex
    place = folder / f"claim.{generation}"
    if not _make_claim(place, token) or _newest(files.names_in(folder)) != generation:
        # The second: a claim on a generation that was over and forgotten long ago.
        return None
    return Lease(folder, generation, token, timing)


def forget_before(folder: Path, generation: int) -> None:
    """Remove the files of older generations, which are over."""
    for name in files.names_in(folder):
        kind, _, number = name.partition(".")
        is_ours = kind in ("claim", "beat", "released") and number.isdigit()
        if is_ours and int(number) < generation:
            with contextlib.suppress(OSError):
                (folder / name).unlink()


def worker_name() -> str:
    """How this worker is called among others."""
    return os.environ.get("RUNPOD_POD_ID") or platform.node() or "a worker"


def _make_claim(place: Path, token: str) -> bool:
    """Whether the claim is there and ours.

    link(2) of a file that is already written, because then nobody sees an empty claim. It is read
    back: a server's answer that got lost may have told the winner that it lost.
    """
    written = place.with_name(f".{token}")
    written.write_text(token)
    try:
        os.link(written, place)
    except (FileExistsError, FileNotFoundError):
        pass  # another was faster, or swept our file away as the new holder
    except OSError as error:
        if error.errno not in files.NO_LINKS:
            raise
        _create(place, token)
    finally:
        with contextlib.suppress(OSError):
            written.unlink()
    return files.read_text(place) == token


def _create(place: Path, token: str) -> None:
    """Where there are no hard links: creation that fails if the file exists."""
    with contextlib.suppress(FileExistsError), place.open("x") as file:
        file.write(token)
        file.flush()
        os.fsync(file.fileno())


def _newest(names: list[str]) -> int:
    numbers = [name.removeprefix("claim.") for name in names if name.startswith("claim.")]
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def _step_in(beat: str) -> Step | None:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return Step(**json.loads(beat)["step"])
    return None
