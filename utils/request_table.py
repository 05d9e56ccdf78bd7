"""The whole list of the request's fields; the README's tables come from it."""

from __future__ import annotations

from utils import request_schemas as schemas
from utils.presentation_fields import read_earlier
from utils.presentation_table import PRESENTATION
from utils.request_fields import (
    ATTENTIONS,
    CHANNELS,
    DIARIZERS,
    LANGUAGES,
    MAX_SPEAKERS,
    SORTFORMER_SPEAKERS,
    Field,
    choice_of,
    read_base64,
    read_count,
    read_flag,
    read_seconds,
    read_text,
    read_timestamps,
    read_url,
)
from utils.request_objects import (
    MAX_HOTWORD_CHARACTERS,
    MAX_HOTWORDS,
    MAX_KNOWN_SPEAKERS,
    MAX_REFERENCE_CHARACTERS,
    MAX_SAMPLES,
    REFERENCES,
    read_hotwords,
    read_known_speakers,
    read_reference,
)

_COUNT_BOUNDS = f"1 to {MAX_SPEAKERS}"

SOURCES: tuple[Field, ...] = (
    Field(
        name="audio_base64",
        type="string",
        default="",
        bounds="10 MB a request on /run, 20 MB on /runsync",
        description="The recording itself, as base64 or as a base64 data URI.",
        read=read_base64,
        schema=schemas.TEXT,
    ),
    Field(
        name="audio_url",
        aliases=("audio",),
        type="string",
        default="",
        bounds="http or https; public addresses only",
        description="Where to download the recording, usually a presigned S3 URL.",
        read=read_url,
        schema=schemas.URL,
    ),
    Field(
        name="s3_key",
        type="string",
        default="",
        bounds="",
        description="The recording's key in an S3 bucket that the worker has credentials for.",
        read=read_text,
        schema=schemas.TEXT,
    ),
    Field(
        name="s3_bucket",
        type="string",
        default="S3_BUCKET of the worker",
        bounds="with s3_key only",
        description="The bucket of s3_key.",
        read=read_text,
        schema=schemas.TEXT,
    ),
    Field(
        name="transcript",
        type="object",
        default="",
        bounds="the output of an earlier job",
        description="An earlier result instead of a recording: it is returned in other formats, "
        "with other names or with fewer speakers, at once.",
        read=read_earlier,
        schema=schemas.OBJECT,
    ),
)

OPTIONS: tuple[Field, ...] = (
    Field(
        name="timestamps",
        aliases=("timestamp", "word_timestamps"),
        type="boolean, string or list of strings",
        default="true",
        bounds="word, segment, char",
        description="Which times to return: true means word and segment, false means none.",
        read=read_timestamps,
        schema=schemas.TIMESTAMPS,
        alias_schemas={"word_timestamps": schemas.FLAG},
    ),
    Field(
        name="diarize",
        type="boolean",
        default="true",
        bounds="",
        description="Whether to say who spoke.",
        read=read_flag,
        schema=schemas.FLAG,
    ),
    Field(
        name="num_speakers",
        type="integer",
        default="found out",
        bounds=f"{_COUNT_BOUNDS}; excludes min_speakers and max_speakers",
        description="The exact number of speakers, where it is known.",
        read=read_count,
        schema=schemas.COUNT,
    ),
    Field(
        name="min_speakers",
        type="integer",
        default="none",
        bounds=_COUNT_BOUNDS,
        description="The least number of speakers.",
        read=read_count,
        schema=schemas.COUNT,
    ),
    Field(
        name="max_speakers",
        type="integer",
        default="none",
        bounds=f"{_COUNT_BOUNDS}; not below min_speakers",
        description="The greatest number of speakers.",
        read=read_count,
        schema=schemas.COUNT,
    ),
    Field(
        name="diarizer",
        type="string",
        default="auto",
        bounds=", ".join(DIARIZERS),
        description="Who tells speakers apart: pyannote, or Sortformer (at most "
        f"{SORTFORMER_SPEAKERS} speakers, no known speakers); auto takes pyannote where its "
        "weights can be had.",
        read=choice_of(DIARIZERS),
        schema=schemas.one_of(DIARIZERS),
    ),
    Field(
        name="known_speakers",
        type="list of objects",
        default="none",
        bounds=f"1 to {MAX_KNOWN_SPEAKERS}; each a name with samples (1 to {MAX_SAMPLES} objects "
        "with audio_url, audio_base64 or s3_key) or with a voiceprint of an earlier result",
        description="People who may be in the recording. Whoever is recognised is called by name; "
        "a stranger stays SPEAKER_00 and so on.",
        read=read_known_speakers,
        schema=schemas.KNOWN_SPEAKERS,
    ),
    Field(
        name="speaker_embeddings",
        type="boolean",
        default="false",
        bounds="",
        description="Whether to return each speaker's voiceprint, for known_speakers later.",
        read=read_flag,
        schema=schemas.FLAG,
    ),
    Field(
        name="channels",
        type="string",
        default="mix",
        bounds=", ".join(CHANNELS),
        description="mix hears all channels as one; separate hears each by itself and names the "
        "speakers by their channel, as telephone recordings want it.",
        read=choice_of(CHANNELS),
        schema=schemas.one_of(CHANNELS),
    ),
    Field(
        name="attention",
        type="string",
        default="auto",
        bounds=", ".join(ATTENTIONS),
        description="The speech model's attention: full is the most accurate, local takes long "
        "recordings, windows the longest; auto takes full up to 24 minutes and local beyond, as "
        "far as the memory allows.",
        read=choice_of(ATTENTIONS),
        schema=schemas.one_of(ATTENTIONS),
    ),
    Field(
        name="hotwords",
        type="list of strings",
        default="none",
        bounds=f"1 to {MAX_HOTWORDS}, of at most {MAX_HOTWORD_CHARACTERS} characters",
        description="Names and terms that are to be heard rather than what sounds like them.",
        read=read_hotwords,
        schema=schemas.HOTWORDS,
    ),
    Field(
        name="language",
        type="string",
        default="found out",
        bounds=", ".join(LANGUAGES),
        description="The language to expect. The model finds out for itself what it hears; "
        "segments in another language are flagged.",
        read=choice_of(LANGUAGES),
        schema=schemas.one_of(LANGUAGES),
    ),
    Field(
        name="reference",
        type="string or object",
        default="none",
        bounds=f"text, or an object with one of {', '.join(REFERENCES)}; at most "
        f"{MAX_REFERENCE_CHARACTERS} characters",
        description="What was really said. The answer is scored by it.",
        read=read_reference,
        schema=schemas.REFERENCE,
    ),
    Field(
        name="start",
        type="number",
        default="0",
        bounds="seconds, 0 or more",
        description="Where to begin in the recording. Times in the answer still count from the "
        "recording's own beginning.",
        read=read_seconds,
        schema=schemas.START,
    ),
    Field(
        name="end",
        type="number",
        default="the recording's end",
        bounds="seconds, greater than start",
        description="Where to stop in the recording.",
        read=read_seconds,
        schema=schemas.END,
    ),
)

FIELDS: tuple[Field, ...] = SOURCES + OPTIONS + PRESENTATION
