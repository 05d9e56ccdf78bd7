"""Every type that crosses a stage, frozen, in the order in which data flows.

Times are seconds from the start of the recording as it was sent, as floats; only the envelope
rounds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# ---------------------------------------------------------------- validation -> fetching

TimestampLevel = Literal["word", "segment", "char"]
AttentionChoice = Literal["auto", "full", "local"]
AttentionUsed = Literal["full", "local"]


@dataclass(frozen=True, slots=True)
class Base64Source:
    """A recording inside the request."""

    data: str
    """Base64 text without a data URI's prefix."""


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A recording behind an HTTPS (or HTTP) URL, usually a presigned one."""

    url: str


@dataclass(frozen=True, slots=True)
class S3Source:
    """A recording in an S3 bucket that the worker's own credentials can read."""

    key: str
    bucket: str | None
    """None means the configured bucket."""


Source = Base64Source | UrlSource | S3Source


@dataclass(frozen=True, slots=True)
class Options:
    """What to do with the recording. Each field is an option of the request."""

    timestamps: tuple[TimestampLevel, ...] = ("word", "segment")
    diarize: bool = True
    num_speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    attention: AttentionChoice = "auto"
    start_s: float = 0.0
    """Where to begin in the recording."""
    end_s: float | None = None
    """Where to stop; None is the recording's end."""


@dataclass(frozen=True, slots=True)
class Request:
    """A validated request."""

    source: Source
    options: Options


# ---------------------------------------------------------------- fetching -> decoding


@dataclass(frozen=True, slots=True)
class MediaFile:
    """The recording's bytes on disk, in whatever container they came."""

    path: Path
    size_bytes: int


# ---------------------------------------------------------------- decoding -> engine


@dataclass(frozen=True, slots=True)
class Audio:
    """A WAV file: 16 kHz, mono, 16-bit PCM."""

    path: Path
    duration_s: float
    """Length of the WAV file."""
    offset_s: float = 0.0
    """Where the file begins in the recording as it was sent (the option ``start``)."""


# ---------------------------------------------------------------- engine -> labelling


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word with its punctuation."""

    text: str
    start_s: float
    end_s: float
    confidence: float
    """0 to 1, aggregated from the confidences of the word's tokens."""


@dataclass(frozen=True, slots=True)
class Char:
    """A piece of a word: what one token of the model spells."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said. Words carry no speakers."""

    text: str
    words: tuple[Word, ...]
    chars: tuple[Char, ...]
    attention: AttentionUsed


@dataclass(frozen=True, slots=True)
class SpeakerTurn:
    """One speaker speaks. Turns carry no words."""

    speaker: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Diarization:
    """Who spoke when."""

    turns: tuple[SpeakerTurn, ...]
    """Overlapped speech has one turn for each speaker."""
    exclusive_turns: tuple[SpeakerTurn, ...]
    """One speaker at a time."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """The engine's whole answer to one recording."""

    transcript: Transcript
    diarization: Diarization | None
    """None where diarization was not asked for."""
    models: Mapping[str, str]
    """What was used for "asr" and "diarization": a hub name with its revision, or a file name."""
    warnings: tuple[str, ...] = ()
    timings_s: Mapping[str, float] = field(default_factory=dict)
    """"transcribe" and "diarize", which run at the same time, and "engine": from the begin of the
    one that began first to the end of both."""
    cold: bool = False
    """Whether the engine had to be started first."""


# ---------------------------------------------------------------- labelling -> envelope


@dataclass(frozen=True, slots=True)
class LabelledWord:
    """A word and who said it."""

    text: str
    start_s: float
    end_s: float
    confidence: float
    speaker: str | None
    """None only where no diarization ran, or it found nobody."""
    speaker_confidence: float | None


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive words of one speaker, usually a sentence."""

    text: str
    start_s: float
    end_s: float
    speaker: str | None


@dataclass(frozen=True, slots=True)
class SpeakerSummary:
    """One speaker of the whole recording."""

    id: str
    talk_time_s: float
    turns: int


@dataclass(frozen=True, slots=True)
class Result:
    """Everything the envelope shows of a success."""

    text: str
    duration_s: float
    words: tuple[LabelledWord, ...]
    segments: tuple[Segment, ...]
    chars: tuple[Char, ...]
    speakers: tuple[SpeakerSummary, ...]
    diarized: bool
    timestamps: tuple[TimestampLevel, ...]
    attention: AttentionUsed
    models: Mapping[str, str]
    timings_s: Mapping[str, float]
    cold: bool
    warnings: tuple[str, ...]


# ---------------------------------------------------------------- progress, across all stages


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job stands."""

    stage: str
    """"install", "load", "download", "decode", "queue", "transcribe", "diarize" or "label"."""
    fraction: float | None = None
    """Share of the stage that is done, 0 to 1; None where it cannot be known."""
    detail: str | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None
    remaining_s: float | None = None
    """An estimate."""


Report = Callable[[Progress], None]


def report_nothing(progress: Progress) -> None:
    """Drop the progress: the default of every ``report`` parameter."""
