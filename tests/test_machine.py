"""What this machine is: with programs on the PATH, files in /proc's form, and real mounts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import machines
from tests.environments import ROOT
from tests.machines import put_program
from tests.worker_process import wait_for
from volume import machine
from volume.machine import Gpu

CLOSED_DRIVER = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
    "GCC version:  gcc version 12.3.0 (Debian 12.3.0-1)\n"
)
OPEN_DRIVER = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (builder)\n"
    "GCC version:  gcc version 12.3.0 (Debian 12.3.0-1)\n"
)
TOO_OLD = (
    "The NVIDIA driver is {}; the models' environment (CUDA 12.8) needs 570 or newer. Set the "
    "endpoint's allowed CUDA versions to 12.8 and higher."
)
NO_GPU = (
    "PARAKEET_DEVICE is cuda, but this machine shows no GPU. Choose a GPU for the endpoint, or "
    "start the container with --gpus all."
)
MOUNTS = r"""
27 1 254:0 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b
40 27 0:50 / /runpod-volume rw,relatime shared:1 master:2 - fuse mfs#host:9421 rw,user_id=0
41 27 0:51 / /with\040space\134 ro,nosuid - nfs4 server:/x\040y rw
42 27 0:52 / /twice rw - ext4 /dev/first rw
43 27 0:53 / /twice rw - tmpfs second rw
44 27 0:54 / /bare rw - tmpfs  rw
45 27 nonsense
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc without a driver."""
    (tmp_path / "proc" / "self").mkdir(parents=True)
    return tmp_path / "proc"


def put_driver(proc: Path, text: str) -> None:
    (proc / "driver" / "nvidia").mkdir(parents=True)
    (proc / "driver" / "nvidia" / "version").write_text(text)


def test_gpus_are_what_nvidia_smi_shows(programs: Path) -> None:
    put_program(
        programs,
        "nvidia-smi",
        'test "$*" = "--query-gpu=name,memory.total,driver_version --format=csv,noheader,nounits"'
        " || exit 2\n"
        "echo 'NVIDIA L4, 23034, 570.86.15'\n"
        "echo 'NVIDIA GB10, [N/A], 580.95.05'\n"
        "echo 'Odd, with a comma, [Not Supported], 580.95.05'",
    )
    assert machine.gpus() == (
        Gpu("NVIDIA L4", 23034 << 20, "570.86.15"),
        Gpu("NVIDIA GB10", 0, "580.95.05"),
        Gpu("Odd, with a comma", 0, "580.95.05"),
    )


@pytest.mark.parametrize("script", [None, "echo 'No devices were found'; exit 6", "exit 0"])
def test_no_gpus_where_nvidia_smi_is_not_there_or_fails(programs: Path, script: str | None) -> None:
    if script is not None:
        put_program(programs, "nvidia-smi", script)
    assert machine.gpus() == ()


def test_a_program_that_does_not_end_is_left_behind(tmp_path: Path) -> None:
    sleeper = put_program(tmp_path / "bin", "sleeper", "echo begun; exec sleep 60")
    assert machine.run_bounded([str(sleeper)], 0.2) == (None, "")
    assert machine.run_bounded([str(tmp_path / "nothing")], 0.2) == (None, "")


@pytest.mark.parametrize(
    ("text", "version"),
    [(CLOSED_DRIVER, "535.104.05"), (OPEN_DRIVER, "570.86.15"), ("something else\n", None)],
)
def test_the_kernel_tells_the_driver(
    programs: Path, proc: Path, text: str, version: str | None
) -> None:
    put_driver(proc, text)
    assert machine.driver_version(proc) == version


def test_nvidia_smi_tells_the_driver_where_the_kernel_does_not(programs: Path, proc: Path) -> None:
    assert machine.driver_version(proc) is None
    put_program(programs, "nvidia-smi", "echo 'NVIDIA L4, 23034, 565.57.01'")
    assert machine.driver_version(proc) == "565.57.01"


@pytest.mark.parametrize(
    ("driver", "script", "device", "problem"),
    [
        (None, None, "auto", None),
        (None, None, "cpu", None),
        (None, None, "cuda", NO_GPU),
        (OPEN_DRIVER, "echo 'NVIDIA L4, 23034, 570.86.15'", "cuda", None),
        # Without nvidia-smi a driver says nothing of GPUs: the engine finds out.
        (OPEN_DRIVER, None, "cuda", None),
        (OPEN_DRIVER, "exit 6", "auto", None),
        (CLOSED_DRIVER, None, "cpu", None),
        (CLOSED_DRIVER, None, "auto", TOO_OLD.format("535.104.05")),
        (None, "echo 'L4, 23034, 565.57.01'", "cuda", TOO_OLD.format("565.57.01")),
    ],
)
def test_a_gpu_that_cannot_be_used_is_told(
    programs: Path,
    proc: Path,
    driver: str | None,
    script: str | None,
    device: str,
    problem: str | None,
) -> None:
    if driver:
        put_driver(proc, driver)
    if script:
        put_program(programs, "nvidia-smi", script)
    assert machine.gpu_problem(device, proc) == problem


def test_a_gpu_that_nvidia_smi_does_not_show_is_missed(programs: Path, proc: Path) -> None:
    put_driver(proc, OPEN_DRIVER)
    put_program(programs, "nvidia-smi", "exit 6")
    assert "shows no GPU" in (machine.gpu_problem("cuda", proc) or "")


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler for a libcuda")
@pytest.mark.parametrize(("status", "api"), [(0, [12, 8]), (34, None)])
def test_the_drivers_own_library_tells_its_cuda(
    tmp_path: Path, status: int, api: list[int] | None
) -> None:
    source = f"int cuDriverGetVersion(int *version) {{ *version = 12080; return {status}; }}"
    build = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(tmp_path / "libcuda.so.1")]
    subprocess.run(build, input=source, text=True, check=True)
    code = "import json; from volume import machine; print(json.dumps(machine.cuda_driver_api()))"
    variables = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    told = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=variables)
    assert json.loads(told) == api


def test_the_mount_of_a_path_is_the_longest_and_last(tmp_path: Path, proc: Path) -> None:
    (proc / "self" / "mountinfo").write_text(MOUNTS)
    found = machine.mount_of(Path("/runpod-volume/Parakeet/not/there"), proc)
    assert found == machine.Mount(
        Path("/runpod-volume"), "fuse", "mfs#host:9421", ("rw", "relatime", "rw", "user_id=0")
    )
    spaced = machine.mount_of(Path("/with space\\/x"), proc)
    assert spaced is not None
    assert (spaced.device, spaced.options) == ("server:/x y", ("ro", "nosuid", "rw"))
    for path, device in {"/twice/x": "second", "/twicer": "overlay", "/bare": ""}.items():
        mount = machine.mount_of(Path(path), proc)
        assert mount is not None
        assert mount.device == device
    link = tmp_path / "link"
    link.symlink_to("/runpod-volume")
    assert machine.is_own_mount(link / "Parakeet", proc)
    assert not machine.is_own_mount(Path("/runpod-volumes"), proc)
    assert machine.mount_of(Path("/"), proc / "nothing") is None


def test_a_real_mount_is_told_from_a_plain_folder(tmp_path: Path) -> None:
    assert machine.is_own_mount(Path("/proc/self"))
    with machines.mounted("tmpfs", tmp_path / "a volume", "size=1m") as volume:
        mount = machine.mount_of(volume / "Parakeet")
        assert mount is not None
        assert (mount.point, mount.kind) == (volume, "tmpfs")
        assert machine.is_own_mount(volume)


@pytest.mark.parametrize(
    ("group", "limits", "expected"),
    [
        ("0::/", {}, 16_000 << 10),
        ("0::/", {"memory.max": "max"}, 16_000 << 10),
        ("0::/", {"memory.max": "1000000"}, 1_000_000),
        ("0::/", {"memory.max": str(1 << 60)}, 16_000 << 10),
        ("0::/pod/worker", {"pod/memory.max": "900", "pod/worker/memory.max": "1000"}, 900),
        # A container that sees the host's path of its cgroup, which is its own root.
        ("0::/docker/abc", {"memory.max": "1000000"}, 1_000_000),
        ("4:cpu,memory:/a\n0::/", {"memory/a/memory.limit_in_bytes": "2000"}, 2000),
        ("4:cpu:/a", {"memory/a/memory.limit_in_bytes": "2000"}, 16_000 << 10),
    ],
)
def test_memory_is_the_lowest_limit(
    tmp_path: Path, proc: Path, group: str, limits: dict[str, str], expected: int
) -> None:
    (proc / "meminfo").write_text("MemTotal:       16000 kB\nMemFree:  1 kB\n")
    (proc / "self" / "cgroup").write_text(group + "\n")
    for name, limit in limits.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(limit + "\n")
    assert machine.memory_bytes(proc, tmp_path / "cgroup") == expected


def test_free_space_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    with machines.mounted("tmpfs", tmp_path / "volume", "size=4m") as volume:
        assert machine.free_bytes(volume / "Parakeet" / "venvs") == 4 << 20


def test_a_write_test_leaves_nothing_behind(tmp_path: Path) -> None:
    assert machine.write_test(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_written_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert machine.write_test(tmp_path / "nothing") == machine.MISSING
    assert machine.write_test(tmp_path / "file") == machine.MISSING
    assert machine.write_test(Path("/sys/kernel")) in (machine.NO_PERMISSION, machine.READ_ONLY)


def test_volumes_that_cannot_be_written_are_told_apart(tmp_path: Path) -> None:
    with machines.mounted("tmpfs", tmp_path / "read-only", "", machines.READ_ONLY) as volume:
        assert machine.write_test(volume) == machine.READ_ONLY
    with machines.mounted("tmpfs", tmp_path / "full", "size=512k") as volume:
        assert machine.write_test(volume) == machine.NO_SPACE
        assert list(volume.iterdir()) == []


def test_nobody_waits_for_a_volume_that_hangs(tmp_path: Path) -> None:
    this = psutil.Process()
    before = set(this.children())
    with machines.hanging(tmp_path / "volume") as volume:
        assert machine.write_test(volume, 1) == "it did not answer within 1 s"
    # What hung there is collected once the volume is gone, and not before.
    wait_for("the end of the test's process", lambda: set(this.children()) <= before, 30)
