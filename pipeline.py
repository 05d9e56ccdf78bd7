"""The way from a request to a result. The only module that knows the order of the stages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from speech import labelling, segments, timeline
from speech.request import Base64Source, Options, Request, S3Source, Source, UrlSource
from speech.types import Audio, Hearing, MediaFile, Progress, Report, Result, Voice, report_nothing

STAGES: Final = ("download", "decode", "queue", "transcribe", "diarize", "label", "total")


class Engine(Protocol):
    """What the pipeline needs of the engine."""

    async def hear(
        self,
        job_id: str,
        audio: Audio,
        options: Options,
        report: Report,
        voices: Sequence[Voice] = (),
    ) -> Hearing:
        """Words and turns of one recording."""


async def run(
    request: Request,
    engine: Engine,
    job_id: str,
    directory: Path,
    report: Report = report_nothing,
) -> Result:
    """Fetch, decode, hear and label one recording.

    Args:
        request: What to do.
        engine: Hears.
        job_id: Unique among the jobs that are under way.
        directory: For the job's files; the caller removes it.
        report: Called as the work goes on, from any thread.

    Raises:
        WorkerError: With a code and a message for the caller.
    """
    timings_s: dict[str, float] = {}
    with timed(timings_s, "total"):
        with timed(timings_s, "download"):
            media = await fetch(request.source, directory, report)
        with timed(timings_s, "decode"):
            audio = await decode(media, directory, request.options, report)
        with timed(timings_s, "engine"):
            hearing = await engine.hear(job_id, audio, request.options, report)
        report(Progress("label"))
        with timed(timings_s, "label"):
            result = label(hearing, audio, request.options)
    return replace(result, timings_s=whole_timings(timings_s, hearing.timings_s))


def whole_timings(ours_s: Mapping[str, float], engines_s: Mapping[str, float]) -> dict[str, float]:
    """The stages in their order; ``queue`` is what the engine was not at work on this recording."""
    measured_s = {**ours_s, **engines_s}
    measured_s["queue"] = max(0.0, ours_s["engine"] - engines_s["engine"])
    return {stage: measured_s[stage] for stage in STAGES if stage in measured_s}


async def fetch(source: Source, directory: Path, report: Report) -> MediaFile:
    """The recording's bytes, from wherever they are.

    The modules are imported where they are used: boto3 and aiohttp take longer to import than a
    start of the worker may take, and most workers need only one of them.
    """
    match source:
        case Base64Source():
            from utils import inline

            return await asyncio.to_thread(inline.write_base64, source, directory)
        case UrlSource():
            from utils import download

            return await download.download(source, directory, report)
        case S3Source():
            from utils import s3

            return await s3.fetch(source, directory, report)


async def decode(media: MediaFile, directory: Path, options: Options, report: Report) -> Audio:
    """16 kHz mono. The original is deleted then: a long video would fill the disk."""
    from utils import audio

    decoded = await audio.decode(media, directory, options, report)
    media.path.unlink()
    return decoded


def label(hearing: Hearing, audio: Audio, options: Options) -> Result:
    """Speakers to words, words to segments."""
    hearing = timeline.shift(hearing, audio.offset_s)
    transcript, diarization = hearing.transcript, hearing.diarization
    if diarization is not None:
        diarization = labelling.rename_by_first_appearance(diarization)
    words = labelling.label_words(transcript.words, diarization)
    return Result(
        text=transcript.text,
        duration_s=audio.duration_s,
        words=words,
        segments=segments.segment_words(words),
        chars=transcript.chars,
        speakers=labelling.summarise_speakers(diarization) if diarization else (),
        diarized=diarization is not None,
        timestamps=options.timestamps,
        attention=transcript.attention,
        models=hearing.models,
        timings_s={},
        cold=hearing.cold,
        warnings=hearing.warnings,
    )


@contextmanager
def timed(timings_s: dict[str, float], stage: str) -> Iterator[None]:
    """Note how long the block takes."""
    begin = time.monotonic()
    yield
    timings_s[stage] = time.monotonic() - begin
