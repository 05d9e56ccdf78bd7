"""Where weights come from: paths, and sums where a folder has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.checksums import SUMS_FILE, sha256
from engine.weights import diarization_directory, sortformer_checkpoint, speech_checkpoint
from speech.errors import EngineError
from speech.protocol import EngineSettings, Problem
from tests.hub import nemo_archive


@pytest.fixture
def settings() -> EngineSettings:
    return EngineSettings(
        asr_model="/nowhere/speech.nemo",
        asr_name="speech.nemo",
        fast_model=None,
        diarization_model=None,
        diarization_name="speakers",
        diarization_problem=None,
        device="cpu",
        threads=1,
    )


def test_a_nemo_file_is_taken_as_it_is(settings: EngineSettings, tmp_path: Path) -> None:
    checkpoint = tmp_path / "mine.nemo"
    checkpoint.write_bytes(nemo_archive())
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


@pytest.mark.parametrize("retryable", [True, False])
def test_a_problem_is_told_as_it_came(
    settings: EngineSettings, tmp_path: Path, retryable: bool
) -> None:
    """Even where there is a folder: who provides the models knows best."""
    told = replace(
        settings,
        diarization_model=str(pipeline_directory(tmp_path / "speakers")),
        diarization_problem=Problem("volume_full", "no room on the volume", retryable),
    )
    with pytest.raises(EngineError, match=r"^no room on the volume$") as caught:
        diarization_directory(told)
    assert (caught.value.code, caught.value.retryable) == ("volume_full", retryable)


def test_no_diarization_model_at_all(settings: EngineSettings) -> None:
    with pytest.raises(EngineError, match="no diarization model") as caught:
        diarization_directory(settings)
    assert caught.value.code == "diarization_unavailable"


def test_sortformer_is_a_nemo_file_or_a_reason(settings: EngineSettings, tmp_path: Path) -> None:
    checkpoint = tmp_path / "mine.nemo"
    checkpoint.write_bytes(nemo_archive())
    there = replace(settings, sortformer_model=str(checkpoint))
    assert sortformer_checkpoint(there) == checkpoint
    problem = Problem("volume_full", "no room on the volume", True)
    checkpoint.with_name("cut.nemo").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    for told, code, text in (
        (replace(there, sortformer_problem=problem), "volume_full", "no room on the volume"),
        (settings, "diarization_unavailable", "there is no Sortformer model"),
        (
            replace(settings, sortformer_model=str(tmp_path / "missing.nemo")),
            "diarization_unavailable",
            "there is no file missing.nemo",
        ),
        (
            replace(settings, sortformer_model=str(tmp_path / "cut.nemo")),
            "diarization_unavailable",
            "cut.nemo is no NeMo checkpoint",
        ),
    ):
        with pytest.raises(EngineError) as caught:
            sortformer_checkpoint(told)
        assert caught.value.code == code
        assert caught.value.message.startswith(text)
