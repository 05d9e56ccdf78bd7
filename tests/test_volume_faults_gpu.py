"""GPUs and drivers that cannot be used: said at once, and nothing is installed for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import worker_process
from tests.control_plane_state import Rules
from tests.machines import put_program
from tests.small_environment import Machine, make_lock
from tests.volume_faults import as_worker, new_machine, with_more
from tests.volume_workers import REQUEST, engines, failed, worker
from tests.worker_process import Endpoint

pytestmark = [pytest.mark.volume, pytest.mark.fault(18)]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with worker_process.endpoint(Rules(lease_s=120)) as endpoint:
        yield endpoint


OLD_DRIVER = "echo 'NVIDIA L4, 23034, 535.104.05'"
NEW_DRIVER = "echo 'NVIDIA L4, 23034, 580.65.06'"


def with_gpu(machine: Machine, device: str, nvidia_smi: str) -> Machine:
    """A machine whose driver's program says this."""
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this machine has an NVIDIA driver of its own")
    programs = put_program(machine.disk / "bin", "nvidia-smi", nvidia_smi).parent
    path = f"{programs}:{machine.variables['PATH']}"
    return with_more(machine, PATH=path, PARAKEET_DEVICE=device)


@pytest.mark.parametrize(
    ("device", "nvidia_smi", "text"),
    [
        ("auto", OLD_DRIVER, "The NVIDIA driver is 535.104.05"),
        ("cuda", OLD_DRIVER, "needs 570 or newer"),
        ("cuda", "echo 'No devices were found'; exit 6", "this machine shows no GPU"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_said_before_anything_is_installed(
    tmp_path: Path, device: str, nvidia_smi: str, text: str
) -> None:
    machine = new_machine(tmp_path / "machine", make_lock(tmp_path / "wheels"))

    refused = as_worker(with_gpu(machine, device, nvidia_smi))
    assert refused["error_code"] == "gpu_unusable"
    assert text in refused["error"]
    assert not machine.home.exists()
    assert "python" in as_worker(with_gpu(machine, device, NEW_DRIVER))
    assert machine.works()


def test_jobs_are_told_that_the_driver_is_too_old(endpoint: Endpoint, tmp_path: Path) -> None:
    machine = new_machine(tmp_path / "machine", make_lock(tmp_path / "wheels"))
    with worker(endpoint, with_gpu(machine, "auto", OLD_DRIVER)) as process:
        for _ in range(2):
            output = failed(endpoint, endpoint.run(REQUEST))
            assert output["error_code"] == "gpu_unusable"
            assert output["retryable"] is True
            assert "CUDA versions to 12.8" in output["message"]
        assert engines(process) == []
    assert not machine.home.exists()
