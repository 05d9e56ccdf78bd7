from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from speech.errors import AudioError, SourceError, WorkerError
from speech.request import Options
from speech.types import Audio, MediaFile, Progress, report_nothing
from tests import media
from tests.http_server import serve
from utils import audio
from utils.workspace import job_directory

Make = Callable[[Path], Path]


@pytest.fixture(params=media.ffmpeg_programs(), ids=lambda path: Path(path).name[:20])
def program(request: pytest.FixtureRequest) -> str:
    """Each ffmpeg of this machine in turn: their messages differ."""
    return str(request.param)


@pytest.fixture(scope="session")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds, of which the first four are silent, in stereo at 44.1 kHz."""
    path = tmp_path_factory.mktemp("media") / "tone.wav"
    return media.write_wav(path, 10.0, rate_hz=44_100, channels=2, silent_until_s=4.0)


def decoded(
    path: Path, directory: Path, program: str, options: Options | None = None, **limits: float
) -> Audio:
    # As in a job: the file has lost its name, so only its content tells what it is.
    source = directory / "source"
    source.write_bytes(path.read_bytes())
    return asyncio.run(
        audio.decode(
            MediaFile(source, source.stat().st_size),
            directory,
            options or Options(),
            report_nothing,
            program=program,
            **limits,
        )
    )


def error_of(
    path: Path, root: Path, program: str, options: Options | None = None, **limits: float
) -> WorkerError:
    """The error of a bad recording. Nothing may be left behind."""
    jobs = root / "jobs"
    with pytest.raises(WorkerError) as caught, job_directory("job", root=jobs) as directory:
        decoded(path, directory, program, options, **limits)
    assert list(jobs.iterdir()) == []
    assert str(root) not in caught.value.message
    assert "source" not in caught.value.message
    return caught.value


ENCODINGS: dict[str, tuple[str, ...]] = {
    "wav": (),
    "mp3": (),
    "m4a": (),
    "flac": (),
    "ogg": ("-c:a", "libvorbis"),
    "opus": ("-c:a", "libopus"),
    "webm": ("-c:a", "libopus"),
    "mka": ("-c:a", "ac3"),
    "aac": (),
    "aiff": (),
    "wma": (),
    "ac3": (),
    "eac3": (),
    "au": (),
    "caf": (),
    "w64": (),
    "wv": (),
    "ts": (),
    "flv": (),
    "3gp": ("-c:a", "aac"),
    "mov": ("-c:a", "pcm_alaw"),
    "avi": ("-c:a", "mp3"),
    "tta": (),
}


@pytest.mark.parametrize("kind", ENCODINGS)
def test_every_common_format_becomes_16_khz_mono_with_its_times_kept(
    kind: str, tone: Path, tmp_path: Path
) -> None:
    path = media.convert(tone, tmp_path / f"x.{kind}", *ENCODINGS[kind])
    for program in media.ffmpeg_programs():
        result = decoded(path, tmp_path, program)
        with wave.open(str(result.path)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
            assert result.duration_s == file.getnframes() / 16_000
        assert result.duration_s == pytest.approx(10.0, abs=0.1)
        begin_s, end_s = media.loud_stretch_s(result.path)
        assert begin_s == pytest.approx(4.0, abs=0.06)
        assert end_s == pytest.approx(10.0, abs=0.08)


@pytest.mark.parametrize("kind", ["mp4", "mkv", "avi", "mov", "ts", "flv"])
def test_the_sound_of_a_video_is_taken(kind: str, tone: Path, tmp_path: Path, program: str) -> None:
    path = media.write_video(tmp_path / f"x.{kind}", tone, seconds=10.0)
    result = decoded(path, tmp_path, program)
    assert media.loud_stretch_s(result.path)[0] == pytest.approx(4.0, abs=0.1)


def test_a_cover_picture_and_a_second_language_do_not_matter(
    tone: Path, tmp_path: Path, program: str
) -> None:
    other = media.write_wav(tmp_path / "other.wav", 3.0)
    cover = media.run_ffmpeg(
        "-f", "lavfi", "-i", "testsrc=s=64x64:d=1", "-frames:v", "1", str(tmp_path / "c.png"),
        target=tmp_path / "c.png",
    )  # fmt: skip
    path = media.run_ffmpeg(
        "-i", str(tone), "-i", str(cover), "-i", str(other), "-map", "0", "-map", "1", "-map", "2",
        "-c:v", "copy", "-disposition:v", "attached_pic", str(tmp_path / "x.m4a"),
        target=tmp_path / "x.m4a",
    )  # fmt: skip
    assert decoded(path, tmp_path, program).duration_s == pytest.approx(10.0, abs=0.1)


def test_sound_that_begins_late_keeps_its_time(tone: Path, tmp_path: Path, program: str) -> None:
    path = tmp_path / "x.mkv"
    media.run_ffmpeg(
        "-f", "lavfi", "-i", "testsrc=s=64x48:r=5:d=13", "-itsoffset", "3", "-i", str(tone),
        "-map", "0", "-map", "1", "-c:v", "mpeg4", str(path), target=path,
    )  # fmt: skip
    result = decoded(path, tmp_path, program)
    assert result.duration_s == pytest.approx(13.0, abs=0.1)
    assert media.loud_stretch_s(result.path)[0] == pytest.approx(7.0, abs=0.1)


@pytest.mark.parametrize("kind", ["wav", "mp3", "m4a", "ogg", "aac", "ts"])
def test_start_and_end_cut_to_the_millisecond_in_every_format(
    kind: str, tone: Path, tmp_path: Path, program: str
) -> None:
    path = media.convert(tone, tmp_path / f"x.{kind}")
    result = decoded(path, tmp_path, program, Options(start_s=3.25, end_s=5.5))
    assert result.offset_s == 3.25
    assert result.duration_s == pytest.approx(2.25, abs=0.001)
    assert media.loud_stretch_s(result.path)[0] == pytest.approx(0.75, abs=0.06)


def test_an_end_behind_the_recording_is_its_end(tone: Path, tmp_path: Path, program: str) -> None:
    result = decoded(tone, tmp_path, program, Options(start_s=8.0, end_s=60.0))
    assert result.duration_s == pytest.approx(2.0, abs=0.01)


def test_a_start_behind_the_recording_is_too_short(
    tone: Path, tmp_path: Path, program: str
) -> None:
    error = error_of(tone, tmp_path, program, Options(start_s=11.0))
    assert error.code == "audio_too_short"
    assert "start (11 s)" in error.message
    assert "10.0 s long" in error.message


def test_a_recording_without_samples_is_too_short(tmp_path: Path, program: str) -> None:
    path = media.write_wav(tmp_path / "none.wav", 0.0)
    assert error_of(path, tmp_path, program).code == "audio_too_short"


def test_the_longest_stretch_is_accepted_and_a_longer_one_is_not(
    tone: Path, tmp_path: Path, program: str
) -> None:
    assert decoded(tone, tmp_path, program, max_audio_s=10.0).duration_s == pytest.approx(10.0)
    error = error_of(tone, tmp_path, program, max_audio_s=9.9)
    assert error.code == "audio_too_long"
    assert "9.9 s" in error.message
    inside = decoded(tone, tmp_path, program, Options(start_s=2.0, end_s=7.0), max_audio_s=5.0)
    assert inside.duration_s == pytest.approx(5.0)


def test_no_more_is_decoded_than_proves_the_recording_too_long(
    tone: Path, tmp_path: Path, program: str
) -> None:
    with pytest.raises(AudioError):
        decoded(tone, tmp_path, program, max_audio_s=2.0)
    with wave.open(str(tmp_path / "audio.wav")) as file:
        assert file.getnframes() / 16_000 == pytest.approx(3.0, abs=0.1)


def test_progress_ends_at_one_and_never_falls(tone: Path, tmp_path: Path, program: str) -> None:
    reports: list[Progress] = []
    file = MediaFile(tone, tone.stat().st_size)
    asyncio.run(audio.decode(file, tmp_path, Options(), reports.append, program=program))
    fractions = [report.fraction or 0.0 for report in reports]
    assert {report.stage for report in reports} == {"decode"}
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


# ---------------------------------------------------------------- what is no recording


def test_an_empty_file(tmp_path: Path, program: str) -> None:
    path = tmp_path / "empty.wav"
    path.touch()
    error = error_of(path, tmp_path, program)
    assert (error.code, isinstance(error, SourceError)) == ("source_empty", True)


@pytest.mark.parametrize("content", [b"This is a text. " * 200, os.urandom(50_000), b"\0" * 5000])
def test_bytes_that_are_no_media(content: bytes, tmp_path: Path, program: str) -> None:
    path = tmp_path / "text.mp3"
    path.write_bytes(content)
    error = error_of(path, tmp_path, program)
    assert error.code == "not_media"
    assert "Send audio or video" in error.message


def test_a_picture_is_not_media(tmp_path: Path, program: str) -> None:
    path = tmp_path / "x.png"
    media.run_ffmpeg(
        "-f", "lavfi", "-i", "testsrc=s=64x64:d=1", "-frames:v", "1", str(path), target=path
    )
    error = error_of(path, tmp_path, program)
    assert error.code == "not_media"
    assert "a picture" in error.message


def test_a_video_without_sound(tmp_path: Path, program: str) -> None:
    error = error_of(media.write_video(tmp_path / "x.mp4", None), tmp_path, program)
    assert error.code == "no_audio"
    assert "audio stream" in error.message


PLAYLISTS = {
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=audio {port} RTP/AVP 0\n",
    "DASH": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" mediaPresentationDuration="PT9S">'
    '<Period><AdaptationSet mimeType="audio/mp4"><Representation id="a" bandwidth="1">'
    "<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "smil": '<smil><body><audio src="{target}"/></body></smil>',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("leads_to", ["file", "http"])
def test_a_playlist_opens_nothing(
    kind: str, leads_to: str, tone: Path, tmp_path: Path, program: str
) -> None:
    with serve(tone.read_bytes()) as server:
        target = server.url("/recording") if leads_to == "http" else str(tone)
        path = tmp_path / "playlist"
        path.write_text(PLAYLISTS[kind].format(target=target, port=server.port))
        assert error_of(path, tmp_path, program).code == "not_media"
        assert server.requests == []


def test_a_film_that_names_another_file_does_not_open_it(tmp_path: Path, program: str) -> None:
    loud = media.write_wav(tmp_path / "loud.wav", 3.0, rate_hz=8000)
    (tmp_path / "secret").write_bytes(loud.read_bytes())
    path = media.write_mov_that_names_another_file(tmp_path / "x.mov", "secret")

    naive = tmp_path / "naive.wav"  # the file is a real trap: whoever allows it hears the other one
    media.run_ffmpeg("-enable_drefs", "1", "-i", str(path), str(naive), target=naive)
    assert media.is_loud(naive)

    with pytest.raises(AudioError) as caught:
        decoded(path, tmp_path, program)
    assert caught.value.code == "audio_damaged"
    heard = tmp_path / "audio.wav"
    assert not heard.exists() or not media.is_loud(heard)


# ---------------------------------------------------------------- what breaks off


def faststart(tone: Path, directory: Path) -> Path:
    return media.convert(tone, directory / "x.m4a", "-movflags", "+faststart")


CUT: dict[str, Callable[[Path, Path], Path]] = {
    "wav": lambda tone, directory: media.convert(tone, directory / "x.wav"),
    "mp3": lambda tone, directory: media.convert(tone, directory / "x.mp3", "-q:a", "4"),
    "m4a, index at the end": lambda tone, directory: media.convert(tone, directory / "x.m4a"),
    "m4a, index at the beginning": faststart,
    "flac": lambda tone, directory: media.convert(tone, directory / "x.flac"),
    "ogg": lambda tone, directory: media.convert(tone, directory / "x.ogg"),
    "opus": lambda tone, directory: media.convert(tone, directory / "x.opus"),
    "webm": lambda tone, directory: media.convert(tone, directory / "x.webm", "-c:a", "libopus"),
    "aiff": lambda tone, directory: media.convert(tone, directory / "x.aiff"),
    "mp4": lambda tone, directory: media.write_video(directory / "x.mp4", tone, 10.0),
    "mkv": lambda tone, directory: media.write_video(directory / "x.mkv", tone, 10.0),
    "avi": lambda tone, directory: media.write_video(directory / "x.avi", tone, 10.0),
}


@pytest.mark.parametrize("kind", CUT)
def test_a_recording_that_breaks_off_is_damaged(
    kind: str, tone: Path, tmp_path: Path, program: str
) -> None:
    path = media.cut(CUT[kind](tone, tmp_path))
    error = error_of(path, tmp_path, program)
    assert (error.code, error.retryable) == ("audio_damaged", False)
    assert "Upload it again" in error.message


def test_where_the_asked_for_part_is_whole_a_later_break_does_not_matter(
    tone: Path, tmp_path: Path, program: str
) -> None:
    path = media.cut(media.convert(tone, tmp_path / "x.mp3"))
    assert decoded(path, tmp_path, program, Options(end_s=5.0)).duration_s == pytest.approx(5.0)


def test_a_header_without_anything_behind_it_is_damaged(
    tone: Path, tmp_path: Path, program: str
) -> None:
    path = media.cut(media.convert(tone, tmp_path / "x.wav"), 40 / 1_764_000)
    assert error_of(path, tmp_path, program).code == "audio_damaged"


def test_a_video_that_is_longer_than_its_sound_is_whole(
    tone: Path, tmp_path: Path, program: str
) -> None:
    path = media.write_video(tmp_path / "x.mp4", tone, seconds=25.0)
    assert decoded(path, tmp_path, program).duration_s == pytest.approx(10.0, abs=0.1)


@pytest.mark.parametrize("kind", ["wav", "flac", "webm", "mp3", "ogg"])
def test_what_was_written_into_a_pipe_states_no_length_and_is_whole(
    kind: str, tone: Path, tmp_path: Path, program: str
) -> None:
    path = tmp_path / "piped"
    command = [media.ffmpeg_programs()[0], "-v", "error", "-i", str(tone), "-f", kind, "pipe:1"]
    path.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    assert decoded(path, tmp_path, program).duration_s == pytest.approx(10.0, abs=0.1)


def test_an_estimated_length_is_no_sign_of_damage(tmp_path: Path, program: str) -> None:
    """Noise takes many bits and comes first, so the estimate is far too short or too long."""
    path = tmp_path / "x.mp3"
    media.run_ffmpeg(
        "-f", "lavfi", "-i", "anullsrc=r=44100:cl=mono:d=20", "-f", "lavfi", "-i",
        "anoisesrc=r=44100:d=20", "-filter_complex", "[0][1]concat=n=2:v=0:a=1",
        "-q:a", "4", "-write_xing", "0", str(path), target=path,
    )  # fmt: skip
    assert decoded(path, tmp_path, program).duration_s == pytest.approx(40.0, abs=0.2)


def test_a_few_broken_packets_keep_the_times_of_the_rest(tmp_path: Path, program: str) -> None:
    tone = media.write_wav(tmp_path / "long.wav", 20.0, silent_until_s=15.0)
    path = media.convert(tone, tmp_path / "x.mp3")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    result = decoded(path, tmp_path, program)
    assert result.duration_s == pytest.approx(20.0, abs=1.0)


# ---------------------------------------------------------------- ffmpeg as a process


def write_program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until_dead(pids: list[int]) -> None:
    deadline = time.monotonic() + 20
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline, "a process is left over"
        threading.Event().wait(0.02)


def hanging_program(directory: Path) -> tuple[str, Path]:
    """A program that never ends, and has a child that never ends either."""
    pids = directory / "pids"
    script = f"sleep 600 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait"
    return write_program(directory / "hanging", script), pids


def test_the_deadline_kills_ffmpeg_and_its_children(tone: Path, tmp_path: Path) -> None:
    program, pids = hanging_program(tmp_path)
    error = error_of(tone, tmp_path, program, timeout_s=2.0)
    assert error.code == "decode_timeout"
    assert "2 s" in error.message
    wait_until_dead([int(pid) for pid in pids.read_text().split()])


def test_cancelling_kills_ffmpeg_and_its_children(tone: Path, tmp_path: Path) -> None:
    program, pids = hanging_program(tmp_path)

    def wait_for_start() -> None:
        deadline = time.monotonic() + 20
        while not pids.exists():
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)

    file = MediaFile(tone, tone.stat().st_size)

    async def run() -> None:
        task = asyncio.create_task(
            audio.decode(file, tmp_path, Options(), report_nothing, program=program)
        )
        await asyncio.to_thread(wait_for_start)
        task.cancel()
        await asyncio.wait([task], timeout=20)
        assert task.cancelled()

    asyncio.run(run())
    wait_until_dead([int(pid) for pid in pids.read_text().split()])


def processes_of(directory: Path) -> list[int]:
    """Those whose command line names the directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(directory).encode() in process.read_bytes():
                found.append(int(process.parent.name))
    return found


