"""Scores one result for the worker: ``python -I scoring/answer.py`` in the models' environment.

stdin: one JSON object, {reference: {format, content}, result, turns, part}; the result is an
envelope, turns are rows of speaker, start and end or null, and part is [start, end] or null.
stdout: {scores, warnings}, or {fault}: the kind and the place of what went wrong, not its text, in
which there may be words that were said.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

if __name__ == "__main__":  # under -I the script's folder is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scoring import results
from scoring.part import Part
from scoring.score import score
from speech import references
from speech.request import Reference
from speech.types import SpeakerTurn


def answer(question: Mapping[str, Any]) -> dict[str, object]:
    """The scores that a question asks for."""
    spoken = references.parse(Reference(**question["reference"]))
    rows, part = question["turns"], question["part"]
    turns = None if rows is None else [SpeakerTurn(*row) for row in rows]
    found = results.read(question["result"], turns)
    bounds = Part(part[0], math.inf if part[1] is None else part[1]) if part else None
    scored = score(spoken, found, bounds)
    return {"scores": scored.scores, "warnings": scored.warnings}


def tell_fault(
    kind: type[BaseException], _error: BaseException, place: TracebackType | None
) -> None:
    """In place of a traceback."""
    *_, last = traceback.extract_tb(place)
    json.dump({"fault": f"{kind.__name__} at {Path(last.filename).name}:{last.lineno}"}, sys.stdout)


def main() -> None:
    """Answer one question."""
    sys.excepthook = tell_fault
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    json.dump(answer(json.load(sys.stdin)), sys.stdout, allow_nan=False)


if __name__ == "__main__":
    main()
