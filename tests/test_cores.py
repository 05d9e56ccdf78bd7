"""How many processors the models may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from engine.cores import Cores, available

ALL = len(os.sched_getaffinity(0))


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ALL),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, ALL),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "20000 100000\n"}, 1),
        # The limit stands above the group that the process is in.
        ({"proc/self/cgroup": "0::/pod/box\n", "sys/fs/cgroup/pod/cpu.max": "50000 100000\n"}, 1),
        # The path is the host's, and the container's own group is mounted at the root.
        ({"proc/self/cgroup": "0::/../../pod\n", "sys/fs/cgroup/cpu.max": "90000 100000\n"}, 1),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/box\n2:memory:/box\n",
                "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "80000\n",
                "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
            },
            1,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/box\n",
                "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
            },
            ALL,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "nonsense\n"}, ALL),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "6400000 100000\n"}, ALL),
    ],
)
def test_the_containers_share_counts(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    assert available(machine(tmp_path, files)) == expected


def test_lanes_at_work_share_the_threads() -> None:
    before = torch.get_num_threads()
    cores = Cores(8)
    try:
        with cores.at_work():
            cores.take_share()
            assert torch.get_num_threads() == 8
            with cores.at_work():
                cores.take_share()
                assert torch.get_num_threads() == 4
            cores.take_share()
            assert torch.get_num_threads() == 8
    finally:
        torch.set_num_threads(before)


def test_idle_is_the_time_in_which_no_lane_works() -> None:
    cores = Cores(1)
    with cores.at_work():
        first_s = cores.idle_s()
        assert cores.idle_s() == first_s
        with cores.at_work():
            pass
        assert cores.idle_s() == first_s
    while cores.idle_s() == first_s:  # a moment at rest counts
        pass
