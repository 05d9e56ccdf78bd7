"""Channels that are decoded separately, through the real ffmpeg."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from speech.errors import AudioError, RequestError, SourceError
from speech.request import Options
from speech.types import Audio, MediaFile, Progress, report_nothing
from tests import media
from utils import audio

RATE_HZ = 16_000
SEPARATE = Options(channels="separate")


def write_channels(path: Path, *begins_s: float, seconds: float = 6.0) -> Path:
    """A tone on each channel, each from a time of its own to the end."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    tone = 0.5 * np.sin(2 * np.pi * 440 * time_s)
    soundfile.write(path, np.stack([tone * (time_s >= begin) for begin in begins_s], 1), RATE_HZ)
    return path


def decode(path: Path, directory: Path, **limits: Any) -> tuple[Audio, ...]:
    source = directory / "source"
    source.write_bytes(path.read_bytes())
    file = MediaFile(source, source.stat().st_size)
    options = limits.pop("options", SEPARATE)
    report = limits.pop("report", report_nothing)
    return asyncio.run(audio.decode_channels(file, directory, options, report, **limits))


@pytest.mark.parametrize("program", media.ffmpeg_programs())
@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "m4a", "ogg"])
def test_each_channel_becomes_a_file_of_its_own(kind: str, program: str, tmp_path: Path) -> None:
    stereo = write_channels(tmp_path / "stereo.wav", 1.0, 3.0)
    path = media.convert(stereo, tmp_path / f"x.{kind}")
    first, second = decode(path, tmp_path, program=program)
    assert first.duration_s == second.duration_s == pytest.approx(6.0, abs=0.1)
    for one, begin_s in ((first, 1.0), (second, 3.0)):
        with wave.open(str(one.path)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert media.loud_stretch_s(one.path)[0] == pytest.approx(begin_s, abs=0.06)


@pytest.mark.parametrize("program", media.ffmpeg_programs())
def test_channels_keep_their_order_up_to_the_limit(program: str, tmp_path: Path) -> None:
    for begins_s in ([0.5, 1.0, 1.5, 2.0, 2.5, 3.0], [0.5 * n for n in range(1, 9)]):
        found = decode(write_channels(tmp_path / "x.wav", *begins_s), tmp_path, program=program)
        loud_s = [media.loud_stretch_s(one.path)[0] for one in found]
        assert loud_s == pytest.approx(begins_s, abs=0.02)


def test_more_channels_than_that_are_refused(tmp_path: Path) -> None:
    path = write_channels(tmp_path / "x.wav", *([0.0] * 9), seconds=0.5)
    with pytest.raises(RequestError, match="has 9 channels; at most 8"):
        decode(path, tmp_path)
    assert not list(tmp_path.glob("channel*"))


def test_a_mono_recording_is_one_channel(tmp_path: Path) -> None:
    (one,) = decode(media.write_wav(tmp_path / "mono.wav", 2.0), tmp_path)
    assert one.duration_s == pytest.approx(2.0)


def test_start_and_end_cut_all_channels_alike(tmp_path: Path) -> None:
    path = write_channels(tmp_path / "x.wav", 1.0, 3.0)
    options = Options(channels="separate", start_s=0.5, end_s=4.0)
    found = decode(path, tmp_path, options=options)
    assert [(one.duration_s, one.offset_s) for one in found] == [(3.5, 0.5)] * 2
    assert [media.loud_stretch_s(one.path)[0] for one in found] == pytest.approx(
        [0.5, 2.5], abs=0.01
    )


def test_channels_that_take_too_many_bytes_together_are_refused(tmp_path: Path) -> None:
    path = write_channels(tmp_path / "x.wav", 0.0, 0.0, seconds=6.0)
    with pytest.raises(AudioError) as caught:
        decode(path, tmp_path, max_bytes=5 * 2 * audio.BYTES_PER_S)
    assert caught.value.code == "audio_too_long"
    assert "2 channels can be heard separately up to 5 s" in caught.value.message
    assert (
        sum(file.stat().st_size for file in tmp_path.glob("channel*")) < 7 * 2 * audio.BYTES_PER_S
    )
    with pytest.raises(AudioError, match="longer than the 3 s"):
        decode(path, tmp_path, max_audio_s=3)
    assert len(decode(path, tmp_path, max_bytes=6 * 2 * audio.BYTES_PER_S)) == 2


def test_a_day_of_two_channels_fits(tmp_path: Path) -> None:
    assert audio.MAX_DECODED_BYTES >= 2 * 24 * 3600 * audio.BYTES_PER_S


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "source_empty"), (b"no media " * 99, "not_media")]
)
def test_what_is_no_recording_is_told_as_ever(content: bytes, code: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises((AudioError, SourceError)) as caught:
        decode(path, tmp_path)
    assert caught.value.code == code


def test_progress_of_several_files_never_falls(tmp_path: Path) -> None:
    reports: list[Progress] = []
    decode(write_channels(tmp_path / "x.wav", 0.0, 1.0, 2.0), tmp_path, report=reports.append)
    fractions = [report.fraction or 0.0 for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
