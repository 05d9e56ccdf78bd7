"""The bootstrap, beside what it replaces: pip into a venv in place, and imports from there.

The volume is one of ``tests/slow_volume``: a file system that adds a round trip's time to each
operation. Before each start the kernel's caches are dropped, as a new machine has none.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rows import Row
from tests import slow_mount
from tests.environments import ASR_MODEL, DIARIZATION_MODEL, ROOT, engine_python, worker_python
from tests.slow_mount import Mount
from tests.small_environment import Machine, make_lock

LATENCIES_MS = (1, 3)
MEMORY = Path("/dev/shm")
"""Where the worker itself unpacks when a volume is mounted and memory is plenty."""
RACERS = 12
UV_CACHE = str(Path.home() / ".cache" / "uv")
IMPORTS = "import torch, nemo.collections.asr"
ANCESTOR = (
    "import sys, time; begin = time.time(); sys.path.insert(0, sys.argv[1]); {imports}; "
    "print(time.time() - begin)"
)
"""The design of the mission's ancestor: the volume's packages in a running interpreter."""


def rows(folder: Path, runs: int) -> Iterator[Row]:
    """Starts and races, with an environment that is there; a quarter of an hour."""
    volume = folder / "volume"
    volume.mkdir()
    bootstrap(volume, folder / "disk", {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", UV_CACHE)})
    yield from size(volume)
    yield from checks(folder, volume, runs)
    yield from starts(folder, volume, runs)
    yield from races(folder)


def variables(volume: Path, disk: Path) -> dict[str, str]:
    """The environment of a worker with this volume."""
    disk.mkdir(parents=True, exist_ok=True)
    inherited = ("HOME", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "SSL_CERT_FILE", "SSL_CERT_DIR")
    return {
        **{name: os.environ[name] for name in inherited if name in os.environ},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PARAKEET_VOLUME": str(volume),
        "PARAKEET_LOCAL_HOME": str(disk),
        "PARAKEET_ASR_MODEL": str(ASR_MODEL),
        "PARAKEET_DIARIZATION_MODEL": str(DIARIZATION_MODEL),
        "PARAKEET_DEVICE": "cpu",
    }


def install_rows(folder: Path, _: int) -> Iterator[Row]:
    """The production lock from an empty cache, by pip in place and by the bootstrap; once each."""
    place = folder / "ancestor"
    begin = time.monotonic()
    subprocess.run([base_python(), "-m", "venv", place], check=True)
    lock = ROOT / "requirements.txt"
    command: list[str | Path] = [place / "bin" / "pip", "install", "-q", "--no-cache-dir"]
    subprocess.run([*command, "--require-hashes", "--no-deps", "-r", lock], check=True)
    pip_s = time.monotonic() - begin
    shutil.rmtree(place)
    yield Row("install with pip into a venv in place (baseline)", (pip_s,), "s")
    begin = time.monotonic()
    published_s = bootstrap(new(folder / "volume"), folder / "disk", {})
    whole_s = time.monotonic() - begin
    yield Row("bootstrap.py: install, prove, archive, publish", (published_s,), "s")
    yield Row("  of pip's time", (published_s / pip_s,), "", "<= 0.333")
    yield Row("  the whole command, unpacked and swept too", (whole_s,), "s")


def bootstrap(volume: Path, disk: Path, more: Mapping[str, str]) -> float:
    """Fill a volume; the seconds from the beginning to what is published."""
    printed = subprocess.check_output(
        [base_python(), "-S", ROOT / "bootstrap.py", "--json"],
        env={**variables(volume, disk), **more},
        stderr=subprocess.DEVNULL,
    )
    return float(json.loads(printed)["things"][0]["install_s"])


def size(volume: Path) -> Iterator[Row]:
    """What the environment takes on the volume, beside its size as a tree."""
    published = sum(path.stat().st_size for path in volume.rglob("*") if path.is_file())
    tree = sum(
        path.lstat().st_size for path in engine_python().parent.parent.rglob("*") if path.is_file()
    )
    yield Row("bytes on the volume, of the installed tree's", (published / tree,), "", "<= 1.2")


def checks(folder: Path, volume: Path, runs: int) -> Iterator[Row]:
    """``bootstrap.py --check``, the whole process."""
    for latency_ms, wanted in ((0, "<= 0.3 s"), (3, "<= 1.5 s")):
        seconds = tuple(checked(folder, volume, latency_ms) for _ in range(runs))
        yield Row(f"bootstrap.py --check, {latency_ms} ms an operation", seconds, "s", wanted)


def checked(folder: Path, volume: Path, latency_ms: int) -> float:
    """Seconds of one check through a mount that has nothing in its cache."""
    with slow_mount.mounted(volume, new(folder / "mount"), lat_us=1000 * latency_ms) as mount:
        return timed_check(mount.path, folder / "disk")


def timed_check(volume: Path, disk: Path) -> float:
    """Seconds of one check."""
    begin = time.monotonic()
    subprocess.run(
        [base_python(), "-S", ROOT / "bootstrap.py", "--check"],
        env=variables(volume, disk),
        check=True,
        capture_output=True,
    )
    return time.monotonic() - begin


def starts(folder: Path, volume: Path, runs: int) -> Iterator[Row]:
    """Process start to handshake: from local disk, from a slow volume, and as the ancestor did."""
    runs = min(runs, 3)
    own = {"PARAKEET_ENGINE_PYTHON": str(engine_python())}
    local = tuple(handshake(volume, folder / "disk", own) for _ in range(runs))
    yield Row("start to handshake, plain environment on local disk (baseline)", local, "s")
    local_s = sorted(local)[len(local) // 2]
    for latency_ms in LATENCIES_MS:
        with slow_mount.mounted(volume, new(folder / "mount"), lat_us=1000 * latency_ms) as mount:
            taken = [measured_start(mount, MEMORY / f"bench-{os.getpid()}") for _ in range(runs)]
            on_disk = measured_start(mount, folder / "cold")
        seconds = tuple(start.seconds for start in taken)
        wanted = "<= 25 s" if latency_ms == 3 else ""
        yield Row(f"start to handshake, volume at {latency_ms} ms", seconds, "s", wanted)
        ratios = tuple(start.seconds / local_s for start in taken)
        yield Row("  of local disk's", ratios, "", "<= 1.3")
        yield Row("  with the code on local disk, not in memory", (on_disk.seconds,), "s")
        opened = tuple(float(start.opened) for start in taken)
        yield Row("  files opened on the volume", opened, "", "<= 600")
    for latency_ms in LATENCIES_MS:
        with slow_mount.mounted(
            engine_python().parent.parent, new(folder / "mount"), lat_us=1000 * latency_ms
        ) as mount:
            import_s, opened_files = ancestors_import(mount)
        yield Row(f"the ancestor's import at {latency_ms} ms (baseline)", (import_s,), "s")
        yield Row("  files opened on the volume", (opened_files,), "")


@dataclass(frozen=True, slots=True)
class Start:
    """One start from the volume."""

    seconds: float
    opened: int


def measured_start(mount: Mount, code: Path) -> Start:
    """A start on a machine that has nothing yet, with the environment's code in this folder."""
    mount.reset()
    disk = code.with_name(f"{code.name}-disk")
    seconds = handshake(mount.path, disk, {"PARAKEET_SHADOW_DIR": str(code)})
    shutil.rmtree(code)
    shutil.rmtree(disk)
    return Start(seconds, int(mount.counters()["open"]))


