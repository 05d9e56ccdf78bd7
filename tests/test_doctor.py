"""What the doctor says: run by a bare Python against real folders, programs and a real hub."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests import hub, machines
from tests.environments import ROOT
from tests.machines import put_program
from volume import doctor
from volume.doctor import Finding
from volume.models import Model

BARE_PYTHON = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
TOKEN = "hf_secretOfThisTest"
SECRETS = {
    "HF_TOKEN": TOKEN,
    "S3_ACCESS_KEY": "access-of-this-test",
    "S3_SECRET_KEY": "secret-of-this-test",
    "PIP_INDEX_URL": "https://user:password-of-this-test@example.org/simple",
}
GATED = Model("diarization", "pyannote/gated", hub.COMMIT, 0)

EXAMINE = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
import json
from pathlib import Path
import config
from volume import doctor
findings = doctor.examine(
    volume=config.VOLUME_DIR, home=config.HOME_DIR, local_home=config.LOCAL_HOME_DIR,
    device=config.DEVICE, installed=len(sys.argv) > 2, timeout_s=2, proc=Path(sys.argv[1]),
)
print(json.dumps([doctor.as_json(findings), doctor.as_text(findings)]))
"""


def examine(
    tmp_path: Path, variables: Mapping[str, str], *arguments: str
) -> tuple[dict[str, dict[str, str]], str]:
    """The findings by name, and the text, of a bare Python with these variables and no others."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "local").mkdir(exist_ok=True)
    proc = tmp_path / "proc"  # as on this machine, but without a driver that it may have
    proc.mkdir(exist_ok=True)
    for name in ("self", "meminfo"):
        if not (proc / name).exists():
            (proc / name).symlink_to(Path("/proc") / name)
    done = subprocess.run(
        [BARE_PYTHON, "-I", "-S", "-c", EXAMINE, proc, *arguments],
        env={
            "PATH": str(tmp_path / "bin"),
            "PARAKEET_VOLUME": str(tmp_path / "volume"),
            "PARAKEET_LOCAL_HOME": str(tmp_path / "local"),
            "HF_ENDPOINT": "http://127.0.0.1:9",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stderr == ""
    findings, text = json.loads(done.stdout)
    return {finding["name"]: finding for finding in findings}, text


def states(findings: Mapping[str, Mapping[str, str]], wanted: str) -> set[str]:
    return {name for name, finding in findings.items() if finding["state"] == wanted}


@pytest.fixture
def model_hub() -> Iterator[hub.Hub]:
    with hub.running(hub.Hub(GATED.name, {"config.yaml": b"version: 4"})) as running:
        yield running


def put_sound_programs(folder: Path) -> None:
    put_program(folder, "nvidia-smi", "echo 'NVIDIA L4, 23034, 570.86.15'")
    put_program(folder, "uv", "echo 'uv 0.13.8 (abc 2026-01-01)'")
    put_program(folder, "ffmpeg", "echo 'ffmpeg version 5.1.6-0+deb12u1 Copyright (c)'")


def test_a_machine_with_nothing_hears_what_production_needs(tmp_path: Path) -> None:
    findings, text = examine(tmp_path, {})
    assert states(findings, "problem") >= {
        "driver", "GPU", "uv", "ffmpeg", "speech model", "speaker model",
    }  # fmt: skip
    assert findings["volume"] == {
        "name": "volume",
        "state": "warning",
        "found": f"{tmp_path}/volume is not there",
        "advice": "Attach a network volume to the endpoint. Without one, local disk is used and "
        "all is fetched anew at every cold start.",
    }
    assert findings["writing"]["found"] == f"local disk, {tmp_path}/local: works"
    assert findings["GPU"]["advice"] == (
        "Production needs an NVIDIA GPU of 24 GB or more. Choose a GPU for the endpoint, or start "
        "the container with --gpus all."
    )
    assert findings["speaker model"]["found"] == (
        "HF_TOKEN is not set, and 127.0.0.1 cannot be reached (Connection refused): pyannote "
        "cannot be served (auto takes Sortformer instead)"
    )
    assert findings["speaker model"]["advice"].startswith(
        "Accept the conditions on https://huggingface.co/pyannote/speaker-diarization-community-1 "
        "with a Hugging Face account, make a token that may read, and set HF_TOKEN. Check the"
    )
    assert "PROBLEM  GPU            none\n" in text


def test_a_sound_machine_has_nothing_to_say(tmp_path: Path, model_hub: hub.Hub) -> None:
    put_sound_programs(tmp_path / "bin")
    variables = {
        **SECRETS,
        "HF_ENDPOINT": model_hub.url,
        "PARAKEET_ASR_MODEL": GATED.name,
        "PARAKEET_ASR_REVISION": GATED.revision,
        "PARAKEET_DIARIZATION_MODEL": GATED.name,
        "PARAKEET_DIARIZATION_REVISION": GATED.revision,
        "S3_ENDPOINT": "https://s3.example.org",
        "S3_BUCKET": "recordings",
    }
    del variables["PIP_INDEX_URL"]
    with machines.mounted("tmpfs", tmp_path / "volume", "size=14g") as volume:
        findings, _ = examine(tmp_path, variables)
    expected = {
        "volume": f"{volume}: tmpfs, test",
        "writing": f"{volume}: works",
        "space": f"{volume}: 15.0 GB free by its own account, which shows no quota",
        "uv": f"0.13.8 ({tmp_path}/bin/uv)",
        "GPU": "NVIDIA L4, 22.5 GiB",
        "ffmpeg": f"5.1.6-0+deb12u1 ({tmp_path}/bin/ffmpeg)",
        "speaker model": "pyannote/gated can be read with a token",
        "clock": "the same as the hub's, the same as the volume's",
        "variables": "none that would change the models' environment",
        "S3": "configured",
    }
    assert {name: findings[name]["found"] for name in expected} == expected
    # The disk and memory of whatever machine runs this test are its own.
    assert states(findings, "ok") >= set(findings) - {"local disk", "memory"}
    assert model_hub.tokens == {f"Bearer {TOKEN}"}


def test_no_secret_is_told(tmp_path: Path, model_hub: hub.Hub) -> None:
    model_hub.status = 403
    variables = {**SECRETS, "HF_ENDPOINT": model_hub.url, "S3_BUCKET": "b"}
    findings, text = examine(tmp_path, variables)
    for secret in SECRETS.values():
        assert secret not in text
    assert "password-of-this-test" not in text
    assert findings["S3"]["found"] == "not set: S3_ENDPOINT"
    assert findings["variables"] == {
        "name": "variables",
        "state": "warning",
        "found": "kept out of the models' environment: PIP_INDEX_URL",
        "advice": "pip's settings are not read: name a package index in UV_DEFAULT_INDEX.",
    }
    # Answers of servers and libraries repeat what they were sent.
    for bad in (
        {"HF_TOKEN": f"{TOKEN}\nx: y"},
        {"HF_ENDPOINT": f"http://u:{TOKEN}@[x"},
        {"HF_ENDPOINT": f"http://u:{TOKEN}@127.0.0.1:9"},
    ):
        findings, text = examine(tmp_path, {**variables, **bad})
        assert findings["speech model"]["state"] == "problem"
        assert TOKEN not in text


def test_an_installed_worker_needs_no_hub(tmp_path: Path) -> None:
    findings, _ = examine(tmp_path, {"HF_HUB_OFFLINE": "1"}, "installed")
    assert findings["speaker model"]["state"] == "warning"
    assert findings["speaker model"]["found"] == (
        "pyannote/speaker-diarization-community-1: HF_HUB_OFFLINE forbids the download; it is "
        "there already"
    )
    assert findings["uv"]["state"] == "warning"


def test_models_of_the_operator_are_looked_for(tmp_path: Path) -> None:
    (tmp_path / "own.nemo").write_text("")
    variables = {
        "PARAKEET_ASR_MODEL": str(tmp_path / "own.nemo"),
        "PARAKEET_DIARIZATION_MODEL": str(tmp_path),
    }
    findings, _ = examine(tmp_path, variables)
    assert findings["speech model"]["state"] == "ok"
    assert findings["speech model"]["found"] == f"{tmp_path}/own.nemo, a local path"
    assert findings["speaker model"]["found"] == (
        f"{tmp_path}, a local path, is not there: pyannote cannot be served "
        "(auto takes Sortformer instead)"
    )


def test_nobody_waits_for_a_volume_that_hangs(tmp_path: Path) -> None:
    with machines.hanging(tmp_path / "volume") as volume:
        findings, _ = examine(tmp_path, {})
    assert findings["volume"]["state"] == findings["writing"]["state"] == "problem"
    assert findings["writing"]["found"] == f"{volume}: it did not answer within 2 s"
    assert findings["space"]["found"] == "not known: the volume does not answer"


def test_the_table() -> None:
    findings: list[Finding] = [
        Finding("GPU", "problem", "none", "Choose one."),
        Finding("local disk", "ok", "word " * 20),
    ]
    assert doctor.as_text(findings).splitlines() == [
        "PROBLEM  GPU         none",
        "                     -> Choose one.",
        "ok       local disk  " + " ".join(["word"] * 16),
        "                     word word word word",
        "",
        "problems: 1, warnings: 0, ok: 1",
    ]
    assert doctor.as_json(findings)[0] == {
        "name": "GPU", "state": "problem", "found": "none", "advice": "Choose one.",
    }  # fmt: skip
