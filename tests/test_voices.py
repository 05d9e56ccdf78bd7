"""Known speakers' samples, from the request to files of the job's directory."""

from __future__ import annotations

import asyncio
import base64
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

import config
from speech.errors import WorkerError
from speech.request import Base64Source, KnownSpeaker, Source, UrlSource
from speech.types import Voice
from tests import media
from tests.http_server import LocalServer, serve
from utils import together
from utils.voices import Limits, prepare, sample_field
from utils.workspace import job_directory

SECRET = "X-Amz-Signature=0123456789abcdef"


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two seconds at 8 kHz."""
    return media.write_wav(tmp_path_factory.mktemp("tone") / "t.wav", rate_hz=8000).read_bytes()


@pytest.fixture
def server(tone: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    with serve(tone) as server:
        monkeypatch.setattr(config, "ALLOWED_PRIVATE_HOSTS", (server.host,))
        yield server


def inline(content: bytes) -> Base64Source:
    return Base64Source(base64.b64encode(content).decode())


def person(name: str, *samples: Source) -> KnownSpeaker:
    return KnownSpeaker(name, samples, None)


def error_of(known: list[KnownSpeaker], root: Path, limits: Limits | None = None) -> WorkerError:
    """The failure, after which nothing is left of the job."""
    with (
        pytest.raises(WorkerError) as caught,
        job_directory("job", root=root) as directory,
    ):
        asyncio.run(prepare(known, directory, limits))
    assert list(root.iterdir()) == []
    assert SECRET not in caught.value.message
    assert str(root) not in caught.value.message
    return caught.value


def test_every_sample_becomes_what_the_engine_hears(
    server: LocalServer, tone: bytes, tmp_path: Path
) -> None:
    url = UrlSource(server.url("/recording?" + SECRET))
    known = [
        person("Anna", inline(tone), url),
        KnownSpeaker("Bert", (), (0.5, -0.5)),
        person("Carla", url),
    ]
    with job_directory("job", root=tmp_path) as directory:
        voices = asyncio.run(prepare(known, directory))
        assert [voice.name for voice in voices] == ["Anna", "Bert", "Carla"]
        assert [len(voice.recordings) for voice in voices] == [2, 0, 1]
        assert voices[1] == Voice("Bert", (), (0.5, -0.5))
        paths = [path for voice in voices for path in voice.recordings]
        for path in paths:
            assert path.is_relative_to(directory)
            with wave.open(str(path)) as file:
                assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
                assert file.getnframes() == pytest.approx(2 * 16_000, abs=200)
        files = [path for path in directory.rglob("*") if path.is_file()]
        assert sorted(files) == sorted(paths), "the originals are gone"
    assert list(tmp_path.iterdir()) == []


def test_a_sample_that_cannot_be_had_is_named_by_its_place(
    server: LocalServer, tone: bytes, tmp_path: Path
) -> None:
    bad = UrlSource(server.url("/status/404?" + SECRET))
    known = [person("Anna", inline(tone)), person("Bert", inline(tone), bad)]
    error = error_of(known, tmp_path)
    assert error.code == "source_not_found"
    assert error.message.startswith("known_speakers[1].samples[1]: ")


@pytest.mark.parametrize(
    ("content", "code"), [(b"not media at all", "not_media"), (b"RIFF", "not_media")]
)
def test_a_sample_that_is_no_recording_is_named(content: bytes, code: str, tmp_path: Path) -> None:
    error = error_of([person("Anna", inline(content))], tmp_path)
    assert error.code == code
    assert error.message.startswith("known_speakers[0].samples[0]: ")


def test_a_sample_behind_a_private_address_is_refused(tmp_path: Path) -> None:
    source = UrlSource("http://169.254.169.254/latest/meta-data")
    error = error_of([person("Anna", source)], tmp_path)
    assert error.code == "url_refused"
    assert not error.retryable


def test_a_sample_is_bounded_in_length_and_in_bytes(tone: bytes, tmp_path: Path) -> None:
    known = [person("Anna", inline(tone))]
    long = error_of(known, tmp_path, Limits(max_s=1.5))
    assert long.code == "audio_too_long"
    assert long.message.startswith("known_speakers[0].samples[0] is longer than 1.5 s")
    assert "start" not in long.message, "a sample has no such fields"
    large = error_of(known, tmp_path, Limits(max_bytes=1000))
    assert large.code == "source_too_large"
    assert "1000 bytes" in large.message


def test_a_sample_without_sound_in_it_is_named(tmp_path: Path) -> None:
    silent = media.write_wav(tmp_path / "empty.wav", seconds=0.0).read_bytes()
    (tmp_path / "empty.wav").unlink()
    error = error_of([person("Anna", inline(silent))], tmp_path)
    assert error.message.startswith("known_speakers[0].samples[0]")
    assert "start" not in error.message


def test_the_worker_s_own_limit_holds_for_samples_too(
    tone: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "MAX_SOURCE_BYTES", 500)
    assert "500 bytes" in error_of([person("Anna", inline(tone))], tmp_path).message


def test_the_name_of_a_sample_is_its_place_in_the_request() -> None:
    assert sample_field(2, 0) == "known_speakers[2].samples[0]"


# ---------------------------------------------------------------- utils/together.py


def test_the_first_failure_ends_what_is_still_under_way() -> None:
    ended: list[str] = []

    async def waits() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waits")
        return "never"

    async def fails() -> int:
        await asyncio.sleep(0)
        raise WorkerError("internal_error", "no")

    with pytest.raises(WorkerError, match="no"):
        asyncio.run(together.both(waits(), fails()))
    assert ended == ["waits"]


def test_results_are_in_the_order_of_the_work() -> None:
    async def after(steps: int) -> int:
        for _ in range(steps):
            await asyncio.sleep(0)
        return steps

    assert asyncio.run(together.all_of(map(after, [3, 0, 2]))) == [3, 0, 2]
    assert asyncio.run(together.both(after(2), after(1))) == (2, 1)


def test_a_cancellation_reaches_everything() -> None:
    ended: list[int] = []

    async def waits(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    async def run() -> None:
        work = asyncio.ensure_future(together.all_of(map(waits, [1, 2])))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(run())
    assert sorted(ended) == [1, 2]
