"""A model that is half there, or cannot be had; with the hub's own library."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hub import COMMIT, Hub, nemo_archive, running
from tests.small_environment import Machine, leavings, make_lock
from tests.volume_faults import (
    as_worker,
    end_bootstraps,  # noqa: F401  a fixture
    new_machine,
    start,
    with_more,
)
from tests.worker_process import wait_for

pytestmark = [pytest.mark.volume, pytest.mark.fault(16)]

NAME = "someone/some-model"
MANY_BYTES = 12 << 20
"""More than the 10 MiB that huggingface_hub writes at once."""
WEIGHTS = nemo_archive(os.urandom(1000))


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running(Hub(NAME, {"some.nemo": WEIGHTS})) as hub:
        yield hub


@pytest.fixture
def machine(hub: Hub, tmp_path: Path) -> Machine:
    """One that takes its speech model from the hub, and has a models' environment already."""
    return new_machine(
        tmp_path / "machine",
        make_lock(tmp_path / "wheels"),
        PARAKEET_ENGINE_PYTHON=sys.executable,
        PARAKEET_ASR_MODEL=NAME,
        PARAKEET_ASR_REVISION=COMMIT,
        HF_ENDPOINT=hub.url,
        NO_PROXY="127.0.0.1",
    )


def model(machine: Machine) -> Path:
    """Where it is on the volume."""
    return machine.home / "models" / f"{NAME.replace('/', '--')}-{COMMIT}"


def weights(machine: Machine) -> bytes:
    """What an engine would load."""
    return (model(machine) / "some.nemo").read_bytes()


def problem(machine: Machine) -> str:
    """What a bootstrap that cannot have the model says of it."""
    done = machine.run()
    assert done.returncode == 1
    assert 'bootstrap.py", line' not in done.stderr, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("problem: ")]
    return line


def break_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("gone")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "its weights are cut short": lambda folder: (folder / "some.nemo").write_bytes(WEIGHTS[:-1]),
    "its manifest is missing": lambda folder: (folder / ".ready.json").unlink(),
    "its manifest is nonsense": lambda folder: (folder / ".ready.json").write_text('{"files": 1}'),
    "its weights are a broken link": lambda folder: break_link(folder / "some.nemo"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_model_that_is_half_there_is_downloaded_anew(
    machine: Machine, hub: Hub, damage: str
) -> None:
    assert machine.run().returncode == 0
    DAMAGE[damage](model(machine))
    hub.requests.clear()
    assert machine.run().returncode == 0
    assert weights(machine) == WEIGHTS
    assert any(request.endswith("some.nemo") for request in hub.requests)
    hub.requests.clear()
    assert machine.run().returncode == 0
    assert hub.requests == [], "and what is whole is left alone"


def test_a_killed_download_is_swept_and_done_anew(machine: Machine, hub: Hub) -> None:
    hub.files["some.nemo"] = nemo_archive(bytes(MANY_BYTES))
    hub.stall_after_bytes = MANY_BYTES - (1 << 20)
    killed = start(machine)
    incomplete = "staging-*/.cache/huggingface/download/*.incomplete"
    half = f".install/*/{incomplete}"
    wait_for("half a download", lambda: list(machine.home.glob(half)), 60)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not model(machine).exists()
    hub.stall_after_bytes = None
    assert machine.run().returncode == 0
    assert weights(machine) == hub.files["some.nemo"]
    assert leavings(machine) == []


REFUSALS = {
    401: "the hub has no such model, or it is private or gated",
    403: "accept the conditions on",
    429: "the hub answered with status 429",
    503: "the hub answered with status 503",
}


def refused_and_had_later(machine: Machine, hub: Hub) -> None:
    """A model that the hub refuses, until it does no more."""
    text = REFUSALS[hub.status]
    assert text in problem(machine)
    hub.requests.clear()
    assert text in as_worker(machine)["error"], "and no worker asks again for a minute"
    assert hub.requests == []
    assert not model(machine).exists()
    assert leavings(machine) == []
    hub.status = 200
    assert machine.run().returncode == 0
    assert weights(machine) == WEIGHTS


def test_what_the_hub_refuses_is_said_and_had_later(machine: Machine, tmp_path: Path) -> None:
    # All at once: the hub's library is patient with some of these.
    with ExitStack() as stack, ThreadPoolExecutor(len(REFUSALS)) as pool:
        trying = []
        for status in REFUSALS:
            hub = stack.enter_context(running(Hub(NAME, {"some.nemo": WEIGHTS}, status=status)))
            one = with_more(new_machine(tmp_path / str(status), machine.lock), **machine.more)
            one = with_more(one, HF_ENDPOINT=hub.url)
            trying.append(pool.submit(refused_and_had_later, one, hub))
        for each in trying:
            each.result()


def test_a_model_that_is_missing_is_said_where_downloads_are_forbidden(
    machine: Machine, hub: Hub
) -> None:
    offline = with_more(machine, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE forbids download" in problem(offline)
    assert hub.requests == []
    assert machine.run().returncode == 0
    hub.requests.clear()
    assert offline.run().returncode == 0, "and what is there is taken"
    assert hub.requests == []


def put_into_runpods_cache(machine: Machine, content: bytes) -> Path:
    """The model as RunPod's cache holds it; its blob."""
    repository = machine.volume / "huggingface-cache" / "hub" / f"models--{NAME.replace('/', '--')}"
    blob = repository / "blobs" / hashlib.sha256(WEIGHTS).hexdigest()
    blob.parent.mkdir(parents=True)
    blob.write_bytes(content)
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "some.nemo").symlink_to(Path("../../blobs") / blob.name)
    return blob


def test_runpods_cache_is_used_where_it_is_whole(machine: Machine, hub: Hub) -> None:
    blob = put_into_runpods_cache(machine, WEIGHTS)
    assert machine.run().returncode == 0
    assert hub.requests == []
    assert not model(machine).exists()
    blob.unlink()
    assert machine.run().returncode == 0, "and where a link in it is broken, it is not"
    assert weights(machine) == WEIGHTS


@pytest.mark.parametrize("content", [b"", WEIGHTS[:-1], b"x" + WEIGHTS[1:]])
def test_runpods_cache_is_not_used_where_it_is_damaged(machine: Machine, content: bytes) -> None:
    put_into_runpods_cache(machine, content)
    assert machine.run().returncode == 0
    assert weights(machine) == WEIGHTS
