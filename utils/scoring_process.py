"""One run of the scoring (scoring/answer.py), in the models' environment, which has its libraries.

A result is worth more than its scores: whatever goes wrong here becomes a warning beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from speech.request import Options, Reference
from speech.spoken import Scored
from speech.types import SpeakerTurn
from utils.engine_process import engine_environment

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 300.0
"""Three hours of speech take 15 s of processor time; parts of it grow with the square."""

NOT_SCORED: Final = "The result could not be scored: {}. The transcript does not depend on it."


def question(
    reference: Reference,
    envelope: Mapping[str, object],
    turns: Sequence[SpeakerTurn] | None,
    options: Options,
) -> dict[str, object]:
    """What the scoring is asked.

    Args:
        reference: What was said.
        envelope: The result, with words.
        turns: The diarizer's, in the recording's time; None where it did not run.
        options: The request's: only the part that it asks for is scored.
    """
    whole = options.start_s == 0 and options.end_s is None
    return {
        "reference": {"format": reference.format, "content": reference.content},
        "result": envelope,
        "turns": None if turns is None else [[t.speaker, t.start_s, t.end_s] for t in turns],
        "part": None if whole else [options.start_s, options.end_s],
    }


async def score(
    python: Path, root: Path, asked: Mapping[str, object], timeout_s: float = TIMEOUT_S
) -> Scored:
    """Have a result scored; never fails. A cancellation ends the process.

    Args:
        python: The interpreter of the models' environment.
        root: The folder that holds ``scoring/`` and ``speech/``.
        asked: See ``question``.
        timeout_s: The deadline.
    """
    try:
        async with asyncio.timeout(timeout_s):
            status, said = await _run(python, root, json.dumps(asked).encode())
    except TimeoutError:
        return _failed("it took too long", f"no answer within {timeout_s:g} s")
    except OSError as error:
        return _failed("its process does not start", type(error).__name__)
    return _read(status, said)


async def _run(python: Path, root: Path, asked: bytes) -> tuple[int, bytes]:
    """The exit status and the standard output of one run."""
    process = await asyncio.create_subprocess_exec(
        str(python),
        "-I",
        str(root / "scoring" / "answer.py"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=engine_environment(os.environ),
        start_new_session=True,
    )
    try:
        said, _ = await process.communicate(asked)
        return await process.wait(), said
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.communicate()


def _read(status: int, said: bytes) -> Scored:
    try:
        answer: Any = json.loads(said) if said else {}
    except ValueError:
        answer = {}
    if "scores" not in answer:
        return _failed("the scoring failed", answer.get("fault", f"it ended with {status}"))
    return Scored(answer["scores"], tuple(answer["warnings"]))


def _failed(reason: str, detail: str) -> Scored:
    """``detail`` is for the log only."""
    log.error("scoring: %s: %s", reason, detail)
    return Scored(None, (NOT_SCORED.format(reason),))
