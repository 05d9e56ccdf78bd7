"""Parts that many tests share, because their start takes long.

What they need is imported when they are used: most tests need none of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

# How fast the machine is must not decide whether a test passes.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# As for the engine (utils/engine_process.py); before anything imports torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from tests.demo_worker import DemoWorker
    from tests.http_server import LocalServer
    from tests.s3_server import Bucket


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    """An S3 server with one bucket."""
    from tests.s3_server import s3_bucket

    with s3_bucket() as bucket:
        yield bucket


@pytest.fixture(scope="session")
def receiver() -> Iterator[LocalServer]:
    """A caller's own server: it takes results and calls."""
    from tests.http_server import serve

    with serve() as server:
        yield server


@pytest.fixture(scope="session")
def shared_worker(
    bucket: Bucket, receiver: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoWorker]:
    """A worker with the demo models that no test ends or breaks. Its engine may be restarted."""
    from tests import demo_worker, worker_process
    from tests.control_plane_state import Rules

    limit = str(demo_worker.SYNC_RESULT_LIMIT_BYTES)
    more = {
        **bucket.worker_variables(),
        "PARAKEET_ALLOWED_PRIVATE_HOSTS": f"{bucket.host} {receiver.host}",
        "PARAKEET_MAX_SYNC_RESULT_BYTES": limit,
        # So short that a job that waits outlasts it once it is cancelled: the engine must not be
        # killed for that, under the job that runs.
        "PARAKEET_ENGINE_CANCEL_TIMEOUT_S": "0.5",
    }
    directory = tmp_path_factory.mktemp("shared-worker")
    # Of a silent worker the jobs go to the next one. Here none comes, and a busy machine is silent.
    with (
        worker_process.endpoint(Rules(lease_s=120)) as endpoint,
        demo_worker.demo_worker(endpoint, "shared", directory, more) as worker,
    ):
        yield worker


@pytest.fixture(scope="session")
def long_recording(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The key of a recording in the bucket that keeps the engine busy for a while."""
    from tests.demo_worker import repeat_conversation

    path = repeat_conversation(tmp_path_factory.mktemp("long") / "long.flac", times=4)
    bucket.put("long.flac", path.read_bytes())
    return "long.flac"
