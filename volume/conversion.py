"""Makes a fast checkpoint in a staging folder: a program does, in a process of the environment.

It builds the model both ways, lets both hear, and says whether they agree: 40 to 60 s and 6 GB of
memory for a model of 600 million weights.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import config
from volume import fast_model, files, programs
from volume.build import require_room
from volume.errors import BootstrapError, DamagedError
from volume.models import Model
from volume.publish import Make, Manifest, Place
from volume.steps import Step, Tell

NAME: Final = "preparing the speech model"

REST_AFTER_FAILURE_S: Final = 3600.0
"""Nothing is lost without it but some seconds a start, and a try that dies may take a minute."""

MAX_DEATHS: Final = 2
"""In a row, of workers that were making it, before there is a rest."""

EXIT_S: Final = 10.0
"""A program that has closed its pipe ends within this, or is killed."""

ENVIRONMENT: Final[Mapping[str, str]] = {
    "HF_HUB_OFFLINE": "1",  # it gets the path of a file
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True, slots=True)
class Converter:
    """The program, and how patient we are with it."""

    program: Path = config.ROOT / "engine" / "convert.py"
    stall_s: float = 180.0
    """One that says nothing new for so long is hung, and ended. Most of it is the environment's
    first import from a slow volume, and reading 2.5 GB from there."""


CONVERTER: Final = Converter()


def maker(place: Place, model: Model, checkpoint: Path, python: Path, converter: Converter) -> Make:
    """What ``publish.obtain`` calls to make a fast checkpoint.

    Args:
        place: Where it will be published.
        model: The original.
        checkpoint: Its .nemo file.
        python: Of the models' environment.
        converter: What makes it.
    """

    def make(staging: Path, tell: Tell) -> Manifest:
        # The weights in fp32, which is the most it can be.
        require_room(staging, checkpoint.stat().st_size, "the speech model's fast checkpoint needs")
        begin_s = time.monotonic()
        order = {"checkpoint": str(checkpoint), "folder": str(staging)}
        with _counting_deaths(place):
            made = convert(order, python, converter, tell)
        if fast_model.name_of(model) != place.name:
            raise _failure("the original was changed meanwhile")
        _keep(staging, made)
        return {**made, "model": model.title, "made_s": round(time.monotonic() - begin_s, 1)}

    return make


def convert(
    order: Mapping[str, str], python: Path, converter: Converter, tell: Tell
) -> dict[str, Any]:
    """Have a fast checkpoint made; what its manifest is to say.

    Raises:
        BootstrapError: None was made. Another time there may be one.
    """
    command = [str(python), "-I", "-u", str(converter.program)]
    with programs.started(command, ENVIRONMENT) as process:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # how it ended is seen below
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.close()
        return _follow(process, converter.stall_s, tell)


@contextlib.contextmanager
def _counting_deaths(place: Place) -> Iterator[None]:
    """Give up for a while where workers die in the block, as for want of memory.

    Raises:
        BootstrapError: They have.
    """
    record = place.install / "tries.json"
    dead = (files.read_json(record) or {}).get("begun", 0)
    if dead >= MAX_DEATHS:
        record.unlink(missing_ok=True)
        raise _failure(f"{dead} workers died while they made it")
    files.write_json(record, {"begun": dead + 1})
    try:
        yield
    finally:
        record.unlink(missing_ok=True)


def _follow(process: subprocess.Popen[bytes], stall_s: float, tell: Tell) -> dict[str, Any]:
    """Pass progress on until the last answer comes."""
    assert process.stdout is not None
    lines = programs.Lines(process.stdout)
    step, news_s = Step(NAME, 0.0), time.monotonic()
    tell(step)
    while True:
        try:
            line = lines.read(until_s=news_s + stall_s)
        except TimeoutError:
            raise _failure(f"its making stood still for {stall_s:g} s") from None
        if not line:
            raise _failure(f"its making ended without an answer, {_end_of(process)}")
        answer = _understood(line)
        if not isinstance(answer, Step):
            return answer
        if answer != step:
            step, news_s = answer, time.monotonic()
        tell(step)


def _understood(line: bytes) -> Step | dict[str, Any]:
    """A step, or what the manifest is to say.

    What cannot be made of this checkpoint with this format is remembered like one that hears
    something else.
    """
    try:
        answer = json.loads(line)
        kind, usable = answer["type"], answer.get("usable")
        if kind == "progress":
            fraction = min(1.0, max(0.0, float(answer["fraction"])))
            return Step(f"{NAME}: {answer['step']}", fraction)
        if kind == "done" and usable is True:
            made = {"precision": str(answer["precision"]), "report": dict(answer["report"])}
            return {"usable": True, **made, "files": dict(answer["files"])}
        if kind == "done" and usable is False:
            return {"usable": False, "reason": str(answer["reason"])}
        if kind == "error":
            code, message = str(answer["code"]), str(answer["message"])
            if answer["retryable"] or code == "volume_full":
                raise BootstrapError(code, message, retryable=True)
            return {"usable": False, "reason": message}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _failure("its making gave no sensible answer") from error
    raise _failure(f"its making answered {kind!r}")


def _keep(staging: Path, made: Manifest) -> None:
    """Hold what was made against its manifest, and see it on the disk.

    Raises:
        BootstrapError: It is not what was told.
        OSError: It cannot be written.
    """
    if fast_model.unusable_because(made) is not None:
        for name in files.names_in(staging):
            files.remove(staging / name)
        return
    try:
        fast_model.check(staging, made)
    except DamagedError as error:
        raise _failure(f"its making told of other files than it made: {error}") from error
    for name in made["files"]:
        with (staging / name).open("rb") as file:
            os.fsync(file.fileno())  # a network volume may tell only now that it is full


def _end_of(process: subprocess.Popen[bytes]) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        status = process.wait(EXIT_S)
        killed = ": killed, perhaps for want of memory" if status == -signal.SIGKILL else ""
        return f"with status {status}{killed}"
    return "and runs on"


def _failure(message: str) -> BootstrapError:
    return BootstrapError("bootstrap_failed", message, retryable=True)
