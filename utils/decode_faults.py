"""What is wrong with a recording that does not decode: ffmpeg's log and the file tell."""

from __future__ import annotations

from speech.errors import AudioError, RequestError, WorkerError
from speech.request import Options
from speech.types import MediaFile
from utils import container_ends
from utils.ffmpeg_log import FFmpegLog

_CUT_SIGNS = ("partial file", "File ended prematurely")


def check_opened(log: FFmpegLog, media: MediaFile) -> None:
    """Raise an ``AudioError`` where ffmpeg found no sound to decode."""
    if log.container is None:
        if log.says("moov atom not found") or container_ends.breaks_off(media):
            raise damaged(log, "It breaks off before the part that says how to read it.")
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


def check_decoded(log: FFmpegLog, status: int, duration_s: float) -> None:
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
        raise damaged(log, "Its audio cannot be decoded.")


def breaks_off(
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


def damaged(log: FFmpegLog, how: str) -> AudioError:
    """The recording ends before its time, or cannot be decoded; ``how`` is a sentence."""
    is_known = log.stated_s and not log.is_estimate
    stated = f" Its container states {log.stated_s:.1f} s." if is_known else ""
    return AudioError(
        "audio_damaged",
        f"The recording is damaged or incomplete. {how}{stated} Upload it again in full.",
    )


def too_long(max_audio_s: float) -> AudioError:
    """More than may be heard came out."""
    return AudioError(
        "audio_too_long",
        f"The recording is longer than the {max_audio_s:g} s that this worker accepts; send parts "
        "of it with start and end.",
    )


def too_short(log: FFmpegLog, options: Options) -> AudioError:
    """Nothing came out."""
    stated = f"; the recording is {log.stated_s:.1f} s long" if log.stated_s else ""
    where = f"from start ({options.start_s:g} s) on" if options.start_s else "in the recording"
    return AudioError(
        "audio_too_short", f"No audio is {where}{stated}. Send a recording or a start with sound."
    )


def timed_out(timeout_s: float) -> AudioError:
    """The decoder was not done in time."""
    return AudioError(
        "decode_timeout",
        f"Decoding took longer than {timeout_s:g} s; send a shorter recording or one in a plainer "
        "format, such as FLAC or MP3.",
    )


def too_many_channels(channels: int, most: int) -> RequestError:
    """More channels than are heard separately."""
    return RequestError(
        f"channels is separate, and the recording has {channels} channels; at most {most} are "
        "heard separately. Send channels mix, or a recording with fewer."
    )


def channels_too_long(channels: int, max_each_s: float) -> AudioError:
    """The channels together would take more disk than a job may."""
    return AudioError(
        "audio_too_long",
        f"The recording's {channels} channels can be heard separately up to {max_each_s:.0f} s of "
        "each; send parts of it with start and end, or channels mix.",
    )
