"""A recording that is on this machine already."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from speech.errors import RequestError, SourceError
from speech.request import FileSource
from speech.types import report_nothing
from utils import sources, validation


def fetch(path: Path, directory: Path, max_bytes: int | None = None) -> Path:
    media = asyncio.run(
        sources.fetch(FileSource(path), directory, report_nothing, max_bytes=max_bytes)
    )
    assert media.path.parent == directory
    assert media.size_bytes == path.stat().st_size
    return media.path


def test_the_recording_is_linked_to_and_outlives_the_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings, directory = tmp_path / "recordings", tmp_path / "job"
    recordings.mkdir()
    directory.mkdir()
    (recordings / "a.wav").write_bytes(b"sound")
    monkeypatch.chdir(recordings)
    link = fetch(Path("a.wav"), directory)
    assert link.read_bytes() == b"sound"
    link.unlink()
    assert (recordings / "a.wav").read_bytes() == b"sound"


def test_the_largest_that_is_accepted_is(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(bytes(10))
    (tmp_path / "job").mkdir()
    fetch(tmp_path / "a.wav", tmp_path / "job", max_bytes=10)
    with pytest.raises(SourceError) as error:
        fetch(tmp_path / "a.wav", tmp_path, max_bytes=9)
    assert error.value.code == "source_too_large"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("missing", "source_not_found"),
        ("dangling", "source_not_found"),
        ("folder", "source_not_found"),
        ("pipe", "source_not_found"),
        ("empty", "source_empty"),
        ("under a file", "source_unreachable"),
        ("too long a name", "source_unreachable"),
    ],
)
def test_what_is_no_recording_is_named(tmp_path: Path, kind: str, code: str) -> None:
    path = tmp_path / kind
    if kind == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "empty":
        path.touch()
    elif kind == "under a file":
        path.touch()
        path = path / "a.wav"
    elif kind == "too long a name":
        path = tmp_path / ("a" * 300)
    with pytest.raises(SourceError) as error:
        fetch(path, tmp_path)
    assert error.value.code == code


@pytest.mark.parametrize("name", ["path", "file", "audio_file", "audio_url", "audio"])
def test_no_request_reaches_a_file(name: str) -> None:
    for value in ("/etc/passwd", "file:///etc/passwd"):
        with pytest.raises(RequestError):
            validation.parse_request({name: value})
