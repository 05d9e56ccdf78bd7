"""Holders of leases for tests, in this process and in others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.environments import ROOT
from volume import lease
from volume.errors import LeaseLostError
from volume.lease import Lease, Timing

SHORT = Timing(ttl_s=0.3, beat_s=0.02, poll_s=0.01)
LONG = Timing(ttl_s=1e6, beat_s=0.02, poll_s=0.01)
"""Nobody is silent for so long, however busy the machine."""

DEADLINE_S = 60.0

HOLD = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from volume import errors, lease
held = lease.claim(Path(sys.argv[1]), 0, lease.Timing(1e6, 0.02, 0.01))
print("ready", flush=True)
for line in sys.stdin:
    try:
        held.check()
        print("mine", flush=True)
    except errors.LeaseLostError as error:
        print(error, flush=True)
"""
"""Holds the first generation until its stdin ends, and says when asked whether it is still its."""


@contextmanager
def child(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process that has said that it is ready."""
    command = [sys.executable, "-S", "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def say(process: subprocess.Popen[str]) -> None:
    """Send it a line."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def ask(process: subprocess.Popen[str]) -> str:
    """Send it a line, and give its answer."""
    assert process.stdout is not None
    say(process)
    return process.stdout.readline().strip()


def taken(folder: Path, after: int, timing: Timing = LONG) -> Lease:
    """A generation that nobody else wants."""
    held = lease.claim(folder, after, timing)
    assert held is not None
    return held


def loses(held: Lease, why: str) -> bool:
    """Whether a holder finds that it has lost its lease, and for this reason."""
    try:
        held.check()
    except LeaseLostError as error:
        return why in str(error)
    return False
