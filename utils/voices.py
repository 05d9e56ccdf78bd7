"""Samples of known speakers' voices: from the request to files that the engine hears."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import config
from speech.errors import WorkerError
from speech.request import KnownSpeaker, Options, Source
from speech.types import Voice, report_nothing
from utils import audio, sources, together

MAX_SAMPLE_S: Final = 120.0
"""More of a voice makes it no clearer."""
MAX_SAMPLE_BYTES: Final = 100 << 20
"""Two minutes of sound in any format, or of video."""
AT_ONCE: Final = 4
"""Samples that are fetched or decoded at a time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted of one sample."""

    max_s: float = MAX_SAMPLE_S
    max_bytes: int = MAX_SAMPLE_BYTES


def sample_field(person: int, sample: int) -> str:
    """What messages call a sample: its place in the request."""
    return f"known_speakers[{person}].samples[{sample}]"


async def prepare(
    known: Sequence[KnownSpeaker], directory: Path, limits: Limits | None = None
) -> tuple[Voice, ...]:
    """Fetch and decode all samples.

    Args:
        known: Of the request.
        directory: Of the job; each sample gets a folder in it.
        limits: Of one sample.

    Returns:
        The voices in the same order, their samples too.

    Raises:
        WorkerError: The first failure, under the name of its sample.
    """
    limits = limits or Limits()
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(person: int, sample: int, source: Source) -> Path:
        folder = _new_folder(directory, person, sample)
        async with turns:
            return await _prepare_one(sample_field(person, sample), source, folder, limits)

    async def voice(person: int, speaker: KnownSpeaker) -> Voice:
        paths = await together.all_of(
            one(person, sample, source) for sample, source in enumerate(speaker.samples)
        )
        return Voice(speaker.name, tuple(paths), speaker.voiceprint)

    return tuple(await together.all_of(voice(*numbered) for numbered in enumerate(known)))


def _new_folder(directory: Path, person: int, sample: int) -> Path:
    folder = directory / "voices" / f"{person}-{sample}"
    folder.mkdir(parents=True)
    return folder


async def _prepare_one(field: str, source: Source, folder: Path, limits: Limits) -> Path:
    max_bytes = min(limits.max_bytes, config.MAX_SOURCE_BYTES)
    try:
        media = await sources.fetch(source, folder, report_nothing, max_bytes=max_bytes)
        decoded = await audio.decode(
            media, folder, Options(), report_nothing, max_audio_s=limits.max_s
        )
    except WorkerError as error:
        raise _named(error, field, limits) from error
    media.path.unlink()
    return decoded.path


def _named(error: WorkerError, field: str, limits: Limits) -> WorkerError:
    """The same error, of a sample and not of the recording, which has a start and an end."""
    message = f"{field}: {error.message}"
    if error.code == "audio_too_long":
        message = (
            f"{field} is longer than {limits.max_s:g} s; send some seconds in which this person "
            "speaks alone."
        )
    elif error.code == "audio_too_short":
        message = f"{field} holds no sound; send some seconds in which this person speaks alone."
    return WorkerError(error.code, message, retryable=error.retryable)
