"""Recordings for tests, made with the standard library and ffmpeg."""

from __future__ import annotations

import functools
import math
import shutil
import struct
import subprocess
import wave
from pathlib import Path

import imageio_ffmpeg

VIDEO_INPUT = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=5:d={seconds}")


@functools.cache
def ffmpeg_programs() -> tuple[str, ...]:
    """Every ffmpeg of this machine: Debian's, where it is installed, and the wheel's newer one."""
    on_path = shutil.which("ffmpeg")
    return ((on_path,) if on_path else ()) + (str(imageio_ffmpeg.get_ffmpeg_exe()),)


def write_wav(
    path: Path,
    seconds: float = 2.0,
    *,
    rate_hz: int = 16_000,
    channels: int = 1,
    silent_until_s: float = 0.0,
) -> Path:
    """A tone of 440 Hz, at half of full scale, after silence."""
    frames = bytearray()
    for index in range(round(seconds * rate_hz)):
        time_s = index / rate_hz
        loud = math.sin(2 * math.pi * 440 * time_s) if time_s >= silent_until_s else 0.0
        frames += struct.pack("<h", round(16_000 * loud)) * channels
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(bytes(frames))
    return path


def convert(source: Path, target: Path, *arguments: str) -> Path:
    """Convert with any ffmpeg; the target's name says into what."""
    return run_ffmpeg("-i", str(source), *arguments, str(target), target=target)


def run_ffmpeg(*arguments: str, target: Path) -> Path:
    """Run with arguments of one's own."""
    command = [ffmpeg_programs()[0], "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, timeout=120)
    return target


def write_video(path: Path, audio: Path | None, seconds: float = 2.0) -> Path:
    """A test picture that moves, with the sound of ``audio`` or without sound."""
    picture = tuple(part.format(seconds=seconds) for part in VIDEO_INPUT)
    sound = ("-i", str(audio), "-c:a", "aac") if audio else ()
    codec = "flv" if path.suffix == ".flv" else "mpeg4"
    return run_ffmpeg(*picture, *sound, "-c:v", codec, str(path), target=path)


def cut(path: Path, share: float = 0.6) -> Path:
    """Keep the beginning of a file only."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def loud_stretch_s(path: Path) -> tuple[float, float]:
    """Where a mono 16-bit WAV file is loud: from when to when."""
    loud_s = _loud_s(path)
    return loud_s[0], loud_s[-1]


def is_loud(path: Path) -> bool:
    """Whether a mono 16-bit WAV file is loud anywhere."""
    return bool(_loud_s(path))


def _loud_s(path: Path) -> list[float]:
    with wave.open(str(path)) as file:
        rate_hz = file.getframerate()
        samples = memoryview(file.readframes(file.getnframes())).cast("h")
    return [index / rate_hz for index, sample in enumerate(samples) if abs(sample) > 4000]


def write_mov_that_names_another_file(path: Path, other: str) -> Path:
    """A silent QuickTime file that says that its samples are in ``other``, beside it.

    The data reference ("dref") of the track becomes an alias record, as QuickTime writes them.
    """
    run_ffmpeg(
        "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=2", "-c:a", "pcm_s16be", str(path),
        target=path,
    )  # fmt: skip
    content = path.read_bytes()
    begin = content.index(b"dref") - 4
    end = begin + int.from_bytes(content[begin : begin + 4], "big")
    name = other.encode()
    record = bytes(6) + struct.pack(">HHB27s12xB63s16xhh16x", 2, 0, 1, b"v", len(name), name, 1, 1)
    for kind, text in ((2, b"v:" + name), (18, b"/" + name)):
        record += struct.pack(">hh", kind, len(text)) + text + bytes(len(text) % 2)
    record += struct.pack(">hh", -1, 0)
    entry = struct.pack(">I4sI", 12 + len(record), b"alis", 0) + record
    atom = struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry
    grown = bytearray(content[:begin] + atom + content[end:])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        # The last one of each name before the reference: handlers and media headers come earlier.
        at = content.rindex(parent, 0, begin) - 4
        size = int.from_bytes(content[at : at + 4], "big") + len(atom) - (end - begin)
        grown[at : at + 4] = size.to_bytes(4, "big")
    path.write_bytes(grown)
    return path
