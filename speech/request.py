"""What is asked for: the types that a request is read into, all frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

TimestampLevel = Literal["word", "segment", "char"]
AttentionChoice = Literal["auto", "full", "local", "windows"]
DiarizerChoice = Literal["auto", "pyannote", "sortformer"]
ChannelsChoice = Literal["mix", "separate"]
ReferenceFormat = Literal["text", "stm", "ctm", "rttm", "seglst"]
FileFormat = Literal[
    "srt", "vtt", "ass", "txt", "md", "tsv", "csv", "rttm", "ctm", "stm", "seglst", "lrc", "html"
]
Shape = Literal[
    "default", "text", "openai", "openai_diarized", "whisperx", "deepgram", "assemblyai"
]


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


@dataclass(frozen=True, slots=True)
class FileSource:
    """A recording on this machine. No JSON request can name one: only the command line does."""

    path: Path


@dataclass(frozen=True, slots=True)
class EarlierResult:
    """What an earlier job answered: it is presented anew, and nothing is heard."""

    answer: Mapping[str, object]


Source = Base64Source | UrlSource | S3Source | FileSource


@dataclass(frozen=True, slots=True)
class Options:
    """What to do with the recording. Each field is an option of the request."""

    timestamps: tuple[TimestampLevel, ...] = ("word", "segment")
    diarize: bool = True
    num_speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    diarizer: DiarizerChoice = "auto"
    speaker_embeddings: bool = False
    """Whether to return what the speakers' voices are told apart by."""
    channels: ChannelsChoice = "mix"
    attention: AttentionChoice = "auto"
    hotwords: tuple[str, ...] = ()
    """Words and phrases that are to be heard rather than what sounds like them."""
    language: str | None = None
    """The language that is expected, as ISO 639-1 names it."""
    start_s: float = 0.0
    """Where to begin in the recording."""
    end_s: float | None = None
    """Where to stop; None is the recording's end."""
    stream: bool = False
    """Whether segments are returned as they are heard, on an endpoint that streams."""


@dataclass(frozen=True, slots=True)
class KnownSpeaker:
    """A person whose voice the caller has: in recordings, or as an earlier result returned it."""

    name: str
    samples: tuple[Source, ...]
    voiceprint: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class Reference:
    """What was really said, to score the result by."""

    format: ReferenceFormat
    content: str


@dataclass(frozen=True, slots=True)
class SubtitleRules:
    """How subtitles are cut. The defaults are what broadcasters ask for."""

    max_line_chars: int = 42
    max_lines: int = 2
    max_chars_per_s: float = 17.0
    """Reading speed, spaces counted."""
    min_duration_s: float = 1.0
    max_duration_s: float = 7.0
    min_gap_s: float = 0.08
    """Between two subtitles: two frames at 25 a second."""
    highlight_words: bool = False
    """Whether each word is lit while it is spoken (vtt and ass)."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """In what form the result is returned. None of it changes what was heard."""

    formats: tuple[FileFormat, ...] = ()
    """Files to write, each once, in the order asked for."""
    response_format: Shape = "default"
    include: tuple[str, ...] = ()
    """Keys of the answer to keep, such as "text" or "timestamps.word"; none keeps all."""
    exclude: tuple[str, ...] = ()
    """Keys of the answer to leave out."""
    subtitles: SubtitleRules = SubtitleRules()
    speaker_names: Mapping[str, str] = field(default_factory=dict)
    """What to call speakers, by their id."""


@dataclass(frozen=True, slots=True)
class UrlTarget:
    """Where a result is put: a presigned URL for PUT."""

    url: str


@dataclass(frozen=True, slots=True)
class S3Target:
    """Where a result is put: a bucket that the worker's own credentials can write."""

    key: str
    """Of the JSON. Files lie beside it, under their own endings."""
    bucket: str | None = None
    """None means the configured bucket."""


Target = UrlTarget | S3Target


@dataclass(frozen=True, slots=True)
class Webhook:
    """Who else is told how a job ends."""

    url: str
    secret: str | None
    """What calls are signed with; None leaves them unsigned."""
    progress: bool = False
    """Whether progress is told, too."""


@dataclass(frozen=True, slots=True)
class Request:
    """A validated request."""

    source: Source | EarlierResult
    options: Options
    known_speakers: tuple[KnownSpeaker, ...] = ()
    reference: Reference | None = None
    presentation: Presentation = Presentation()
    output: Target | None = None
    """Where the result is put; None returns it."""
    webhook: Webhook | None = None
