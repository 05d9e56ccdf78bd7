"""The doctor's checks one by one: volumes, the hub's answers, the clock, the machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests import hub, machines
from volume import doctor, doctor_hub, doctor_storage, machine
from volume.doctor import Finding
from volume.models import Model

TOKEN = "hf_secretOfThisTest"
GATED = Model("diarization", "pyannote/gated", hub.COMMIT, 0)
T4 = machine.Gpu("T4", 15360 << 20, "570.86.15")
ACCEPT = "Accept the conditions on https://huggingface.co/pyannote/gated with "


@pytest.fixture
def model_hub() -> Iterator[hub.Hub]:
    with hub.running(hub.Hub(GATED.name, {"config.yaml": b"version: 4"})) as running:
        yield running


def test_volumes_that_are_less_than_they_seem(tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.mkdir()
    plain = doctor_storage.look(tmp_path, local, 10)
    assert doctor_storage.volume(plain) == Finding(
        "volume",
        "warning",
        f"{tmp_path} is a plain directory, no mount",
        "What is installed there is lost with the container. Attach a network volume to the "
        "endpoint.",
    )
    with machines.mounted("tmpfs", tmp_path / "full", "size=512k") as point:
        full = doctor_storage.look(point, local, 10)
        assert doctor_storage.writing(full, installed=False).state == "problem"
        assert doctor_storage.writing(full, installed=True) == Finding(
            "writing",
            "warning",
            f"{point}: there is no space left",
            "Enlarge the volume, or empty it with `python bootstrap.py --gc`.",
        )
        assert doctor_storage.space(full, point / "Parakeet", installed=False) == Finding(
            "space",
            "problem",
            f"{point}: 0.0 GB free by its own account, which shows no quota",
            "A new environment needs 10 GB, the models 3 GB. Enlarge the volume, or empty it with "
            "`python bootstrap.py --gc`.",
        )
    with machines.mounted("tmpfs", tmp_path / "ro", "", machines.READ_ONLY) as point:
        fixed = doctor_storage.look(point, local, 10)
        assert doctor_storage.volume(fixed).found == f"{point}: tmpfs, test, read-only"
        assert doctor_storage.writing(fixed, installed=False) == Finding(
            "writing",
            "warning",
            f"{point}: it is read-only; local disk, {local}: works",
            "What the volume has is used; what it lacks goes to local disk, at each cold start.",
        )
        nowhere = doctor_storage.look(point, point, 10)
        assert doctor_storage.writing(nowhere, installed=False).state == "problem"


def test_a_full_local_disk_is_a_problem(tmp_path: Path) -> None:
    with machines.mounted("tmpfs", tmp_path / "local", "size=1m") as local:
        storage = doctor_storage.look(tmp_path, local, 10)
        assert doctor_storage.local_disk(storage, installed=True).state == "ok"
        assert doctor_storage.local_disk(storage, installed=False).state == "warning"
        (local / "file").write_bytes(bytes(950 << 10))
        assert doctor_storage.local_disk(storage, installed=True) == Finding(
            "local disk",
            "problem",
            f"{local}: 0.0 of 0.0 GB free (7%)",
            "RunPod ends a worker with less than 10 % free. Give the container a larger disk.",
        )


def ask(running: hub.Hub, token: str | None, model: Model = GATED) -> Finding:
    answer = doctor_hub.ask(running.url, model, token, 10)
    return doctor_hub.model(model, answer, token=token, installed=False)


@pytest.mark.parametrize(
    ("status", "token", "found", "advice"),
    [
        (
            401,
            None,
            "HF_TOKEN is not set, and pyannote/gated needs one",
            ACCEPT + "a Hugging Face account, make a token that may read, and set HF_TOKEN.",
        ),
        (
            403,
            TOKEN,
            "the token in HF_TOKEN has no access to pyannote/gated (403)",
            ACCEPT + "the account of the token, or make a new token that may read it.",
        ),
        (
            404,
            TOKEN,
            "pyannote/gated is not on the hub at revision 0123456789ab",
            "Correct PARAKEET_DIARIZATION_MODEL and its revision.",
        ),
        (
            503,
            TOKEN,
            "the hub answered 503",
            "Try again later, or set PARAKEET_DIARIZATION_MODEL to a path that has the weights.",
        ),
    ],
)
def test_what_the_hub_refuses_is_told(
    model_hub: hub.Hub, status: int, token: str | None, found: str, advice: str
) -> None:
    model_hub.status = status
    assert ask(model_hub, token) == Finding(
        "speaker model",
        "problem",
        f"{found}: pyannote cannot be served (auto takes Sortformer instead)",
        advice,
    )


def test_a_model_without_that_file_can_be_read_all_the_same(model_hub: hub.Hub) -> None:
    model_hub.files = {"parakeet.nemo": b""}
    speech = Model("speech", GATED.name, GATED.revision, 0)
    assert ask(model_hub, None, speech).found == "pyannote/gated can be read without a token"


class Elsewhere(hub.Handler):
    """A hub whose clock is wrong and which redirects, as the real one does."""

    def do_GET(self) -> None:  # noqa: N802  the base class's
        if self.path.startswith("/renamed/"):
            super().do_GET()
        else:
            self.reply(307, b"", {"Location": f"{self.hub.url}/renamed{self.path}"})

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(1_000_000_000, usegmt=True)


@contextmanager
def redirecting(target: hub.Hub) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Elsewhere, target))
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_token_goes_to_no_other_host(model_hub: hub.Hub) -> None:
    with redirecting(model_hub) as front:
        answer = doctor_hub.ask(front, GATED, TOKEN, 10)
        assert answer.is_readable
        assert model_hub.requests == []
        # Another name on the same host is another matter.
        model_hub.url, model_hub.model = front, f"renamed/{GATED.name}"
        assert doctor_hub.ask(front, GATED, TOKEN, 10).status == 200
        assert model_hub.tokens == {f"Bearer {TOKEN}"}
        assert doctor_hub.clock(answer.ahead_s, 0.5).state == "warning"


@pytest.mark.parametrize(
    ("hub_ahead_s", "volume_ahead_s", "state", "found"),
    [
        (None, None, "warning", "there is nothing to compare it with"),
        (1.0, None, "ok", "the same as the hub's"),
        (-59.0, 0.0, "ok", "59 s ahead of the hub's, the same as the volume's"),
        (61.0, 0.0, "warning", "61 s behind the hub's, the same as the volume's"),
        (None, -3600.0, "warning", "3600 s ahead of the volume's"),
    ],
)
def test_the_clock(
    hub_ahead_s: float | None, volume_ahead_s: float | None, state: str, found: str
) -> None:
    finding = doctor_hub.clock(hub_ahead_s, volume_ahead_s)
    assert (finding.state, finding.found) == (state, found)


@pytest.mark.parametrize(
    ("finding", "state", "found"),
    [
        (doctor.python((3, 12, 4)), "ok", f"3.12.4 ({sys.executable})"),
        (doctor.python((3, 13, 0)), "problem", f"3.13.0 ({sys.executable})"),
        (doctor.driver("570.86.15", (12, 8), "auto"), "ok", "570.86.15, CUDA 12.8"),
        (doctor.driver("550.54.15", (12, 4), "auto"), "problem", "550.54.15, CUDA 12.4"),
        (doctor.driver(None, None, "cpu"), "ok", "none; PARAKEET_DEVICE is cpu"),
        (doctor.gpu((), "cpu", None), "warning", "not used: PARAKEET_DEVICE is cpu"),
        (doctor.gpu((T4,), "auto", "570.86.15"), "warning", "T4, 15.0 GiB"),
        (doctor.memory(6_000_000_000), "warning", "6.0 GB"),
    ],
)  # fmt: skip
def test_what_is_too_old_or_too_small(finding: Finding, state: str, found: str) -> None:
    assert (finding.state, finding.found) == (state, found)
    assert (finding.advice == "") == (state == "ok")


@pytest.mark.parametrize(
    ("variables", "state", "found", "advice"),
    [
        (["PATH", "PYTHONUNBUFFERED", "UV_CACHE_DIR", "UV_PYTHON_DOWNLOADS"], "ok", "none", ""),
        (["UV_LINK_MODE", "UV_INDEX_URL", "UV_DEFAULT_INDEX"], "ok", "none", ""),
        (["PYTHONDONTWRITEBYTECODE", "PIP_NO_CACHE_DIR"], "ok", "PIP_NO_CACHE_DIR, PYTHOND", ""),
        (["PYTHONPATH", "PYTHONHOME"], "warning", "PYTHONHOME, PYTHONPATH", "Unset PYTHONHOME and"),
        (["UV_PRERELEASE"], "warning", "UV_PRERELEASE", "Of uv's settings only those of indexes"),
    ],
)
def test_variables_that_interfere(
    variables: list[str], state: str, found: str, advice: str
) -> None:
    finding = doctor.variables(dict.fromkeys(variables, "value-of-it"))
    assert finding.state == state
    assert found in finding.found
    assert finding.advice.startswith(advice)
    assert "value-of-it" not in finding.found + finding.advice
