"""The command that downloads a model, with a hub on this machine in the place of the real one."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from engine.checksums import KNOWN_SHA256
from tests.hub import Hub, nemo_archive, running
from tests.hub_command import MODEL, Downloader, store

COMMUNITY_1, COMMUNITY_1_REVISION = next(iter(KNOWN_SHA256))
PIPELINE = {
    "config.yaml": b"pipeline: {}\n",
    "segmentation/pytorch_model.bin": b"one",
    "plda/plda.npz": b"two",
    "README.md": b"read me",
}


@pytest.fixture
def downloader(tmp_path: Path) -> Downloader:
    folder = tmp_path / "staging"
    folder.mkdir()
    return Downloader(folder, tmp_path / "hf")


@pytest.fixture
def speech_hub() -> Iterator[Hub]:
    with running(Hub(MODEL, {"README.md": b"read me", "some.nemo": nemo_archive()})) as hub:
        yield hub


@pytest.fixture
def closed_port() -> str:
    """An address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def measured(files: Mapping[str, bytes]) -> Mapping[str, Mapping[str, object]]:
    return {
        name: {"bytes": len(data), "sha256": sha256(data).hexdigest()}
        for name, data in files.items()
    }


# ---------------------------------------------------------------- what comes


def test_a_checkpoint_is_downloaded_alone(downloader: Downloader, speech_hub: Hub) -> None:
    wanted = {"some.nemo": speech_hub.files["some.nemo"]}
    assert downloader.run(speech_hub.url).files == measured(wanted)
    assert downloader.kept() == wanted
    assert [path.name for path in downloader.folder.iterdir()] == ["some.nemo"]


def test_a_pipeline_is_downloaded_whole(downloader: Downloader) -> None:
    wanted = {name: data for name, data in PIPELINE.items() if name != "README.md"}
    with running(Hub(MODEL, dict(PIPELINE))) as hub:
        assert downloader.run(hub.url, "diarization").files == measured(wanted)
    assert downloader.kept() == wanted


def test_a_checkpoint_comes_from_the_hubs_storage(
    downloader: Downloader, speech_hub: Hub, tmp_path: Path
) -> None:
    store(speech_hub, tmp_path)
    wanted = {"some.nemo": speech_hub.files["some.nemo"]}
    assert downloader.run(speech_hub.url).files == measured(wanted)
    assert downloader.kept() == wanted


def test_progress_says_how_much_there_is(downloader: Downloader, speech_hub: Hub) -> None:
    ended = downloader.run(speech_hub.url)
    total_bytes = len(speech_hub.files["some.nemo"])
    assert ended.files
    assert len(ended.lines) > 1
    for line in ended.lines[:-1]:
        assert line["total_bytes"] == total_bytes
        assert 0 <= line["done_bytes"] <= total_bytes


@pytest.mark.parametrize("hidden_listing", [True, False])
def test_community_1_must_be_what_it_is_known_to_be(
    downloader: Downloader, hidden_listing: bool
) -> None:
    """A hub, or who stands between, that states sums for its own files does not help them."""
    known = KNOWN_SHA256[COMMUNITY_1, COMMUNITY_1_REVISION]
    forged = Hub(COMMUNITY_1, dict.fromkeys(known, b"forged"), commit=COMMUNITY_1_REVISION)
    forged.hidden_listing = hidden_listing
    with running(forged) as hub:
        ended = downloader.run(
            hub.url, "diarization", model=COMMUNITY_1, revision=COMMUNITY_1_REVISION
        )
    assert ended.error["code"] == "diarization_unavailable"
    assert "sha256 of the downloaded config.yaml" in ended.error["message"]
    total_bytes = None if hidden_listing else len(known) * len(b"forged")
    assert {line["total_bytes"] for line in ended.lines[:-1]} == {total_bytes}


