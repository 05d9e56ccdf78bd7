"""Where weights come from: paths, and a hub on this machine in the place of the real one.

The hub's library reads its address at import, so each download runs in a process of its own.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest

from engine.checksums import KNOWN_SHA256, SUMS_FILE, sha256
from engine.weights import diarization_directory, speech_checkpoint
from speech.errors import EngineError
from speech.protocol import EngineSettings
from tests.hub import COMMIT, Hub, running

ROOT = Path(__file__).resolve().parent.parent
MODEL = "someone/some-model"
COMMUNITY_1, COMMUNITY_1_REVISION = next(iter(KNOWN_SHA256))

SCRIPT = """
import json, sys
from engine import weights
from speech.errors import WorkerError
from speech.protocol import settings_from_dict
which, settings = json.load(sys.stdin)
try:
    print(json.dumps({"path": str(getattr(weights, which)(settings_from_dict(settings)))}))
except WorkerError as error:
    answer = {"code": error.code, "message": error.message, "retryable": error.retryable}
    print(json.dumps(answer))
"""


@dataclass(frozen=True)
class Answer:
    path: str = ""
    code: str = ""
    message: str = ""
    retryable: bool = False


def fetch(which: str, settings: EngineSettings, endpoint: str) -> Answer:
    """Call a function of engine.weights in a new process, with this address as the hub."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(Path(settings.models_dir) / "hf"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_ETAG_TIMEOUT": "5",
        "NO_PROXY": "127.0.0.1",
    }
    environment.pop("HF_HUB_OFFLINE", None)
    environment.pop("HF_TOKEN", None)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([which, asdict(settings)]),
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Answer(**json.loads(done.stdout))


def archive(content: bytes = b"weights") -> bytes:
    """A tar file, which is what a .nemo file is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        member = tarfile.TarInfo("model_weights.ckpt")
        member.size = len(content)
        file.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def settings(tmp_path: Path) -> EngineSettings:
    return EngineSettings(
        asr_model=MODEL,
        asr_revision=COMMIT,
        diarization_model=MODEL,
        diarization_revision=COMMIT,
        models_dir=str(tmp_path / "models"),
        hf_token=None,
        offline=False,
        device="cpu",
        threads=1,
    )


@pytest.fixture
def speech_hub() -> Iterator[Hub]:
    with running(Hub(MODEL, {"README.md": b"read me", "some.nemo": archive()})) as hub:
        yield hub


@pytest.fixture
def closed_port() -> str:
    """An address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


# ---------------------------------------------------------------- paths


def test_a_nemo_file_is_taken_as_it_is(settings: EngineSettings, tmp_path: Path) -> None:
    checkpoint = tmp_path / "mine.nemo"
    checkpoint.write_bytes(archive())
    assert speech_checkpoint(replace(settings, asr_model=str(checkpoint))) == checkpoint


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_that_is_no_archive_is_refused(
    settings: EngineSettings, tmp_path: Path, content: bytes
) -> None:
    checkpoint = tmp_path / "mine.nemo"
    checkpoint.write_bytes(content)
    with pytest.raises(EngineError, match=r"mine\.nemo is no NeMo checkpoint") as caught:
        speech_checkpoint(replace(settings, asr_model=str(checkpoint)))
    assert caught.value.code == "model_unavailable"


@pytest.mark.parametrize("name", ["missing.nemo", "models/missing.nemo"])
def test_a_missing_file_is_named_without_its_folder(
    settings: EngineSettings, tmp_path: Path, name: str
) -> None:
    with pytest.raises(EngineError, match=r"there is no file missing\.nemo$") as caught:
        speech_checkpoint(replace(settings, asr_model=str(tmp_path / name)))
    assert caught.value.code == "model_unavailable"


def pipeline_directory(folder: Path) -> Path:
    (folder / "segmentation").mkdir(parents=True)
    (folder / "config.yaml").write_text("pipeline: {}\n")
    (folder / "segmentation" / "pytorch_model.bin").write_bytes(b"weights")
    return folder


