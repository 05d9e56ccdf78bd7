"""What this machine is: its GPUs and their driver, its mounts, its memory.

A program that asks a GPU or a mount that hangs cannot even be killed: nobody waits for it long.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")

MIN_DRIVER: Final = 570
"""The first with CUDA 12.8 (NVIDIA, "CUDA Toolkit Release Notes", the table of drivers)."""

PROGRAM_TIMEOUT_S: Final = 10.0
NO_GPU_HERE: Final = "Choose a GPU for the endpoint, or start the container with --gpus all."
ALLOW_NEW_CUDA: Final = "Set the endpoint's allowed CUDA versions to 12.8 and higher."


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as ``nvidia-smi`` shows it."""

    name: str
    memory_bytes: int
    """0 where the driver does not tell."""
    driver: str


@dataclass(frozen=True, slots=True)
class Mount:
    """See proc_pid_mountinfo(5)."""

    point: Path
    kind: str
    """ext4, nfs4, fuse ..."""
    device: str
    options: tuple[str, ...]
    """Those of the mount, then those of the file system; "ro" in either makes it read-only."""


def run_bounded(command: Sequence[str], timeout_s: float) -> tuple[int | None, str]:
    """A program's exit status and what it wrote to stdout.

    The status is None where it could not be started or did not end within ``timeout_s``.
    """
    try:
        null = subprocess.DEVNULL
        process = subprocess.Popen(
            command, stdin=null, stdout=subprocess.PIPE, stderr=null, text=True, errors="replace"
        )
    except OSError:
        return None, ""
    try:
        text, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        # In state D it takes no signal. Whenever it ends after all, somebody collects it.
        threading.Thread(target=process.communicate, daemon=True).start()
        return None, ""
    return process.returncode, text


def gpus() -> tuple[Gpu, ...]:
    """The GPUs that ``nvidia-smi`` shows; none where it is not there or fails."""
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    status, text = run_bounded(["nvidia-smi", *query], PROGRAM_TIMEOUT_S)
    if status != 0:
        return ()
    rows = re.findall(r"^(.*), *(\S+|\[.*\]), *(\S+)$", text, re.MULTILINE)
    return tuple(Gpu(n, int(m) << 20 if m.isdigit() else 0, driver) for n, m, driver in rows)


def driver_version(proc: Path = PROC) -> str | None:
    """The version of the NVIDIA driver, such as 570.86.15; None where there is none."""
    with contextlib.suppress(OSError):
        text = (proc / "driver" / "nvidia" / "version").read_text(errors="replace")
        if found := re.search(r"Kernel Module.*?\s(\d+\.[\d.]+)\s", text):
            return found[1]
    return next((gpu.driver for gpu in gpus()), None)


