"""The way from a request to a result. The only module that knows the order of the stages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from speech import channels, copies, coverage, envelope, labelling, segments, timeline
from speech.request import EarlierResult, Options, Request
from speech.spoken import Scored
from speech.types import Audio, Hearing, MediaFile, Progress, Report, Result, Voice, report_nothing
from utils import channel_hearing, language, scoring_process, sources, together
from utils.channel_hearing import Heard

STAGES: Final = ("download", "decode", "queue", "transcribe", "diarize", "label", "score", "total")


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

    async def score(self, asked: Mapping[str, object]) -> Scored:
        """What a result is worth, beside what was said; see ``utils.scoring_process``."""


async def run(
    request: Request,
    engine: Engine,
    job_id: str,
    directory: Path,
    report: Report = report_nothing,
) -> Result:
    """Fetch, decode, hear and label one recording.

    Args:
        request: What to do; its source is a recording.
        engine: Hears.
        job_id: Unique among the jobs that are under way.
        directory: For the job's files; the caller removes it.
        report: Called as the work goes on, from any thread.

    Raises:
        WorkerError: With a code and a message for the caller.
    """
    timings_s: dict[str, float] = {}
    with timed(timings_s, "total"):
        audios, voices = await together.both(
            get_audio(request, directory, report, timings_s), get_voices(request, directory)
        )
        with timed(timings_s, "engine"):
            report(Progress("queue", audio_s=sum(audio.duration_s for audio in audios)))
            heard, _ = await together.both(
                hear(engine, job_id, audios, request.options, report, voices=voices),
                asyncio.to_thread(language.load),  # has time now
            )
        report(Progress("label"))
        with timed(timings_s, "label"):
            result = await label(heard, audios, request.options)
            result = await name_languages(result, request.options.language)
        if request.reference is not None:
            report(Progress("score"))
            with timed(timings_s, "score"):
                result = await score(result, heard.hearings[0], audios[0], request, engine)
    return replace(result, timings_s=whole_timings(timings_s, heard.timings_s))


def whole_timings(ours_s: Mapping[str, float], engines_s: Mapping[str, float]) -> dict[str, float]:
    """The stages in their order; ``queue`` is what the engine was not at work on this recording."""
    measured_s = {**ours_s, **engines_s}
    measured_s["queue"] = max(0.0, ours_s["engine"] - engines_s["engine"])
    return {stage: measured_s[stage] for stage in STAGES if stage in measured_s}


async def get_audio(
    request: Request, directory: Path, report: Report, timings_s: dict[str, float]
) -> tuple[Audio, ...]:
    """The recording, fetched and decoded; its channels, where they are heard separately."""
    assert not isinstance(request.source, EarlierResult)
    with timed(timings_s, "download"):
        media = await sources.fetch(request.source, directory, report)
    with timed(timings_s, "decode"):
        return await decode(media, directory, request.options, report)


async def get_voices(request: Request, directory: Path) -> Sequence[Voice]:
    """Samples of the known speakers, fetched and decoded while the recording is."""
    if not request.known_speakers:
        return ()
    from utils import voices

    return await voices.prepare(request.known_speakers, directory)


async def decode(
    media: MediaFile, directory: Path, options: Options, report: Report
) -> tuple[Audio, ...]:
    """16 kHz mono. The original is deleted then: a long video would fill the disk."""
    from utils import audio

    if options.channels == "separate":
        decoded = await audio.decode_channels(media, directory, options, report)
    else:
        decoded = (await audio.decode(media, directory, options, report),)
    media.path.unlink()
    return decoded


async def hear(
    engine: Engine,
    job_id: str,
    audios: Sequence[Audio],
    options: Options,
    report: Report,
    *,
    voices: Sequence[Voice],
) -> Heard:
    """The recording, or all of its channels at once."""
    if options.channels == "separate":
        return await channel_hearing.hear(engine.hear, job_id, audios, options, report)
    told = timeline.telling_later(report, audios[0].offset_s)
    hearing = await engine.hear(job_id, audios[0], options, told, voices)
    return Heard((hearing,), hearing.timings_s)


async def label(heard: Heard, audios: Sequence[Audio], options: Options) -> Result:
    """Speakers to words, words to segments."""
    if options.channels == "mix":
        return label_mix(heard.hearings[0], audios[0], options)
    return await asyncio.to_thread(label_channels, heard.hearings, audios, options)


def label_channels(
    hearings: Sequence[Hearing], audios: Sequence[Audio], options: Options
) -> Result:
    """Each channel a speaker, and what is heard on several kept once."""
    from utils import crosstalk

    comparisons = crosstalk.compare([audio.path for audio in audios], copies.doubts(hearings))
    return channels.join(hearings, comparisons, audios, options.timestamps)


async def name_languages(result: Result, expected: str | None) -> Result:
    """The language of the whole and of each segment; a warning where another was expected."""
    texts = [segment.text for segment in result.segments]
    found = await asyncio.to_thread(language.detect, result.text, texts, expected)
    named = zip(result.segments, found.segments, strict=True)
    return replace(
        result,
        language=found.whole,
        segments=tuple(replace(segment, language=spoken) for segment, spoken in named),
        warnings=(*result.warnings, *language.warnings(found, expected)),
    )


def label_mix(hearing: Hearing, audio: Audio, options: Options) -> Result:
    """The diarizer's speakers, where there was one."""
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
        speakers=(
            labelling.summarise_speakers(diarization, voiceprints=options.speaker_embeddings)
            if diarization
            else ()
        ),
        diarized=diarization is not None,
        timestamps=options.timestamps,
        attention=transcript.attention,
        models=hearing.models,
        timings_s={},
        cold=hearing.cold,
        warnings=hearing.warnings,
        plan=transcript.plan,
        coverage=coverage.coverage(transcript.words, diarization.turns) if diarization else None,
        turns=diarization.turns if diarization else (),
    )


async def score(
    result: Result, hearing: Hearing, audio: Audio, request: Request, engine: Engine
) -> Result:
    """The result with its scores, where the request says what was said."""
    if request.reference is None:
        return result
    diarization = timeline.shift(hearing, audio.offset_s).diarization
    asked = scoring_process.question(
        request.reference,
        envelope.success(replace(result, timestamps=("word",))),
        diarization.turns if diarization else None,
        request.options,
    )
    scored = await engine.score(asked)
    return replace(result, scores=scored.scores, warnings=(*result.warnings, *scored.warnings))


@contextmanager
def timed(timings_s: dict[str, float], stage: str) -> Iterator[None]:
    """Note how long the block takes."""
    begin = time.monotonic()
    yield
    timings_s[stage] = time.monotonic() - begin
