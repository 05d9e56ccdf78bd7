"""Answers held against their published schemas, wherever the tests see one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DOCS = Path(__file__).resolve().parent.parent / "docs" / "schema"
LOOKED_AT = 100
"""Items at each end of a list: a long recording's words take minutes to validate."""


@cache
def validator(name: str, *, selected: bool = False) -> Draft202012Validator:
    """Of ``docs/schema/NAME.json``.

    Args:
        name: "request", "envelope" or "failure".
        selected: Whether keys may be missing, as ``include`` and ``exclude`` leave them out.
    """
    schema = json.loads((DOCS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(without_required(schema) if selected else schema)


def without_required(schema: Any) -> Any:
    """The schema of what is left after keys have been taken out."""
    if isinstance(schema, list):
        return [without_required(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: without_required(item) for key, item in schema.items() if key != "required"}


def check(answer: Any, *, selected: bool = False) -> None:
    """Fail where an answer is none that ``docs/schema/`` describes.

    What is no answer in the default shape (a peer's, a worker's that only echoes) is not looked at.
    A stream's is looked at chunk by chunk.
    """
    if isinstance(answer, list):
        for chunk in answer:
            check(chunk, selected=selected)
    elif isinstance(answer, Mapping) and "success" in answer:
        name = "envelope" if answer["success"] else "failure"
        validator(name, selected=selected and name == "envelope").validate(_shortened(answer))


def check_job(job_input: Any, output: Any, error: Any) -> None:
    """The same for what became of a job: RunPod takes ``error`` out of a failed one's output."""
    wanted = job_input if isinstance(job_input, Mapping) else {}
    if isinstance(output, Mapping) and error is not None:
        output = {**output, "error": error}
    check(output, selected=bool(wanted.get("include") or wanted.get("exclude")))


def _shortened(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _shortened(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) <= 2 * LOOKED_AT:
        return [_shortened(item) for item in value]
    ends = chain(islice(value, LOOKED_AT), islice(reversed(value), LOOKED_AT))
    return [_shortened(item) for item in ends]
