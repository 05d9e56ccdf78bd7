"""From any audio or video file to what the engine hears: a WAV file, 16 kHz, mono, 16 bits.

ffmpeg reads files that strangers send. It may open that one file and nothing else: formats that
name other files or addresses (playlists, ffconcat, DASH, SDP, image sequences) are not on the list
of formats, and the list of protocols has only ``file``.
"""

from __future__ import annotations

import math
import wave
from pathlib import Path

import ffmpeg

import config
from speech.errors import AudioError, SourceError, WorkerError
from speech.request import Options
from speech.types import Audio, MediaFile, Progress, Report
from utils import container_ends, ffmpeg_process
from utils.ffmpeg_log import FFmpegLog

SAMPLE_RATE_HZ = 16_000
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
_CUT_SIGNS = ("partial file", "File ended prematurely")


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

    Everything before start is decoded too, and dropped: seeking in compressed audio is off by
    seconds in formats without an index.

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
    if media.size_bytes == 0:
        raise SourceError("source_empty", "The recording holds no bytes; send one that does.")
    max_audio_s = config.MAX_AUDIO_S if max_audio_s is None else max_audio_s
    timeout_s = config.DECODE_TIMEOUT_S if timeout_s is None else timeout_s
    program = program or ffmpeg_process.find_program()
    path = directory / "audio.wav"
    end_s = math.inf if options.end_s is None else options.end_s
    stop_s = min(end_s - options.start_s, max_audio_s + 1)
    log = FFmpegLog()

    def take_progress(line: str) -> None:
        name, _, value = line.partition("=")
        if name == "out_time_us" and value.isdigit():
            report(Progress("decode", _fraction(int(value) / 1e6, log, options, stop_s)))

    report(Progress("decode", 0.0))
    try:
        status = await ffmpeg_process.run(
            _command(program, media.path, path, options.start_s, stop_s),
            log.add,
            take_progress,
            timeout_s,
        )
    except TimeoutError as error:
        raise AudioError(
            "decode_timeout",
            f"Decoding took longer than {timeout_s:g} s; send a shorter recording or one in a "
            "plainer format, such as FLAC or MP3.",
        ) from error
    duration_s = _duration_s(path)
    _check_opened(log, media)
    _check_decoded(log, status, duration_s)
    if duration_s > max_audio_s:
        raise _too_long(max_audio_s)
    if _breaks_off(log, media, options, duration_s, stop_s):
        raise _damaged(log, f"It breaks off after {options.start_s + duration_s:.1f} s.")
    if duration_s == 0:
        raise _too_short(log, options)
    report(Progress("decode", 1.0))
    return Audio(path=path, duration_s=duration_s, offset_s=options.start_s)


def _command(program: str, source: Path, target: Path, start_s: float, stop_s: float) -> list[str]:
    window = {"t": f"{stop_s:.6f}"} | ({"ss": f"{start_s:.6f}"} if start_s else {})
    stream = ffmpeg.input(
        f"file:{source}", protocol_whitelist="file", format_whitelist=DEMUXERS, threads=1
    )["a:0"]
    output = ffmpeg.output(
        stream,
        f"file:{target}",
        af=_FILTER,
        ac=1,
        acodec="pcm_s16le",
        f="wav",
        map_metadata=-1,
        vn=None,
        sn=None,
        dn=None,
        **window,
    )
    return [program, *_GLOBAL_ARGUMENTS, *map(str, ffmpeg.get_args(output))]


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


# ---------------------------------------------------------------- what went wrong


def _check_opened(log: FFmpegLog, media: MediaFile) -> None:
    """Raise an ``AudioError`` where ffmpeg found no sound to decode."""
    if log.container is None:
        if log.says("moov atom not found") or container_ends.breaks_off(media):
            raise _damaged(log, "It breaks off before the part that says how to read it.")
        found = "ffmpeg recognises no format in its bytes"
        if log.says("Format not on whitelist", "Not detecting m3u8"):
            found = "it is a playlist, a picture, subtitles or the like"
        raise AudioError(
            "not_media",
            f"The file is no recording that this worker reads: {found}. Send audio or video, for "
            "example WAV, FLAC, MP3, M4A, OGG, WebM or MP4.",
        )
    if "Audio" not in log.streams:
        raise AudioError(
            "no_audio", "The file has no audio stream (a video without sound?); send one that has."
        )


def _check_decoded(log: FFmpegLog, status: int, duration_s: float) -> None:
    """Raise a ``WorkerError`` where ffmpeg gave up, or had nothing but errors to show."""
    if log.says("No space left on device"):
        raise WorkerError("internal_error", "The worker's disk is full. Try again.", retryable=True)
    if log.says("not found for input stream", "no decoder found for"):
        raise AudioError(
            "not_media",
            "The file's audio is in a codec that ffmpeg cannot decode; convert it, for example to "
            "FLAC or MP3.",
        )
    if status != 0 or (duration_s == 0 and log.says("Invalid data found", "rror")):
        raise _damaged(log, "Its audio cannot be decoded.")


def _breaks_off(
    log: FFmpegLog, media: MediaFile, options: Options, duration_s: float, stop_s: float
) -> bool:
    """Whether the recording ends before its time.

    Where everything up to ``end`` came out, nothing is missing. Else it breaks off if

    1. the demuxer says so (MP4 and Matroska state the size of their parts), or
    2. its headers announce more bytes than there are (RIFF, which is WAV and AVI, and Ogg), or
    3. the container states a length and the audio is clearly shorter. Only where the audio is the
       only stream: a video may well be longer than its sound. Nor where ffmpeg has estimated the
       length from the bit rate, which is off for a variable one.

    Errors in single packets are no sign: the decoder skips them, and their time stays as silence.
    Formats that announce nothing (ADTS, MPEG-TS, MP3 without a header, what was written into a
    pipe) may end anywhere; a cut there cannot be told from an end.
    """
    if duration_s >= stop_s - 0.1:
        return False
    if log.says(*_CUT_SIGNS) or container_ends.breaks_off(media):
        return True
    if log.stated_s is None or log.is_estimate or log.streams != ["Audio"]:
        return False
    # A second of slack, or 1 % for the rounding of hour-long frame counts.
    return duration_s < log.stated_s - options.start_s - max(1.0, 0.01 * log.stated_s)


def _damaged(log: FFmpegLog, how: str) -> AudioError:
    is_known = log.stated_s and not log.is_estimate
    stated = f" Its container states {log.stated_s:.1f} s." if is_known else ""
    return AudioError(
        "audio_damaged",
        f"The recording is damaged or incomplete. {how}{stated} Upload it again in full.",
    )


def _too_long(max_audio_s: float) -> AudioError:
    return AudioError(
        "audio_too_long",
        f"The recording is longer than the {max_audio_s:g} s that this worker accepts; send parts "
        "of it with start and end.",
    )


def _too_short(log: FFmpegLog, options: Options) -> AudioError:
    stated = f"; the recording is {log.stated_s:.1f} s long" if log.stated_s else ""
    where = f"from start ({options.start_s:g} s) on" if options.start_s else "in the recording"
    return AudioError(
        "audio_too_short", f"No audio is {where}{stated}. Send a recording or a start with sound."
    )
