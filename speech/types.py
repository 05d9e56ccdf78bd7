"""Every type that crosses a stage after the request, frozen, in the order in which data flows.

Times are seconds from the start of the recording as it was sent, as floats; only the envelope
rounds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from speech.request import TimestampLevel

AttentionUsed = Literal["full", "local", "windows"]

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


@dataclass(frozen=True, slots=True)
class Voice:
    """A known speaker as the engine is told of one."""

    name: str
    recordings: tuple[Path, ...]
    """WAV files: 16 kHz, mono, 16-bit PCM."""
    voiceprint: tuple[float, ...] | None


# ---------------------------------------------------------------- engine -> labelling


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word with its punctuation."""

    text: str
    start_s: float
    end_s: float
    confidence: float
    """0 to 1, aggregated from the confidences of the word's tokens."""
    repaired: bool = False
    """Whether it was heard only when a stretch without words was heard again."""


@dataclass(frozen=True, slots=True)
class Char:
    """A piece of a word: what one token of the model spells."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """How the speech model went through a recording, and why."""

    passes: int
    """How many parts it was heard in."""
    longest_s: float
    """Length of the longest of them."""
    reason: str
    """One sentence."""
    estimated_bytes: int | None = None
    """What the longest pass was expected to need beside the model."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said. Words carry no speakers."""

    text: str
    words: tuple[Word, ...]
    chars: tuple[Char, ...]
    attention: AttentionUsed
    plan: Plan | None = None


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
    names: Mapping[str, str] = field(default_factory=dict)
    """Which of the turns' speakers is which known one; strangers are left out."""
    voiceprints: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Of the turns' speakers. A speaker of whom too little was heard has none."""


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
    overlap: bool = False
    """Whether somebody else speaks at the same time."""
    repaired: bool = False
    """See ``Word``."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive words of one speaker, usually a sentence."""

    text: str
    start_s: float
    end_s: float
    speaker: str | None
    language: Language | None = None
    """None where the text is too short to tell."""


@dataclass(frozen=True, slots=True)
class Language:
    """What language a text is in."""

    code: str
    """As ISO 639-1 names it."""
    confidence: float
    """0 to 1."""
    expected: bool = True
    """False where the request expects another one."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the speech that the diarizer hears has words."""

    speech_s: float
    covered_s: float
    gaps: tuple[tuple[float, float], ...]
    """Start and end of each stretch of speech that stayed without words."""


@dataclass(frozen=True, slots=True)
class SpeakerSummary:
    """One speaker of the whole recording."""

    id: str
    talk_time_s: float
    turns: int
    voiceprint: tuple[float, ...] | None = None


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
    plan: Plan | None = None
    language: Language | None = None
    coverage: Coverage | None = None
    """None where no diarizer said where speech is."""
    scores: Mapping[str, object] | None = None
    """Where the request had a reference."""
    turns: tuple[SpeakerTurn, ...] = ()
    """Who spoke when, overlaps included, in order; words or none."""


# ---------------------------------------------------------------- progress, across all stages


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job stands."""

    stage: str
    """See ``speech.forecast.WEIGHTS``."""
    fraction: float | None = None
    """Share of the stage that is done, 0 to 1; None where it cannot be known."""
    detail: str | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None
    remaining_s: float | None = None
    """An estimate."""
    audio_s: float | None = None
    """How much there is to hear, where that has become known."""
    words: tuple[Word, ...] = ()
    """What was heard since the last time, where the request wants it as it is heard."""


Report = Callable[[Progress], None]


def report_nothing(progress: Progress) -> None:
    """Drop the progress: the default of every ``report`` parameter."""