def test_cancelling_at_any_moment_of_the_start_leaves_nothing(tone: Path, tmp_path: Path) -> None:
    program, _ = hanging_program(tmp_path)
    file = MediaFile(tone, tone.stat().st_size)

    async def run(steps: int) -> None:
        task = asyncio.create_task(
            audio.decode(file, tmp_path, Options(), report_nothing, program=program)
        )
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=20)
        assert task.cancelled()

    for steps in range(12):
        asyncio.run(run(steps))
        wait_until_dead(processes_of(tmp_path))
    gc.collect()  # a pipe that was left open warns here, and warnings are errors


def test_ffmpeg_sees_none_of_the_workers_secrets(
    tone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_SECRET_KEY", "a-secret")
    program = write_program(tmp_path / "spy", f"export -p > {tmp_path}/seen; exit 1")
    error_of(tone, tmp_path, program)
    assert "a-secret" not in (tmp_path / "seen").read_text()


def test_a_flood_of_messages_is_survived(tone: Path, tmp_path: Path) -> None:
    """A line without an end, and a hundred thousand short ones."""
    flood = (
        "{ head -c 3000000 /dev/zero | tr '\\0' x; echo; yes '[error] bad' | head -n 100000; } >&2"
    )
    error = error_of(tone, tmp_path, write_program(tmp_path / "flood", f"{flood}; exit 1"))
    assert error.code == "not_media"
    assert len(error.message) < 500


def test_a_missing_ffmpeg_says_what_to_install(tone: Path, tmp_path: Path) -> None:
    error = error_of(tone, tmp_path, "no-such-ffmpeg")
    assert error.code == "internal_error"
    assert "imageio-ffmpeg" in error.message
