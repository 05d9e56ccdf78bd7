"""How much memory a pass may take: the machine's, or the container's share of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.faults import is_poisonous
from engine.memory import free_bytes
from tests.test_cores import machine

MEMINFO = {"proc/meminfo": "MemTotal: 64000000 kB\nMemAvailable:   32000000 kB\n"}
GROUP = "sys/fs/cgroup"
GB = 10**9


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 32_768_000_000),
        (
            {
                f"{GROUP}/memory.max": f"{8 * GB}\n",
                f"{GROUP}/memory.current": f"{5 * GB}\n",
                f"{GROUP}/memory.stat": f"anon 1\ninactive_file {GB}\n",
            },
            4 * GB,
        ),
        (
            {
                f"{GROUP}/memory.max": "max\n",
                f"{GROUP}/memory.current": "1\n",
                f"{GROUP}/memory.stat": "inactive_file 0\n",
            },
            32_768_000_000,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/box\n",
                f"{GROUP}/memory/box/memory.limit_in_bytes": f"{2 * GB}\n",
                f"{GROUP}/memory/box/memory.usage_in_bytes": f"{GB}\n",
                f"{GROUP}/memory/box/memory.stat": "total_inactive_file 5\n",
            },
            GB + 5,
        ),
        (
            {
                f"{GROUP}/memory.max": f"{GB}\n",
                f"{GROUP}/memory.current": f"{2 * GB}\n",
                f"{GROUP}/memory.stat": "",
            },
            0,
        ),
    ],
)
def test_the_containers_share_counts(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    root = machine(tmp_path, {"proc/self/cgroup": "0::/\n", **MEMINFO, **files})
    assert free_bytes("cpu", root) == expected


def test_without_procfs_half_of_the_machine_is_assumed(tmp_path: Path) -> None:
    assert free_bytes("cpu", tmp_path) > 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CUDA error: an illegal memory access was encountered", True),
        ("CUDA error: device-side assert triggered", True),
        ("The size of tensor a (3) must match the size of tensor b (4)", False),
    ],
)
def test_after_a_cuda_error_the_process_is_of_no_use(text: str, expected: bool) -> None:
    assert is_poisonous(RuntimeError(text)) is expected
    assert not is_poisonous(ValueError(text))
