"""Writes README's tables from the code; with ``--check`` it only compares.

Each table stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from speech.errors import CODES
from speech.file_formats import FILE_FORMATS
from tools import settings_table
from utils.presentation_table import PRESENTATION
from utils.request_fields import Field
from utils.request_table import OPTIONS, SOURCES

README = Path(__file__).resolve().parent.parent / "README.md"


def tables() -> dict[str, str]:
    """Each table's text by its name."""
    return {
        "sources": fields_table(SOURCES),
        "options": fields_table(OPTIONS),
        "presentation": fields_table(PRESENTATION),
        "formats": markdown(
            ("format", "what it is"), ((f"`{name}`", text) for name, text in FILE_FORMATS.items())
        ),
        "environment": markdown(("variable", "default", "meaning"), settings_table.table()),
        "errors": markdown(
            ("error_code", "meaning"), ((f"`{code}`", text) for code, text in CODES.items())
        ),
    }


def fields_table(fields: Iterable[Field]) -> str:
    """Fields of the request."""
    rows = (
        (
            " or ".join(f"`{name}`" for name in (field.name, *field.aliases)),
            field.type,
            field.default,
            field.bounds,
            field.description,
        )
        for field in fields
    )
    return markdown(("field", "type", "default", "allowed", "meaning"), rows)


def markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = tuple(head)
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_tables(text: str) -> str:
    """The README with its tables as the code has them.

    Raises:
        ValueError: A table's marks are missing.
    """
    for name, table in tables().items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if begin not in text or end not in text:
            raise ValueError(f"README.md lacks {begin} or {end}")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return text


def main() -> None:
    """Write, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether they are current")
    arguments = parser.parse_args()
    text = README.read_text()
    current = with_tables(text)
    if current == text:
        return
    if arguments.check:
        sys.exit("README.md's tables are not the code's: run `python -m tools.readme_tables`")
    README.write_text(current)


if __name__ == "__main__":
    main()