def write_sums(folder: Path, *names: str) -> None:
    lines = [f"{sha256(folder / name)}  {name}\n" for name in names]
    (folder / SUMS_FILE).write_text("".join(lines))


def test_a_directory_without_sums_is_the_operators_word(
    settings: EngineSettings, tmp_path: Path
) -> None:
    folder = pipeline_directory(tmp_path / "speakers")
    assert diarization_directory(replace(settings, diarization_model=str(folder))) == folder


def test_a_directory_is_held_against_its_sums(settings: EngineSettings, tmp_path: Path) -> None:
    folder = pipeline_directory(tmp_path / "speakers")
    local = replace(settings, diarization_model=str(folder))
    write_sums(folder, "config.yaml", "segmentation/pytorch_model.bin")
    assert diarization_directory(local) == folder
    (folder / "segmentation" / "pytorch_model.bin").write_bytes(b"other weights")
    with pytest.raises(EngineError, match=r"^segmentation/pytorch_model\.bin is not") as caught:
        diarization_directory(local)
    assert caught.value.code == "diarization_unavailable"
    assert str(tmp_path) not in caught.value.message


def test_a_missing_or_unlisted_weights_file_is_refused(
    settings: EngineSettings, tmp_path: Path
) -> None:
    folder = pipeline_directory(tmp_path / "speakers")
    local = replace(settings, diarization_model=str(folder))
    write_sums(folder, "config.yaml")
    with pytest.raises(EngineError, match=r"segmentation/pytorch_model\.bin is not"):
        diarization_directory(local)
    write_sums(folder, "config.yaml", "segmentation/pytorch_model.bin")
    (folder / "segmentation" / "pytorch_model.bin").unlink()
    with pytest.raises(EngineError, match=r"segmentation/pytorch_model\.bin is not"):
        diarization_directory(local)


def test_a_directory_without_configuration_is_refused(
    settings: EngineSettings, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match=r"config\.yaml") as caught:
        diarization_directory(replace(settings, diarization_model=str(tmp_path)))
    assert caught.value.code == "diarization_unavailable"


# ---------------------------------------------------------------- the hub


def test_a_checkpoint_is_downloaded_once_and_alone(
    settings: EngineSettings, speech_hub: Hub
) -> None:
    first = fetch("speech_checkpoint", settings, speech_hub.url)
    path = Path(first.path)
    assert path.read_bytes() == speech_hub.files["some.nemo"]
    assert path.parent == Path(settings.models_dir) / f"someone--some-model-{COMMIT}"
    assert [file.name for file in path.parent.rglob("*")] == ["some.nemo"]
    speech_hub.requests.clear()
    assert fetch("speech_checkpoint", settings, speech_hub.url) == first
    assert fetch("speech_checkpoint", replace(settings, offline=True), speech_hub.url) == first
    assert speech_hub.requests == []


def test_the_token_is_sent_and_none_is_invented(settings: EngineSettings, speech_hub: Hub) -> None:
    fetch("speech_checkpoint", settings, speech_hub.url)
    assert speech_hub.tokens == {None}
    speech_hub.tokens.clear()
    other = replace(settings, hf_token="hf_secret", models_dir=settings.models_dir + "2")
    fetch("speech_checkpoint", other, speech_hub.url)
    assert speech_hub.tokens == {"Bearer hf_secret"}


def test_a_checkpoint_with_another_sum_is_not_kept(
    settings: EngineSettings, speech_hub: Hub
) -> None:
    speech_hub.wrong_sums = True
    answer = fetch("speech_checkpoint", settings, speech_hub.url)
    assert answer.code == "model_unavailable"
    assert "sha256 of the downloaded some.nemo" in answer.message
    assert answer.retryable
    assert not list(Path(settings.models_dir).rglob("*.nemo"))
    speech_hub.wrong_sums = False
    assert fetch("speech_checkpoint", settings, speech_hub.url).path.endswith("some.nemo")


