"""``python -m scoring REFERENCE RESULT.json``: the scores of a result, as a table and as JSON.

Runs in the models' environment, which has the libraries that define the scores.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
from pathlib import Path
from typing import get_args

from scoring import results, table
from scoring.part import Part
from scoring.score import score
from speech import references
from speech.errors import RequestError
from speech.request import Reference, ReferenceFormat
from speech.spoken import Scored, Spoken


class UnreadableError(Exception):
    """A file cannot be used; the text says why."""


def main() -> None:
    """Parse the command line, score, print."""
    parser = argparse.ArgumentParser(prog="python -m scoring", description=__doc__)
    parser.add_argument("reference", type=Path, help="what was said: text, STM, CTM, RTTM, SegLST")
    parser.add_argument("result", type=Path, help="the JSON of a job: its envelope")
    parser.add_argument(
        "--format", choices=get_args(ReferenceFormat), help="default: by the file's suffix"
    )
    parser.add_argument("--turns", type=Path, help="RTTM of the found turns, for DER and JER")
    parser.add_argument("--start", type=float, default=0.0, help="of the request, in seconds")
    parser.add_argument("--end", type=float, default=math.inf, help="of the request, in seconds")
    parser.add_argument("--json", type=Path, help="write them there too; - prints nothing else")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)  # meeteval's, about times that a reference does not have
    try:
        scored = score_files(arguments)
    except UnreadableError as error:
        sys.exit(f"python -m scoring: {error}")
    show(scored, arguments.json)


def score_files(arguments: argparse.Namespace) -> Scored:
    """What the command line asks for.

    Raises:
        UnreadableError: A file is not what it should be.
    """
    kind = arguments.format or references.format_of(arguments.reference.suffix)
    spoken = read_reference(arguments.reference, kind)
    turns = read_reference(arguments.turns, "rttm").turns if arguments.turns else None
    try:
        envelope = json.loads(read_text(arguments.result))
        found = results.read(envelope, turns)
    except (ValueError, results.ResultError) as error:
        raise UnreadableError(f"{arguments.result}: {error}") from error
    whole = arguments.start == 0 and arguments.end == math.inf
    return score(spoken, found, None if whole else Part(arguments.start, arguments.end))


def read_reference(path: Path, kind: ReferenceFormat) -> Spoken:
    """A file in one of the formats.

    Raises:
        UnreadableError: It is not what it should be.
    """
    try:
        return references.parse(Reference(kind, read_text(path)), str(path))
    except RequestError as error:
        raise UnreadableError(error.message) from error


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        UnreadableError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{path}: {error}") from error


def show(scored: Scored, out: Path | None) -> None:
    """The table, and the JSON where it is to go."""
    scores = dict(scored.scores or {})
    text = json.dumps(scores, indent=2)
    if out == Path("-"):
        print(text)
    else:
        print("\n".join(table.lines(scores)))
        if out is not None:
            out.write_text(text + "\n")
    for warning in scored.warnings:
        print(warning, file=sys.stderr)


if __name__ == "__main__":
    main()
