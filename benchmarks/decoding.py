"""How fast a long recording is decoded, and in how much memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rows import Row
from tests.environments import CONVERSATION, ROOT, worker_python

HOUR_S = 3600

DECODE = """
import asyncio, json, resource, sys, time
from pathlib import Path
from speech.request import Options
from speech.types import MediaFile, report_nothing
from utils import audio
media = MediaFile(Path(sys.argv[1]), Path(sys.argv[1]).stat().st_size)
begin = time.perf_counter()
decoded = asyncio.run(audio.decode(media, Path(sys.argv[2]), Options(), report_nothing))
seconds = time.perf_counter() - begin
peak = lambda who: resource.getrusage(who).ru_maxrss / 1024
print(json.dumps([decoded.duration_s / seconds, peak(resource.RUSAGE_SELF),
                  peak(resource.RUSAGE_CHILDREN), seconds]))
"""


def rows(folder: Path, runs: int) -> Iterator[Row]:
    """A one-hour mp3 through utils/audio.py, beside plain ffmpeg to nowhere."""
    hour = folder / "hour.mp3"
    make_hour(hour)
    baseline = tuple(plain_ffmpeg(hour) for _ in range(runs))
    yield Row("plain ffmpeg decodes a 1-hour mp3 (baseline)", baseline, "x real time")
    results = [decode(hour, folder) for _ in range(runs)]
    speeds, worker_mb, ffmpeg_mb = zip(*[result[:3] for result in results], strict=True)
    yield Row("decoding a 1-hour mp3 to 16 kHz mono", speeds, "x real time", ">= 150 x")
    yield Row("  the worker process meanwhile, at its peak", worker_mb, "MB", "< 300 MB")
    yield Row("  ffmpeg meanwhile, at its peak", ffmpeg_mb, "MB")


def make_hour(path: Path) -> None:
    """The demo conversation again and again, as a 44.1 kHz stereo mp3 of an hour."""
    command = [ffmpeg(), "-v", "error", "-stream_loop", "-1", "-i", str(CONVERSATION)]
    command += ["-t", str(HOUR_S), "-ar", "44100", "-ac", "2", "-b:a", "128k", str(path)]
    subprocess.run(command, check=True)


def plain_ffmpeg(path: Path) -> float:
    """Times real time of ffmpeg by itself, resampling too, writing nothing."""
    begin = time.perf_counter()
    command = [ffmpeg(), "-v", "error", "-i", str(path), "-ar", "16000", "-ac", "1"]
    subprocess.run([*command, "-f", "null", "-"], check=True)
    return HOUR_S / (time.perf_counter() - begin)


def decode(path: Path, folder: Path) -> list[float]:
    """[times real time, the worker's peak MB, ffmpeg's peak MB, seconds]."""
    out = folder / "decoded"
    out.mkdir()
    command: list[str | Path] = [worker_python(), "-c", DECODE, path, out]
    answer: list[float] = json.loads(subprocess.check_output(command, cwd=ROOT))
    shutil.rmtree(out)
    return answer


def ffmpeg() -> str:
    """The program that the worker itself would use."""
    code = "from utils import ffmpeg_process; print(ffmpeg_process.find_program())"
    return subprocess.check_output([worker_python(), "-c", code], cwd=ROOT, text=True).strip()
