"""Writes docs/schema/*.json from the code; with ``--check`` it only compares.

The request's is made of the table of fields (utils/request_table.py), the answers' of
speech/envelope_schema.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from speech.envelope_schema import FAILURE, SUCCESS
from utils.request_fields import Field
from utils.request_schemas import or_null, sent
from utils.request_table import FIELDS, SOURCES

DOCS = Path(__file__).resolve().parent.parent / "docs" / "schema"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, object]


def schemas() -> dict[str, Schema]:
    """Each schema by its file's name."""
    return {
        "request": request_schema(FIELDS, SOURCES),
        "envelope": {"$schema": DIALECT, **SUCCESS},
        "failure": {"$schema": DIALECT, **FAILURE},
    }


def request_schema(fields: Sequence[Field], sources: Sequence[Field]) -> Schema:
    """A job's input."""
    return {
        "$schema": DIALECT,
        "title": "A job's input",
        "description": "What a worker accepts is within this. It refuses more: what contradicts "
        "something else, and what only a look at a value's content can tell.",
        "type": "object",
        "properties": {name: _property(field, name) for field in fields for name in _names(field)},
        "additionalProperties": False,
        "oneOf": [{"anyOf": [sent(name) for name in _names(field)]} for field in _one_of(sources)],
        "allOf": [*_aliases(fields), *_companions(sources)],
    }


def _names(field: Field) -> tuple[str, ...]:
    return (field.name, *field.aliases)


def _property(field: Field, name: str) -> Schema:
    """Null is as good as nothing: it means that the field was not sent."""
    own = field.alias_schemas.get(name, field.schema)
    other_name = f" Another name of {field.name}." if name != field.name else ""
    shown: Schema = {"description": field.description + other_name}
    if field.default:
        shown["description"] = f"{shown['description']} Default: {field.default}."
    return {**shown, **or_null(own)}


def _one_of(sources: Sequence[Field]) -> list[Field]:
    """The fields of which exactly one is needed."""
    return [field for field in sources if field.name != "s3_bucket"]


def _aliases(fields: Sequence[Field]) -> Iterator[Schema]:
    """Of a field's names only one may be sent."""
    for field in fields:
        for pair in combinations(_names(field), 2):
            yield {"not": {"allOf": [sent(name) for name in pair]}}


def _companions(sources: Sequence[Field]) -> Iterator[Schema]:
    """A bucket is nothing without a key."""
    if any(field.name == "s3_bucket" for field in sources):
        yield {"if": sent("s3_bucket"), "then": sent("s3_key")}


def written(schema: Mapping[str, object]) -> str:
    """As it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether they are current")
    arguments = parser.parse_args()
    for name, schema in schemas().items():
        path, text = DOCS / f"{name}.json", written(schema)
        if path.exists() and path.read_text() == text:
            continue
        if arguments.check:
            sys.exit(f"docs/schema/{name}.json is not the code's: run `python -m tools.schema`")
        DOCS.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
