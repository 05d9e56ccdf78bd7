"""From any audio or video file to what the engine hears: WAV files, 16 kHz, mono, 16 bits.

ffmpeg reads files that strangers send. It may open that one file and nothing else: formats that
name other files or addresses (playlists, ffconcat, DASH, SDP, image sequences) are not on the list
of formats, and the list of protocols has only ``file``.
"""

from __future__ import annotations

import math
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ffmpeg

import config
from speech.errors import AudioError, SourceError
from speech.request import Options
from speech.types import Audio, MediaFile, Progress, Report
from utils import decode_faults, ffmpeg_process
from utils.ffmpeg_log import FFmpegLog

SAMPLE_RATE_HZ = 16_000
BYTES_PER_S = 2 * SAMPLE_RATE_HZ
MAX_CHANNELS = 8
MAX_DECODED_BYTES = 6 * 10**9
"""For all channels that are heard separately: a day of two of them, or 6.5 hours of eight."""
DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,dtshd,eac3,flac,flv,gsm,loas,matroska,mlp,"
    "mov,mp3,mp4,mpc,mpc8,mpeg,mpegts,mxf,ogg,oma,sox,tak,truehd,tta,voc,w64,wav,webm,wv"
)
"""Self-contained formats. ``mov`` can name other files too, but ffmpeg ignores that by default."""
_GLOBAL_ARGUMENTS = (
    *("-nostdin", "-hide_banner", "-y"),
    *("-nostats", "-loglevel", "level+info", "-progress", "pipe:1"),
)
_FILTER = f"aresample={SAMPLE_RATE_HZ}:async=1:first_pts=0"
"""Silence where the recording has a gap or begins late, so that times stay true to its clock."""
_CHANNELS_AT = slice(20, 24)
"""Where an AU file says how many channels it has, big-endian."""


async def decode(
    media: MediaFile,
    directory: Path,
    options: Options,
    report: Report,
    *,
    max_audio_s: float | None = None,
    timeout_s: float | None = None,
    program: str | None = None,
) -> Audio:
    """Decode a recording's first audio stream, from ``options.start_s`` to ``options.end_s``.

    All channels become one. Everything before start is decoded too, and dropped: seeking in
    compressed audio is off by seconds in formats without an index.

    Args:
        media: The file.
        directory: Where to put ``audio.wav``.
        options: Of the request.
        report: Told of the stage "decode".
        max_audio_s: The longest stretch that is accepted; None takes the configured one.
        timeout_s: The deadline; None takes the configured one.
        program: ffmpeg; None takes what ``ffmpeg_process.find_program`` finds.

    Raises:
        AudioError: The file is no media, has no sound, is damaged, too long or too short.
        WorkerError: ffmpeg cannot run.
    """
    path = directory / "audio.wav"
    await _decode(
        media,
        {path: _FILTER},
        options,
        report,
        max_audio_s=config.MAX_AUDIO_S if max_audio_s is None else max_audio_s,
        timeout_s=config.DECODE_TIMEOUT_S if timeout_s is None else timeout_s,
        program=program or ffmpeg_process.find_program(),
    )
    return Audio(path=path, duration_s=_duration_s(path), offset_s=options.start_s)


async def decode_channels(
    media: MediaFile,
    directory: Path,
    options: Options,
    report: Report,
    *,
    max_audio_s: float | None = None,
    max_bytes: int = MAX_DECODED_BYTES,
    timeout_s: float | None = None,
    program: str | None = None,
) -> tuple[Audio, ...]:
    """As ``decode``, but each channel by itself, as ``channel-0.wav`` and so on.

    Args:
        media: The file.
        directory: Where to put the files.
        options: Of the request.
        report: Told of the stage "decode".
        max_audio_s: The longest stretch that is accepted; None takes the configured one.
        max_bytes: What all the files together may have.
        timeout_s: The deadline; None takes the configured one.
        program: ffmpeg; None takes what ``ffmpeg_process.find_program`` finds.

    Returns:
        The channels in the file's order, all of one length; a mono recording has one.

    Raises:
        RequestError: The recording has more than ``MAX_CHANNELS``.
        AudioError: As of ``decode``; ``audio_too_long`` also where the channels together are.
        WorkerError: ffmpeg cannot run.
    """
    max_audio_s = config.MAX_AUDIO_S if max_audio_s is None else max_audio_s
    timeout_s = config.DECODE_TIMEOUT_S if timeout_s is None else timeout_s
    program = program or ffmpeg_process.find_program()
    channels = await _count_channels(media, directory, timeout_s, program)
    if channels > MAX_CHANNELS:
        raise decode_faults.too_many_channels(channels, MAX_CHANNELS)
    filters = {
        directory / f"channel-{number}.wav": f"pan=mono|c0=c{number},{_FILTER}"
        for number in range(channels)
    }
    max_each_s = max_bytes / (BYTES_PER_S * channels)
    try:
        await _decode(
            media,
            filters,
            options,
            report,
            max_audio_s=min(max_audio_s, max_each_s),
            timeout_s=timeout_s,
            program=program,
        )
    except AudioError as error:
        if error.code == "audio_too_long" and max_each_s < max_audio_s:
            raise decode_faults.channels_too_long(channels, max_each_s) from error
        raise
    duration_s = min(map(_duration_s, filters))
    return tuple(Audio(path, duration_s, options.start_s) for path in filters)


