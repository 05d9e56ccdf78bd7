"""The errors' codes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech import errors

ROOT = Path(__file__).resolve().parent.parent
RAISING = {"WorkerError", "SourceError", "AudioError", "EngineError"}
"""The errors that take their code first."""
SOURCES = [
    *ROOT.glob("*.py"),
    *(
        path
        for name in ("speech", "utils", "engine", "volume")
        for path in ROOT.glob(f"{name}/**/*.py")
    ),
]


def written_codes() -> Iterator[tuple[str, str]]:
    """Each code that stands in the source where an error is made, and its file."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else None
            called = node.func.id if isinstance(node.func, ast.Name) else called
            first = node.args[0]
            if called in RAISING and isinstance(first, ast.Constant):
                yield str(first.value), path.name


def test_every_written_code_is_known() -> None:
    written = list(written_codes())
    assert ("result_too_large", "delivery.py") in written
    assert [(code, name) for code, name in written if code not in errors.CODES] == []


@pytest.mark.parametrize(("code", "meaning"), errors.CODES.items())
def test_a_code_is_a_plain_name_with_a_meaning(code: str, meaning: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", code)
    assert meaning.endswith(".")


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(ValueError, match="no_such_code"):
        errors.WorkerError("no_such_code", "Something happened.")


def test_an_error_says_its_message() -> None:
    error = errors.SourceError("source_unreachable", "The server failed.", retryable=True)
    assert str(error) == error.message == "The server failed."
    assert error.retryable


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.RequestError("A message."), "invalid_input"),
        (errors.RefusedAddressError("A message."), "url_refused"),
    ],
)
def test_what_the_caller_must_change_is_not_retryable(error: errors.WorkerError, code: str) -> None:
    assert error.code == code
    assert not error.retryable
