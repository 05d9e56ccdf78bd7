from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.errors import RequestError, SourceError, WorkerError
from speech.request import Base64Source
from utils.inline import write_base64
from utils.workspace import job_directory

CONTENT = bytes(range(256)) * 5
TEXT = base64.b64encode(CONTENT).decode()


def written(text: str, root: Path, max_bytes: int | None = None) -> bytes:
    """What arrives in the file. Whatever happens, nothing may be left afterwards."""
    try:
        with job_directory("job", root=root) as directory:
            media = write_base64(Base64Source(text), directory, max_bytes=max_bytes)
            content = media.path.read_bytes()
            assert media.size_bytes == len(content)
            return content
    finally:
        assert list(root.iterdir()) == []


def test_base64_becomes_the_file(tmp_path: Path) -> None:
    assert written(TEXT, tmp_path) == CONTENT


def test_line_breaks_and_the_url_safe_alphabet_are_accepted(tmp_path: Path) -> None:
    assert written(base64.encodebytes(CONTENT).decode(), tmp_path) == CONTENT
    assert written(base64.urlsafe_b64encode(CONTENT).decode(), tmp_path) == CONTENT


@given(st.binary(min_size=1))
def test_any_bytes_survive(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.mktemp("jobs")
    assert written(base64.b64encode(content).decode(), root) == content


@pytest.mark.parametrize("text", [TEXT[:-1], TEXT[:-3], TEXT.rstrip("=") + "AA"])
def test_base64_that_breaks_off_says_so(text: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"audio_base64 .* breaks off or lacks its padding"):
        written(text, tmp_path)


@pytest.mark.parametrize("text", ["QUI*", "Q=JD", "QUJDRA==QUJD", "ÄÖÜß", "\ud800AAA", "===="])
def test_text_that_is_no_base64_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="audio_base64"):
        written(text, tmp_path)


@pytest.mark.parametrize("text", ["", " \n"])
def test_nothing_is_an_empty_source(text: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        written(text, tmp_path)
    assert caught.value.code == "source_empty"


@pytest.mark.parametrize("limit_bytes", [len(CONTENT) - 1, 10])
def test_more_than_the_limit_is_refused(limit_bytes: int, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        written(TEXT, tmp_path, limit_bytes)
    assert caught.value.code == "source_too_large"
    assert str(limit_bytes) in caught.value.message


def test_exactly_the_limit_is_accepted(tmp_path: Path) -> None:
    for size_bytes in (1, 2, 3, 100, 101, 102):
        text = base64.b64encode(CONTENT[:size_bytes]).decode()
        assert written(text, tmp_path, size_bytes) == CONTENT[:size_bytes]


@given(st.text())
def test_any_text_is_either_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    root = tmp_path_factory.mktemp("jobs")
    try:
        assert written(text, root)
    except WorkerError as error:
        assert error.code in ("invalid_input", "source_empty")
