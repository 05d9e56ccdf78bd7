"""The request's fields on the form of the answer, and on where it goes."""

from __future__ import annotations

from utils import request_schemas as schemas
from utils.presentation_fields import (
    FORMATS,
    MAX_NAMES,
    RULES,
    SHAPES,
    read_formats,
    read_names,
    read_paths,
    read_rules,
    read_target,
    read_webhook,
)
from utils.request_fields import Field, choice_of, read_flag

PRESENTATION: tuple[Field, ...] = (
    Field(
        name="formats",
        aliases=("transcription",),
        type="list of strings",
        default="none",
        bounds=", ".join(FORMATS),
        description="Files to return beside the answer, each as text under formats.",
        read=read_formats,
        schema=schemas.FILES,
        alias_schemas={"transcription": schemas.TRANSCRIPTION},
    ),
    Field(
        name="response_format",
        type="string",
        default="default",
        bounds=", ".join(SHAPES),
        description="The answer's shape: this worker's, or that of another API.",
        read=choice_of(SHAPES),
        schema=schemas.one_of(SHAPES),
    ),
    Field(
        name="include",
        type="list of strings",
        default="everything",
        bounds="keys of the answer, such as text or timestamps.word",
        description="The only keys to return.",
        read=read_paths,
        schema=schemas.PATHS,
    ),
    Field(
        name="exclude",
        type="list of strings",
        default="nothing",
        bounds="keys of the answer",
        description="Keys to leave out.",
        read=read_paths,
        schema=schemas.PATHS,
    ),
    Field(
        name="subtitles",
        type="object",
        default="broadcasters' rules",
        bounds=", ".join(RULES),
        description="How srt, vtt and ass are cut into subtitles.",
        read=read_rules,
        schema=schemas.RULES,
    ),
    Field(
        name="speaker_names",
        type="object",
        default="none",
        bounds=f"a name for each speaker's id, at most {MAX_NAMES}",
        description="What to call speakers in everything that is returned.",
        read=read_names,
        schema=schemas.NAMES,
    ),
    Field(
        name="output",
        type="object",
        default="the answer itself",
        bounds="url (presigned, for PUT), or s3_key with or without s3_bucket",
        description="Where to put the result; the answer then says where it is, with the text's "
        "beginning and counts. With s3_key each file of formats is put beside it.",
        read=read_target,
        schema=schemas.TARGET,
    ),
    Field(
        name="webhook",
        type="string or object",
        default="none",
        bounds="url, secret, progress",
        description="Who else is told how the job ends; with a secret the call is signed, with "
        "progress it is told that, too.",
        read=read_webhook,
        schema=schemas.WEBHOOK,
    ),
    Field(
        name="stream",
        type="boolean",
        default="false",
        bounds="endpoints with PARAKEET_STREAM=true",
        description="Whether to return segments as they are heard; the whole answer comes last.",
        read=read_flag,
        schema=schemas.FLAG,
    ),
)
