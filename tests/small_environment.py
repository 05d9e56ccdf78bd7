"""A stand-in for the models' environment: three packages made here, installed in a second.

It has what matters of the real one: a lock with hashes, modules, a large file, bytecode.
The programs under test are the real ones: ``bootstrap.py``, uv, and the SDK's loop around them.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.environments import ASR_MODEL, DIARIZATION_MODEL, ROOT

NAMES = ("tinyone", "tinytwo", "tinythree")
BOOTSTRAP = str(ROOT / "bootstrap.py")
LARGE_FILE = "tinyone_data/large.so"
TTL_S = 2.0
"""Of the leases in tests: long enough that a busy machine's heart does not seem to stop."""


def make_wheel(
    folder: Path, name: str, version: str, code: str, files: Mapping[str, bytes] | None = None
) -> Path:
    """A package of one module, and files beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    meta = f"{name}-{version}.dist-info"
    contents: dict[str, str | bytes] = {
        f"{name}.py": code,
        **(files or {}),
        f"{meta}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{meta}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
        f"{meta}/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in contents.items():
            archive.writestr(path, content)
    return wheel


def make_lock(folder: Path, version: str = "1.0", **code: str) -> Path:
    """A lock of the three packages, which lie beside it: no index is needed."""
    lines = []
    for name in NAMES:
        files = {}
        if name == "tinyone":
            files = {LARGE_FILE: random.Random(1).randbytes(1_300_000)}
        text = code.get(name, f"VERSION = {version!r}\n")
        wheel = make_wheel(folder, name, version, text, files)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name} @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    lock = folder / "lock.txt"
    lock.write_text("".join(lines))
    return lock


@dataclass(frozen=True)
class Machine:
    """A machine with a volume: what its worker's environment says, and where its disk is."""

    volume: Path
    disk: Path
    lock: Path
    more: Mapping[str, str] = field(default_factory=dict)
    is_small: bool = True
    """Whether the lock is the one of the three packages."""

    @property
    def home(self) -> Path:
        """The worker's folder on the volume."""
        return self.volume / "Parakeet"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its processes."""
        small = {
            "PARAKEET_ENGINE_IMPORTS": f"import {', '.join(NAMES)}",
            "PARAKEET_ENGINE_IMPORTS_AHEAD": f"import {NAMES[-1]}",
            "PARAKEET_ENGINE_BYTES": "3000000",
        }
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.disk),
            "RUNPOD_POD_ID": self.disk.name,
            "PARAKEET_VOLUME": str(self.volume),
            "PARAKEET_LOCAL_HOME": str(self.disk / "local"),
            "PARAKEET_SHADOW_DIR": str(self.disk / "local" / "shadows"),
            "PARAKEET_LOCK": str(self.lock),
            "PARAKEET_LEASE_TTL_S": str(TTL_S),
            "PARAKEET_ASR_MODEL": str(ASR_MODEL),
            "PARAKEET_DIARIZATION_MODEL": str(DIARIZATION_MODEL),
            "PARAKEET_FAST_CHECKPOINT": "false",  # nothing in the small environment can make one
            "PARAKEET_DEVICE": "cpu",
            "UV_OFFLINE": "1",
            **(small if self.is_small else {}),
            **self.more,
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """``python bootstrap.py`` under a bare Python."""
        self.disk.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            # A test run that is killed must not leave an installer behind.
            ["setpriv", "--pdeathsig", "KILL", sys.executable, "-S", BOOTSTRAP, *arguments],
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """The same, to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def bootstrap(self) -> dict[str, Any]:
        """What a bootstrap that must succeed says of the environment."""
        done = self.run("--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return environment_in(done.stdout)

    def works(self) -> bool:
        """Whether the environment's tree on this machine runs, with all that belongs to it."""
        trees = list((self.disk / "local" / "shadows").glob("venv-*/bin/python"))
        code = (
            "import tinyone, tinytwo, tinythree, pathlib; "
            f"data = pathlib.Path(tinyone.__file__).parent / {LARGE_FILE!r}; "
            "assert data.stat().st_size == 1_300_000 and data.is_symlink(); "
            "print(tinythree.VERSION)"
        )
        return bool(trees) and all(
            subprocess.run([python, "-I", "-c", code], capture_output=True).returncode == 0
            for python in trees
        )


def environment_in(printed: str) -> dict[str, Any]:
    """What ``--json`` says of the environment."""
    things: list[dict[str, Any]] = json.loads(printed.splitlines()[-1])["things"]
    return things[0]


def attempts(home: Path) -> int:
    """How often an environment's lease was taken."""
    numbers = [int(path.name.split(".")[1]) for path in home.glob(".install/venv-*/claim.*")]
    return max(numbers, default=0)


def leavings(machine: Machine) -> list[str]:
    """What installs that died have left, on the volume and on the disk."""
    found = [
        *machine.home.glob(".install/*/staging-*"),
        *machine.home.glob(".install/*/.*"),
        *machine.home.glob(".trash/*"),
        *(machine.disk / "local" / "scratch").glob("build-*"),
    ]
    return [str(path) for path in found]