def test_a_checkpoint_with_another_sum_is_not_kept(downloader: Downloader, speech_hub: Hub) -> None:
    speech_hub.wrong_sums = True
    error = downloader.run(speech_hub.url).error
    assert error["code"] == "model_unavailable"
    assert "sha256 of the downloaded some.nemo" in error["message"]
    assert error["retryable"]
    assert not list(downloader.folder.rglob("*.nemo"))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"model.safetensors": b"weights"}, "no file that ends in .nemo"),
        ({"a.nemo": b"a", "b.nemo": b"b"}, "2 .nemo files at its top, and exactly one is needed"),
        ({"deep/a.nemo": b"a"}, "0 .nemo files at its top, and exactly one is needed"),
        ({"a.nemo": b"version https://git-lfs.github.com/spec/v1\n"}, "a.nemo is no NeMo"),
    ],
)
def test_a_model_that_is_no_speech_model(
    downloader: Downloader, files: dict[str, bytes], expected: str
) -> None:
    with running(Hub(MODEL, files)) as hub:
        error = downloader.run(hub.url).error
    assert (error["code"], error["retryable"]) == ("model_unavailable", False)
    assert expected in error["message"]


def test_a_model_that_is_no_pipeline(downloader: Downloader) -> None:
    with running(Hub(MODEL, {"pytorch_model.bin": b"weights"})) as hub:
        error = downloader.run(hub.url, "diarization").error
    assert error["code"] == "diarization_unavailable"
    assert "it has no config.yaml" in error["message"]


def test_a_file_that_would_lie_elsewhere_is_refused(downloader: Downloader) -> None:
    with running(Hub(MODEL, {"config.yaml": b"a", "../outside.bin": b"b"})) as hub:
        error = downloader.run(hub.url, "diarization").error
    assert error["code"] == "diarization_unavailable"
    assert not (downloader.folder.parent / "outside.bin").exists()


# ---------------------------------------------------------------- what the hub answers


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
    downloader: Downloader,
    speech_hub: Hub,
    status: int,
    error_code: str | None,
    token: str | None,
    expected: str,
) -> None:
    speech_hub.status, speech_hub.error_code = status, error_code
    ended = downloader.run(speech_hub.url, token=token)
    assert (ended.error["code"], ended.error["retryable"]) == ("model_unavailable", False)
    assert expected in ended.error["message"]
    assert MODEL in ended.error["message"]
    assert "hf_secret" not in ended.output


def test_a_gated_model_whose_files_are_refused(downloader: Downloader) -> None:
    """The hub lists a gated model's files to everyone, and refuses the files."""
    with running(Hub(MODEL, {"config.yaml": b"pipeline: {}\n"}, gated_files=True)) as hub:
        error = downloader.run(hub.url, "diarization").error
    assert error["code"] == "diarization_unavailable"
    assert "then set HF_TOKEN" in error["message"]


def test_an_unknown_revision(downloader: Downloader, speech_hub: Hub) -> None:
    error = downloader.run(speech_hub.url, revision="0" * 40).error
    assert "the hub has no such revision" in error["message"]


def test_a_name_that_no_model_has(downloader: Downloader, speech_hub: Hub) -> None:
    error = downloader.run(speech_hub.url, model="a/b/c").error
    assert (error["code"], error["retryable"]) == ("model_unavailable", False)
    assert "no name of a model" in error["message"]


def test_something_else_answers_in_the_hubs_place(downloader: Downloader, speech_hub: Hub) -> None:
    speech_hub.garbled_listing = True
    error = downloader.run(speech_hub.url).error
    assert (error["code"], error["retryable"]) == ("model_unavailable", True)
    assert "cannot be understood" in error["message"]


def test_no_network_is_said_and_may_pass(downloader: Downloader, closed_port: str) -> None:
    error = downloader.run(closed_port).error
    assert error["code"] == "model_unavailable"
    assert "the hub cannot be reached" in error["message"]
    assert error["retryable"]


def test_a_storage_that_cannot_be_reached_may_pass(
    downloader: Downloader, speech_hub: Hub, tmp_path: Path, closed_port: str
) -> None:
    store(speech_hub, tmp_path)
    speech_hub.storage = closed_port
    patience = {"HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "1", "HF_XET_CLIENT_RETRY_BASE_DELAY": "10ms"}
    error = downloader.run(speech_hub.url, environment=patience).error
    assert (error["code"], error["retryable"]) == ("model_unavailable", True)
    assert "the hub's storage broke off" in error["message"]


def test_offline_nothing_is_asked(downloader: Downloader, speech_hub: Hub) -> None:
    error = downloader.run(speech_hub.url, environment={"HF_HUB_OFFLINE": "1"}).error
    assert error["code"] == "model_unavailable"
    assert "HF_HUB_OFFLINE" in error["message"]
    assert not error["retryable"]
    assert speech_hub.requests == []