async def _count_channels(media: MediaFile, directory: Path, timeout_s: float, program: str) -> int:
    """The channels of the first audio stream. 1 where it cannot be told: decoding will say why.

    One packet is decoded into a format whose header says it; ffmpeg's log has names of layouts
    instead, which differ between its releases.
    """
    path = directory / "channels.au"
    command = _command(
        program, media.path, {path: {"f": "au", "acodec": "pcm_s16be", "frames:a": 1}}
    )
    try:
        await ffmpeg_process.run(command, lambda _: None, lambda _: None, timeout_s)
        with path.open("rb") as file:
            head = file.read(_CHANNELS_AT.stop)
    except TimeoutError as error:
        raise decode_faults.timed_out(timeout_s) from error
    except FileNotFoundError:
        return 1
    path.unlink()
    return int.from_bytes(head[_CHANNELS_AT], "big") or 1


async def _decode(
    media: MediaFile,
    filters: Mapping[Path, str],
    options: Options,
    report: Report,
    *,
    max_audio_s: float,
    timeout_s: float,
    program: str,
) -> None:
    """One run of ffmpeg: each of ``filters`` makes a file of the first audio stream."""
    if media.size_bytes == 0:
        raise SourceError("source_empty", "The recording holds no bytes; send one that does.")
    end_s = math.inf if options.end_s is None else options.end_s
    stop_s = min(end_s - options.start_s, max_audio_s + 1)
    log = FFmpegLog()
    done_s = 0.0

    def take_progress(line: str) -> None:
        nonlocal done_s
        name, _, value = line.partition("=")
        if name == "out_time_us" and value.isdigit():
            done_s = max(done_s, int(value) / 1e6)  # of several files it may fall
            report(Progress("decode", _fraction(done_s, log, options, stop_s)))

    report(Progress("decode", 0.0))
    window = {"t": f"{stop_s:.6f}"} | ({"ss": f"{options.start_s:.6f}"} if options.start_s else {})
    wav = {"ac": 1, "acodec": "pcm_s16le", "f": "wav", **window}
    outputs = {path: {"af": chain, **wav} for path, chain in filters.items()}
    command = _command(program, media.path, outputs)
    try:
        status = await ffmpeg_process.run(command, log.add, take_progress, timeout_s)
    except TimeoutError as error:
        raise decode_faults.timed_out(timeout_s) from error
    duration_s = min(map(_duration_s, filters))
    decode_faults.check_opened(log, media)
    decode_faults.check_decoded(log, status, duration_s)
    if duration_s > max_audio_s:
        raise decode_faults.too_long(max_audio_s)
    if decode_faults.breaks_off(log, media, options, duration_s, stop_s):
        raise decode_faults.damaged(
            log, f"It breaks off after {options.start_s + duration_s:.1f} s."
        )
    if duration_s == 0:
        raise decode_faults.too_short(log, options)
    report(Progress("decode", 1.0))


def _command(program: str, source: Path, outputs: Mapping[Path, Mapping[str, object]]) -> list[str]:
    stream = ffmpeg.input(
        f"file:{source}", protocol_whitelist="file", format_whitelist=DEMUXERS, threads=1
    )["a:0"]
    nothing_else: dict[str, Any] = {"map_metadata": -1, "vn": None, "sn": None, "dn": None}
    made = [
        ffmpeg.output(stream, f"file:{path}", **nothing_else, **options)
        for path, options in outputs.items()
    ]
    return [program, *_GLOBAL_ARGUMENTS, *map(str, ffmpeg.get_args(ffmpeg.merge_outputs(*made)))]


def _fraction(done_s: float, log: FFmpegLog, options: Options, stop_s: float) -> float | None:
    if log.stated_s is None:
        return None
    expected_s = min(stop_s, log.stated_s - options.start_s)
    return min(1.0, done_s / expected_s) if expected_s > 0 else None


def _duration_s(path: Path) -> float:
    """The length of what ffmpeg wrote; 0 where it wrote nothing that is whole."""
    try:
        with wave.open(str(path)) as file:
            return float(file.getnframes() / file.getframerate())
    except (OSError, EOFError, wave.Error):
        return 0.0