def cuda_driver_api() -> tuple[int, int] | None:
    """The newest CUDA that the driver's own library knows, such as (12, 8)."""
    version = ctypes.c_int()
    try:
        status = ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return None
    return divmod(version.value // 10, 100) if status == 0 and version.value else None


def driver_problem(version: str) -> str | None:
    """What is wrong with a driver of this version, without what to do; None where nothing is."""
    major = version.partition(".")[0]
    if not major.isdigit() or int(major) >= MIN_DRIVER:
        return None
    needed = f"the models' environment (CUDA 12.8) needs {MIN_DRIVER} or newer."
    return f"The NVIDIA driver is {version}; {needed}"


def gpu_problem(device: str, proc: Path = PROC) -> str | None:
    """Why the engine cannot use auto, cuda or cpu, and what to do; None where it can."""
    if device == "cpu":
        return None
    driver = driver_version(proc)
    if driver is not None and (problem := driver_problem(driver)):
        return f"{problem} {ALLOW_NEW_CUDA}"
    # A driver without nvidia-smi says nothing of GPUs: then the engine finds out.
    can_tell = driver is None or shutil.which("nvidia-smi") is not None
    if device == "cuda" and can_tell and not gpus():
        return f"PARAKEET_DEVICE is cuda, but this machine shows no GPU. {NO_GPU_HERE}"
    return None


MOUNT: Final = r"^(?:[^ \n]+ ){4}([^ \n]+) ([^ \n]+) (?:[^ \n]+ )*?- ([^ \n]+) ([^ \n]*) ([^ \n]*)$"
"""A line of mountinfo: its point, its options, its kind, its device, the file system's options."""


def mount_of(path: Path, proc: Path = PROC) -> Mount | None:
    """The mount that a path lies on, there or not; None where the system does not tell."""
    real = Path(os.path.realpath(path))
    found: Mount | None = None
    for mount in _mounts(proc):
        # The later of two mounts at one point hides the earlier.
        longer = found is None or len(mount.point.parts) >= len(found.point.parts)
        if longer and real.is_relative_to(mount.point):
            found = mount
    return found


def is_own_mount(path: Path, proc: Path = PROC) -> bool:
    """Whether a path lies on something that was mounted, and not on the container's own disk."""
    mount = mount_of(path, proc)
    return mount is not None and mount.point != Path("/")


def nearest_folder(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there and can be seen."""
    above = (path, *path.absolute().parents)
    return next(folder for folder in above if os.access(folder, os.X_OK) and folder.is_dir())


def free_bytes(path: Path) -> int:
    """What is free where the path is or will be, quotas aside. OSError: it does not tell."""
    return shutil.disk_usage(nearest_folder(path)).free


def memory_bytes(proc: Path = PROC, cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """The memory that this container may use: the machine's, or the lowest limit of its cgroups."""
    total = re.findall(r"^MemTotal:\s+(\d+) kB", (proc / "meminfo").read_text(), re.MULTILINE)
    return min(int(total[0]) << 10, *_memory_limits_bytes(proc, cgroups), 1 << 63)


def _mounts(proc: Path) -> Iterator[Mount]:
    """The mounts in the order in which they were made."""
    with contextlib.suppress(OSError):
        text = (proc / "self" / "mountinfo").read_text(errors="surrogateescape")
        for place, options, kind, device, more in re.findall(MOUNT, text, re.MULTILINE):
            names = (*options.split(","), *more.split(","))
            yield Mount(Path(_unescaped(place)), kind, _unescaped(device), names)


def _unescaped(field: str) -> str:
    """A field of mountinfo, where spaces, tabs, newlines and backslashes are octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


def _memory_limits_bytes(proc: Path, cgroups: Path) -> Iterator[int]:
    """The limits of this process's cgroups and of those above them, versions 1 and 2."""
    with contextlib.suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            root = cgroups / "memory" if controllers else cgroups
            name = "memory.limit_in_bytes" if controllers else "memory.max"
            # A container often sees its own cgroup as the root, under a path that it does not have.
            for place in (root / path.lstrip("/") / name).parents:
                with contextlib.suppress(OSError, ValueError):  # "max" is no number
                    yield int((place / name).read_text())


MISSING: Final = "there is no such folder"
READ_ONLY: Final = "it is read-only"
NO_PERMISSION: Final = "there is no permission to write"
NO_SPACE: Final = "there is no space left"
OVER_QUOTA: Final = "it is over its quota"
NO_ANSWER: Final = "it did not answer within"
REASONS: Final = {
    errno.ENOENT: MISSING,
    errno.ENOTDIR: MISSING,
    errno.EROFS: READ_ONLY,
    errno.EACCES: NO_PERMISSION,
    errno.EPERM: NO_PERMISSION,
    errno.ENOSPC: NO_SPACE,
    errno.EDQUOT: OVER_QUOTA,
    errno.ESTALE: "its handle is stale: the mount has to be made anew",
    errno.ENOTCONN: "it is not connected: whatever serves the mount has ended",
}
WRITE: Final = """
import errno, os, sys
first = os.path.join(*sys.argv[1:])
second = first + ".renamed"
status = 0
try:
    data = os.urandom(1 << 20)  # a full volume may still take a few bytes
    with open(first, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(first, second)
    with open(second, "rb") as file:
        if file.read() != data:
            raise OSError(errno.EIO, "")
    os.unlink(second)
except OSError as error:
    status = 100 + (error.errno or errno.EIO)
for path in filter(os.path.exists, (first, second)):
    os.unlink(path)
os._exit(status)
"""


def write_test(folder: Path, timeout_s: float = PROGRAM_TIMEOUT_S) -> str | None:
    """Write, sync, rename, read and delete a file; why that does not work, or None where it does.

    A process of its own does it, because a mount may hang.
    """
    name = f".write-test.{uuid.uuid4().hex}"
    status, _ = run_bounded([sys.executable, "-ISc", WRITE, str(folder), name], timeout_s)
    if status is None:
        return f"{NO_ANSWER} {timeout_s:g} s"
    if status > 100:
        return REASONS.get(status - 100) or os.strerror(status - 100)
    return None if status == 0 else f"the test ended with status {status}"
