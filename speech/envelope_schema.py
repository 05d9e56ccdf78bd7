"""What an answer looks like, as JSON Schema (2020-12).

``docs/schema/`` is made of this (``python -m tools.schema``), the names that ``include`` and
``exclude`` know come from it (``speech.selection``), and the tests hold every answer against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from speech.envelope import SCHEMA_VERSION
from speech.errors import CODES
from speech.file_formats import FILE_FORMATS
from speech.types import AttentionUsed

Schema = dict[str, object]


def _text(description: str, **more: object) -> Schema:
    return {"type": "string", "description": description, **more}


def _number(description: str, **more: object) -> Schema:
    return {"type": "number", "minimum": 0, "description": description, **more}


def _count(description: str) -> Schema:
    return {"type": "integer", "minimum": 0, "description": description}


def _share(description: str) -> Schema:
    return _number(f"{description}, 0 to 1", maximum=1)


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def _true(description: str) -> Schema:
    return {"const": True, "description": description}


def _list(items: Schema, description: str) -> Schema:
    return {"type": "array", "items": items, "description": description}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _object(
    required: Mapping[str, Schema], optional: Mapping[str, Schema], description: str = ""
) -> Schema:
    """All of the first keys, any of the second, and no others."""
    schema: Schema = {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }
    return {**schema, "description": description} if description else schema


def _each(values: Schema, description: str) -> Schema:
    """An object with any keys."""
    return {"type": "object", "additionalProperties": values, "description": description}


_START = _number("Seconds from the recording's own beginning")
_END = _number("Seconds from the recording's own beginning; not before start")
_SPEAKER = _text("Of speakers; null only where nobody was found. With diarization")
_CODE = _text("ISO 639-1", pattern="^[a-z]{2}$")

_WORD = _object(
    {
        "word": _text("With its punctuation"),
        "start": _START,
        "end": _END,
        "confidence": _share("How sure the speech model is"),
    },
    {
        "speaker": _or_null(_SPEAKER),
        "speaker_confidence": _or_null(_share("How sure it is who speaks. With diarization")),
        "overlap": _true("Somebody else speaks at the same time"),
        "repaired": _true("Heard only when a stretch without words was heard again"),
    },
)
_SEGMENT = _object(
    {"text": _text("Usually a sentence"), "start": _START, "end": _END},
    {
        "speaker": _or_null(_SPEAKER),
        "language": {**_CODE, "description": "ISO 639-1; missing where the text is too short"},
        "unexpected_language": _true("Another one than the request expects"),
    },
)
_CHAR = _object(
    {"char": _text("A piece of a word: one token"), "start": _START, "end": _END},
    {},
)
_PERSON = _object(
    {
        "id": _text("SPEAKER_00 and so on, CHANNEL_00 and so on, or a known speaker's name"),
        "talk_time": _number("Seconds"),
        "turns": _count("How often they speak"),
    },
    {
        "voiceprint": _list(
            {"type": "number"}, "With speaker_embeddings, of those of whom enough was heard"
        )
    },
)
_TURN = _object({"speaker": _text("Of speakers"), "start": _START, "end": _END}, {})
_GAP = _object({"start": _START, "end": _END}, {})
_COVERAGE = _object(
    {
        "speech_s": _number("Seconds in which the diarizer hears speech"),
        "covered_s": _number("Of these, seconds with words"),
        "ratio": _share("The second of the first"),
        "gaps": _list(_GAP, "Speech that stayed without words"),
    },
    {},
    "How much of the speech has words; null without diarization",
)
_PLAN = _object(
    {
        "passes": _count("How many parts the recording was heard in"),
        "longest_s": _number("Length of the longest of them"),
        "reason": _text("One sentence"),
        "estimated_bytes": _or_null(_count("What it was expected to need")),
    },
    {},
    "How the speech model went through the recording; null where nothing was heard",
)
_PLACE = _object(
    {"size_bytes": _count("As sent")},
    {
        "etag": _text("As the place answered"),
        "s3_key": _text("In the bucket"),
        "s3_bucket": _text("Which bucket"),
        "url": _text("A link that is good for a while"),
    },
)
_STORED: Final[Schema] = {
    "type": "object",
    "properties": {
        "error_code": _text("Why it could not be put there", enum=sorted(CODES)),
        "message": _text("The same for people"),
        "retryable": _flag("Whether the same may succeed later"),
    },
    "additionalProperties": _PLACE,
    "propertyNames": {"enum": ["json", *FILE_FORMATS, "error_code", "message", "retryable"]},
    "oneOf": [{"required": ["json"]}, {"required": ["error_code", "message", "retryable"]}],
    "description": "Where the result (json) and its files were put; or why they could not be",
}
_COUNTS = _object(
    {
        "characters": _count("Of the text"),
        "words": _count("Of the result"),
        "segments": _count("Of the result"),
        "speakers": _count("Of the result"),
    },
    {},
    "Of the whole result, where it was put elsewhere",
)
_LEVELS = _object(
    {},
    {
        "word": _list(_WORD, "Every word, by start"),
        "segment": _list(_SEGMENT, "Every segment, by start"),
        "char": _list(_CHAR, "Every piece of a word, by start"),
    },
    "The levels that were asked for",
)
_ALWAYS: Final[Mapping[str, Schema]] = {
    "success": _true("It worked"),
    "schema_version": {"const": SCHEMA_VERSION, "description": "Of this schema"},
    "text": _text("All that was said; its first lines where the result was put elsewhere"),
    "duration": _number("Seconds of audio"),
    "language": _or_null({**_CODE, "description": "ISO 639-1; null where it cannot be told"}),
    "language_confidence": _or_null(_share("How sure that is")),
    "attention": _text("The speech model's", enum=list(get_args(AttentionUsed))),
    "plan": _or_null(_PLAN),
    "models": _each(_text("A hub name with its revision, or a file's name"), "asr, diarization"),
    "timings": _each(_number("Seconds"), "How long each stage took"),
    "cold_start": _flag("Whether the engine had to be started first"),
    "warnings": _list(_text("One sentence or two"), "What the caller should know"),
}
_RESULT: Final[Mapping[str, Schema]] = {
    "timestamps": _LEVELS,
    "speakers": _list(_PERSON, "Everybody, by first appearance; empty without diarization"),
    "turns": _list(
        _TURN, "Who spoke when, overlaps included; empty without speakers or timestamps"
    ),
    "coverage": _or_null(_COVERAGE),
}
_SOMETIMES: Final[Mapping[str, Schema]] = {
    "scores": {"type": "object", "description": "Where the request had a reference"},
    "formats": _object(
        {},
        {name: _text(meaning.replace("`", "")) for name, meaning in FILE_FORMATS.items()},
        "The files that were asked for",
    ),
    "thinned": _list(
        _text("A level of timestamps, or a file of formats"),
        "What was left out because the result was too large",
    ),
    "output": _STORED,
    "counts": _COUNTS,
}

SUCCESS: Final[Schema] = {
    **_object(_ALWAYS, {**_RESULT, **_SOMETIMES}),
    "title": "The answer to a job that succeeded",
    "description": "In the default response_format, whole: include and exclude leave keys out. A "
    "result that was put elsewhere has output and counts instead of its lists.",
    "anyOf": [{"required": list(_RESULT)}, {"required": ["output", "counts"]}],
}
FAILURE: Final[Schema] = {
    **_object(
        {
            "success": {"const": False, "description": "It did not work"},
            "error_code": _text("For programs", enum=sorted(CODES)),
            "message": _text("For people: what was wrong, and what to do", minLength=1),
            "retryable": _flag("Whether the same request may succeed later"),
        },
        {"error": _text("The same as message; RunPod shows it as the job's error", minLength=1)},
    ),
    "title": "The answer to a job that failed",
}