def test_a_pipeline_is_downloaded_whole(settings: EngineSettings) -> None:
    files = {
        "config.yaml": b"pipeline: {}\n",
        "segmentation/pytorch_model.bin": b"one",
        "plda/plda.npz": b"two",
        "README.md": b"read me",
    }
    with running(Hub(MODEL, files)) as hub:
        path = Path(fetch("diarization_directory", settings, hub.url).path)
    kept = {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}
    assert kept == {name: data for name, data in files.items() if name != "README.md"}


def test_community_1_must_be_what_it_is_known_to_be(settings: EngineSettings) -> None:
    """A hub, or who stands between, that states sums for its own files does not help them."""
    known = KNOWN_SHA256[COMMUNITY_1, COMMUNITY_1_REVISION]
    pinned = replace(
        settings, diarization_model=COMMUNITY_1, diarization_revision=COMMUNITY_1_REVISION
    )
    forged = Hub(COMMUNITY_1, dict.fromkeys(known, b"forged"), commit=COMMUNITY_1_REVISION)
    with running(forged) as hub:
        answer = fetch("diarization_directory", pinned, hub.url)
    assert answer.code == "diarization_unavailable"
    assert "sha256 of the downloaded config.yaml" in answer.message


@pytest.mark.parametrize(
    ("status", "error_code", "token", "expected"),
    [
        (401, "GatedRepo", None, f"accept the conditions on https://huggingface.co/{MODEL}, then"),
        (403, "GatedRepo", "hf_secret", "the account of HF_TOKEN has no access"),
        (401, None, None, "no such model, or it is private or gated"),
        (403, None, "hf_secret", "the account of HF_TOKEN has no access"),
        (404, "RepoNotFound", None, "no such model"),
        (404, "RevisionNotFound", None, "no such revision"),
        (400, None, None, "status 400"),
    ],
)
def test_a_refusal_says_what_to_do(
    settings: EngineSettings,
    speech_hub: Hub,
    status: int,
    error_code: str | None,
    token: str | None,
    expected: str,
) -> None:
    speech_hub.status, speech_hub.error_code = status, error_code
    answer = fetch("speech_checkpoint", replace(settings, hf_token=token), speech_hub.url)
    assert (answer.code, answer.retryable) == ("model_unavailable", False)
    assert expected in answer.message
    assert MODEL in answer.message
    assert "hf_secret" not in answer.message


def test_a_gated_model_whose_files_are_refused(settings: EngineSettings) -> None:
    """The hub lists a gated model's files to everyone, and refuses the files."""
    with running(Hub(MODEL, {"config.yaml": b"pipeline: {}\n"}, gated_files=True)) as hub:
        answer = fetch("diarization_directory", settings, hub.url)
    assert answer.code == "diarization_unavailable"
    assert "then set HF_TOKEN" in answer.message


def test_an_unknown_revision(settings: EngineSettings, speech_hub: Hub) -> None:
    answer = fetch("speech_checkpoint", replace(settings, asr_revision="0" * 40), speech_hub.url)
    assert "the hub has no such revision" in answer.message


def test_a_model_without_a_checkpoint(settings: EngineSettings) -> None:
    with running(Hub(MODEL, {"model.safetensors": b"weights"})) as hub:
        answer = fetch("speech_checkpoint", settings, hub.url)
    assert answer.code == "model_unavailable"
    assert "no file that ends in .nemo" in answer.message


def test_no_network_is_said_and_may_pass(settings: EngineSettings, closed_port: str) -> None:
    answer = fetch("speech_checkpoint", settings, closed_port)
    assert answer.code == "model_unavailable"
    assert "the hub cannot be reached" in answer.message
    assert answer.retryable


def test_offline_without_the_weights(settings: EngineSettings, speech_hub: Hub) -> None:
    answer = fetch("speech_checkpoint", replace(settings, offline=True), speech_hub.url)
    assert answer.code == "model_unavailable"
    assert "HF_HUB_OFFLINE" in answer.message
    assert not answer.retryable
    assert speech_hub.requests == []
