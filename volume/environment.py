"""The models' environment: built beside its place, proved, and published by one rename.

An environment is a folder ``venv-<fingerprint>`` that never changes. It counts as there only when
it holds ``.ready.json``, which is written last, before the rename. It is never repaired in place:
an interrupted install that is simply run again ends with success and missing files (measured with
uv).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

SCHEMA: Final = 1
"""Raised when what an environment consists of changes without its lock changing."""

READY: Final = ".ready.json"

PROOF: Final = "import torch, nemo.collections.asr, pyannote.audio"
"""What an environment must be able to do before it is published."""

MIN_FREE_BYTES: Final = 10 << 30
"""The environment takes 7.6 GB; a volume that fills up in the middle costs minutes first."""

Tell = Callable[[str], None]


class InstallError(Exception):
    """The environment could not be made. The message is for the operator."""


def fingerprint(lock: Path, optional_wheel: str | None = None) -> str:
    """Names what an environment depends on: the locks, the interpreter and the platform."""
    parts = (
        str(SCHEMA),
        hashlib.sha256(lock.read_bytes()).hexdigest(),
        platform.python_version(),
        str(sysconfig.get_config_var("SOABI")),
        str(Path(sys.base_prefix).resolve()),
        platform.machine(),
        "-".join(platform.libc_ver()),
        optional_wheel or "",
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def find(home: Path, lock: Path, optional_wheel: str | None = None) -> Path | None:
    """The interpreter of the ready environment for this lock, or None."""
    folder = home / "venvs" / f"venv-{fingerprint(lock, optional_wheel)}"
    python = folder / "bin" / "python"
    return python if (folder / READY).is_file() and python.exists() else None


def install(
    home: Path,
    lock: Path,
    tell: Tell,
    *,
    proof: str = PROOF,
    min_free_bytes: int = MIN_FREE_BYTES,
    optional_wheel: str | None = None,
) -> Path:
    """Make the environment for this lock, and return its interpreter.

    Args:
        home: The worker's folder on the volume.
        lock: A requirements file, exact and hashed.
        tell: Called with each step.
        proof: Python that must run in the environment before it is published.
        min_free_bytes: What the volume must have free to begin.
        optional_wheel: URL or path of a wheel that nothing depends on. Where it cannot be installed
            or imported, the environment is published without it.

    Raises:
        InstallError: With what went wrong and what to do.
    """
    place = home / "venvs" / f"venv-{fingerprint(lock, optional_wheel)}"
    place.parent.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(place.parent).free
    if free_bytes < min_free_bytes:
        raise InstallError(
            f"{place.parent} has {free_bytes / 1e9:.1f} GB free; the models' environment needs "
            f"{min_free_bytes / 1e9:.1f} GB. Enlarge the volume or empty it."
        )
    staging = place.parent / f".staging-{uuid.uuid4().hex}"
    begin = time.monotonic()
    try:
        tell("creating the environment")
        _run([uv_program(), "venv", "--relocatable", "--python", sys.executable, str(staging)])
        python = staging / "bin" / "python"
        tell("installing torch, NeMo and pyannote.audio (about 4 GB to download)")
        sync = [uv_program(), "pip", "sync", "--compile-bytecode", "--require-hashes"]
        _run([*sync, "--python", str(python), str(lock)])
        if optional_wheel:
            _install_optional(python, optional_wheel, tell)
        tell("proving the environment")
        _run([str(python), "-I", "-c", proof])
        _write_ready(staging, lock, time.monotonic() - begin)
        _publish(staging, place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return place / "bin" / "python"


def _install_optional(python: Path, wheel: str, tell: Tell) -> None:
    """Install a wheel and see that it can be imported; take it out again where it cannot."""
    package = Path(urlsplit(wheel).path).name.partition("-")[0]
    tell(f"installing {package}")
    uv = uv_program()
    try:
        _run([uv, "pip", "install", "--no-deps", "--python", str(python), wheel])
        _run([str(python), "-I", "-c", f"import {package}"])
    except InstallError as error:
        log.warning("%s is left out: %s", package, error)
        with contextlib.suppress(InstallError):
            _run([uv, "pip", "uninstall", "--python", str(python), package])


def uv_program() -> str:
    """The uv program beside this interpreter, or the one on the PATH."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise InstallError("uv is not installed. Install it with `pip install uv`.")
    return found


def _run(command: Sequence[str]) -> None:
    """Run a step without the PYTHON* variables that images set and that would change it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_"))}
    environment |= {"UV_LINK_MODE": environment.get("UV_LINK_MODE", "copy"), "NO_VCS_VERSION": "1"}
    environment["PYANNOTE_METRICS_ENABLED"] = "false"
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        last_words = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise InstallError(f"{Path(command[0]).name} {command[1]} failed:\n{last_words}")


def _write_ready(folder: Path, lock: Path, seconds: float) -> None:
    ready = {
        "schema": SCHEMA,
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest(),
        "python": platform.python_version(),
        "install_s": round(seconds, 1),
    }
    with (folder / READY).open("w") as file:
        json.dump(ready, file)
        file.flush()
        os.fsync(file.fileno())


def _publish(staging: Path, place: Path) -> None:
    """One rename. Where another worker was faster its environment is taken: both are the same."""
    if place.is_dir() and not (place / READY).is_file():
        broken = place.with_name(f".trash-{uuid.uuid4().hex}")
        with contextlib.suppress(OSError):
            place.rename(broken)
            shutil.rmtree(broken, ignore_errors=True)
    try:
        staging.rename(place)
    except OSError:
        if not (place / READY).is_file():
            raise InstallError(f"{place} could not be published") from None
        log.info("another worker published %s first", place.name)