def handshake(volume: Path, disk: Path, more: Mapping[str, str]) -> float:
    """Seconds to the engine's handshake, with cold caches."""
    drop_caches()
    printed = subprocess.check_output(
        [worker_python(), "-m", "benchmarks.handshake"],
        env={**variables(volume, disk), **more},
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    return float(json.loads(printed.splitlines()[-1])["hello_s"])


def ancestors_import(mount: Mount) -> tuple[float, float]:
    """(seconds, files opened on the volume)."""
    drop_caches()
    mount.reset()
    packages = next(mount.path.glob("lib/python3.*/site-packages"))
    code = ANCESTOR.format(imports=IMPORTS)
    printed = subprocess.check_output(
        [base_python(), "-c", code, packages], stderr=subprocess.DEVNULL
    )
    return float(printed.splitlines()[-1]), mount.counters()["open"]


def races(folder: Path) -> Iterator[Row]:
    """Twelve workers at once on an empty volume: a small environment, the real protocol."""
    lock = make_lock(folder / "wheels")
    more = {"PARAKEET_LEASE_TTL_S": "50"}
    hosts = new(folder / "hosts")
    with slow_mount.two_hosts(hosts, lat_us=3000) as mounts:
        machines = [
            Machine(mounts[number % 2].path, folder / f"racer-{number}", lock, more)
            for number in range(RACERS)
        ]
        racers = [machine.start() for machine in machines]
        ended: dict[int, float] = {}
        while len(ended) < RACERS:
            for number, racer in enumerate(racers):
                if number not in ended and racer.poll() is not None:
                    ended[number] = time.monotonic()
            time.sleep(0.02)
        said = [racer.communicate()[1] for racer in racers]
    installs = sum("proving" in text and "(by" not in text for text in said)
    yield Row(f"{RACERS} racers at 3 ms: installs", (float(installs),), "", "1")
    after = max(ended.values()) - min(ended.values())
    yield Row("  the last is ready after the first by", (after,), "s", "<= 10 s")


def drop_caches() -> None:
    """Forget what the kernel has read, where that is allowed."""
    os.sync()
    if os.geteuid() == 0:
        Path("/proc/sys/vm/drop_caches").write_text("3")


def base_python() -> str:
    """The Python that environments rest on."""
    return str(Path(sys.executable).resolve())


def new(folder: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
