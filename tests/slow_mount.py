"""Network volumes for tests: a folder mounted as one, or by two hosts, that fails when told to.

slow_volume/slowfs.c says what can be set. Where FUSE cannot be used, ``why_not`` has the reason.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, TypedDict, Unpack

import pytest

from tests.environments import ROOT
from tests.worker_process import wait_for

SOURCE: Final = ROOT / "tests" / "slow_volume" / "slowfs.c"
BINARY: Final = ROOT / ".cache" / "slowfs" / "slowfs"
CONTROL: Final = ".slowfs"

PROGRAMS: Final = ("gcc", "pkg-config", "fusermount3", "setpriv")
FUSE_VERSION: Final = "3.12"
"""The first with the options that slowfs gives it."""

START_TIMEOUT_S: Final = 20.0
END_TIMEOUT_S: Final = 20.0


class Options(TypedDict, total=False):
    """How a volume is mounted; ``mounted`` has the defaults."""

    lat_us: int
    attr_s: float
    entry_s: float
    neg_s: float
    locks: str


def require() -> None:
    """Skip the test where FUSE cannot be used."""
    if reason := why_not():
        pytest.skip(reason)


@functools.cache
def why_not() -> str | None:
    """Why nothing can be mounted here, or None where it can."""
    if reason := missing():
        return reason
    compile_once(SOURCE, BINARY)
    with tempfile.TemporaryDirectory() as folder:
        try:
            with mounted(Path(folder), Path(folder)):
                return None
        except PermissionError as error:
            return str(error)


def build() -> Path | None:
    """The slowfs program, compiled where it is missing or older than its source.

    Returns:
        Its path, or None where ``why_not`` has a reason.

    Raises:
        RuntimeError: It does not compile.
    """
    return None if why_not() else BINARY


def missing() -> str | None:
    """What is not installed here, or None. That does not yet mean that a mount is allowed."""
    for program in PROGRAMS:
        if not shutil.which(program):
            return f"a slow volume needs {program}"
    if _run("pkg-config", "--exists", f"fuse3 >= {FUSE_VERSION}").returncode:
        return f"a slow volume needs the headers of libfuse {FUSE_VERSION} (libfuse3-dev)"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "a slow volume needs /dev/fuse"
    return None


def compile_once(source: Path, binary: Path) -> None:
    """Compile a FUSE program unless that was done since its source changed.

    Raises:
        RuntimeError: It does not compile, or only with warnings.
    """
    if binary.exists() and binary.stat().st_mtime >= source.stat().st_mtime:
        return
    binary.parent.mkdir(parents=True, exist_ok=True)
    # Staged and renamed: two test runs may build it at once.
    with tempfile.TemporaryDirectory(dir=binary.parent) as staging:
        staged = Path(staging) / binary.name
        flags = shlex.split(_run("pkg-config", "--cflags", "--libs", "fuse3").stdout)
        warnings = ("-Wall", "-Wextra", "-Werror")
        done = _run("gcc", "-O2", *warnings, str(source), "-o", str(staged), *flags)
        if done.returncode:
            raise RuntimeError(f"{source.name} does not compile:\n{done.stderr}")
        staged.replace(binary)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@contextlib.contextmanager
def mounted(
    backing: Path,
    at: Path,
    *,
    lat_us: int = 0,
    attr_s: float = 1.0,
    entry_s: float = 1.0,
    neg_s: float = 0.0,
    locks: str = "real",
) -> Iterator[Mount]:
    """Mount a folder as a network volume, for as long as the calling thread lives at most.

    Args:
        backing: Where its files really are.
        at: An existing folder.
        lat_us: Microseconds that every operation takes longer.
        attr_s: For how long the kernel caches attributes.
        entry_s: For how long it caches names.
        neg_s: For how long it caches that a name is not there.
        locks: What flock() does: real, local, lie or none.

    Raises:
        PermissionError: Nothing may be mounted here.
        RuntimeError: The mount failed otherwise.
    """
    compile_once(SOURCE, BINARY)
    times = f"attr_s={attr_s},entry_s={entry_s},neg_s={neg_s}"
    options = f"lat_us={lat_us},{times},locks={locks}"
    command = [str(BINARY), str(backing), str(at), "-f", "-o", options]
    with tempfile.TemporaryFile("w+") as log:
        # TERM and not KILL where the test run is killed: a mount without its process stays there,
        # and whoever looks into it gets an error.
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command],
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_for(f"mount of {at}", lambda: _ready(process, at, log), START_TIMEOUT_S)
            yield Mount(at)
        finally:
            _unmount(process, at)


def _ready(process: subprocess.Popen[bytes], at: Path, log: IO[str]) -> bool:
    if process.poll() is None:
        return (at / CONTROL).exists()
    log.seek(0)
    said = log.read().strip()
    forbidden = "not permitted" in said or "denied" in said
    raise (PermissionError if forbidden else RuntimeError)(f"slowfs cannot mount: {said}")


def _unmount(process: subprocess.Popen[bytes], at: Path) -> None:
    if _run("fusermount3", "-u", str(at)).returncode:
        # In use, or never mounted. What is still open gets an error once the process is gone.
        _run("fusermount3", "-uz", str(at))
        process.terminate()
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


@contextlib.contextmanager
def two_hosts(folder: Path, **options: Unpack[Options]) -> Iterator[tuple[Mount, Mount]]:
    """Two hosts that share one volume, each with the kernel's caches of its own.

    Args:
        folder: An empty folder: for the volume's own files ("volume") and for both mounts.
        options: As for ``mounted``.
    """
    volume, first, second = (folder / name for name in ("volume", "host-1", "host-2"))
    for each in (volume, first, second):
        each.mkdir()
    with mounted(volume, first, **options) as one, mounted(volume, second, **options) as other:
        yield one, other


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted volume."""

    path: Path

    def set(self, name: str, value: int) -> None:
        """Change a setting, or begin or end a fault.

        Raises:
            OSError: EINVAL: there is no such setting, or it cannot have this value.
        """
        (self.path / CONTROL).write_text(f"{name} {value}\n")

    def counters(self) -> dict[str, float]:
        """The operations that reached the volume so far, by kind, and the settings."""
        lines = (self.path / CONTROL).read_text().splitlines()
        return {name: float(value) for name, value in (line.split() for line in lines)}

    def reset(self) -> None:
        """Count from 0 again. Settings and faults stay."""
        (self.path / CONTROL).write_text("reset\n")
