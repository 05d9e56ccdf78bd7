"""JSON Schemas of the request's values, beside what reads them: ``docs/schema/request.json``.

A schema never refuses what its reader takes. It says less where only a look at the content tells.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from speech import subtitle_rules
from speech.request import SubtitleRules
from utils.presentation_fields import (
    FORMATS,
    MAX_NAME_CHARACTERS,
    MAX_PATHS,
    MAX_SECRET_CHARACTERS,
    PATH,
    TRANSCRIPTIONS,
)
from utils.request_fields import LEVELS, MAX_SPEAKERS
from utils.request_objects import (
    MAX_HOTWORDS,
    MAX_KNOWN_SPEAKERS,
    MAX_REFERENCE_CHARACTERS,
    MAX_SAMPLES,
    MAX_VOICEPRINT,
    REFERENCES,
)

Schema = Mapping[str, object]


def one_of(choices: Sequence[str]) -> Schema:
    """One of these names."""
    return {"enum": list(choices)}


def some_of(choices: Sequence[str]) -> Schema:
    """One of these names, or a list of them."""
    return {"anyOf": [one_of(choices), {"type": "array", "items": one_of(choices)}]}


def or_null(schema: Schema) -> Schema:
    """Null is as good as nothing."""
    return {"anyOf": [schema, {"type": "null"}]}


def sent(name: str) -> Schema:
    """A key that is there, and not null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def fields(properties: Mapping[str, Schema], *needed: str, **rules: object) -> Schema:
    """An object with these keys, each of which may be null or missing but for those needed."""
    return {
        "type": "object",
        "properties": {
            name: schema if name in needed else or_null(schema)
            for name, schema in properties.items()
        },
        "required": list(needed),
        "additionalProperties": False,
        **rules,
    }


def _list(items: Schema, most: int) -> Schema:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


def _rule(name: str, default: object) -> Schema:
    if isinstance(default, bool):
        return FLAG
    kind = "integer" if isinstance(default, int) else "number"
    least, most = subtitle_rules.BOUNDS[name]
    return {"type": kind, "minimum": least, "maximum": most, "default": default}


FLAG: Final[Schema] = {"type": "boolean"}
TEXT: Final[Schema] = {"type": "string", "pattern": r"\S"}
URL: Final[Schema] = {"type": "string", "pattern": r"^\s*[hH][tT][tT][pP][sS]?://[^/?#@]+([/?#]|$)"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": MAX_SPEAKERS}
START: Final[Schema] = {"type": "number", "minimum": 0}
END: Final[Schema] = {"type": "number", "exclusiveMinimum": 0}
OBJECT: Final[Schema] = {"type": "object"}
TIMESTAMPS: Final[Schema] = {"anyOf": [FLAG, some_of(LEVELS)]}
FILES: Final[Schema] = some_of(FORMATS)
TRANSCRIPTION: Final[Schema] = one_of(list(TRANSCRIPTIONS))
_PATH: Final[Schema] = {"type": "string", "pattern": f"^{PATH.pattern}$"}
PATHS: Final[Schema] = {"anyOf": [_PATH, {"type": "array", "items": _PATH, "maxItems": MAX_PATHS}]}
HOTWORDS: Final[Schema] = {"anyOf": [TEXT, _list(TEXT, MAX_HOTWORDS)]}
NAME: Final[Schema] = {
    "type": "string",
    "pattern": rf"^\s*\S(.{{0,{MAX_NAME_CHARACTERS - 2}}}\S)?\s*$",
}
NAMES: Final[Schema] = {"type": "object", "additionalProperties": or_null(NAME)}
RULES: Final[Schema] = fields(
    {field.name: _rule(field.name, field.default) for field in dataclasses.fields(SubtitleRules)}
)
TARGET: Final[Schema] = fields(
    {"url": URL, "s3_key": TEXT, "s3_bucket": TEXT},
    oneOf=[sent("url"), sent("s3_key")],
    dependentSchemas={"s3_bucket": {"if": sent("s3_bucket"), "then": sent("s3_key")}},
)
WEBHOOK: Final[Schema] = {
    "anyOf": [
        URL,
        fields(
            {
                "url": URL,
                "secret": {"type": "string", "minLength": 1, "maxLength": MAX_SECRET_CHARACTERS},
                "progress": FLAG,
            },
            "url",
        ),
    ]
}
_TRUTH: Final[Schema] = {**TEXT, "maxLength": MAX_REFERENCE_CHARACTERS}
REFERENCE: Final[Schema] = {
    "anyOf": [
        _TRUTH,
        {
            "type": "object",
            "properties": {
                **dict.fromkeys(REFERENCES, _TRUTH),
                "seglst": {"anyOf": [_TRUTH, {"type": "array"}]},
            },
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
    ]
}
_SAMPLE: Final[Schema] = fields(
    {"audio_url": URL, "audio_base64": TEXT, "s3_key": TEXT, "s3_bucket": TEXT},
    oneOf=[sent("audio_url"), sent("audio_base64"), sent("s3_key")],
    dependentSchemas={"s3_bucket": {"if": sent("s3_bucket"), "then": sent("s3_key")}},
)
KNOWN_SPEAKERS: Final[Schema] = _list(
    fields(
        {
            "name": NAME,
            "samples": _list(_SAMPLE, MAX_SAMPLES),
            "voiceprint": _list({"type": "number"}, MAX_VOICEPRINT),
        },
        "name",
        oneOf=[sent("samples"), sent("voiceprint")],
    ),
    MAX_KNOWN_SPEAKERS,
)
