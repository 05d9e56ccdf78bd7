"""``python -m transcribe FILE...``: what the options mean, one recording after another, the end."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

from client import conversation, items, options
from client.console import Console, stderr_for_people
from client.errors import TranscriptionError
from client.files import Folder
from client.items import Item
from speech.errors import RequestError, WorkerError
from speech.request import FileSource
from speech.types import Report

ALL_DONE: Final = 0
SOME_FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
TERMINATED: Final = 143
_FOR_ENDPOINTS: Final = ("output", "webhook", "stream")

EPILOG: Final = """\
Without -f the conversation is printed. With -f files are written, called like the recording, and
their paths printed; files that are there already are kept unless --force is given. An earlier
result (FILE.json) is written anew in other formats, without an engine.

With --endpoint, RUNPOD_API_KEY is the key. Files go by the bucket of S3_ACCESS_KEY, S3_SECRET_KEY
and S3_BUCKET where these are set, and are removed from it afterwards; else inside the request, up
to 7.5 MB.

Exit status: 0 all done, 1 some failed, 2 wrong options, 130 interrupted.
"""


class Place(Protocol):
    """Where recordings are heard."""

    async def transcribe(self, item: Item, report: Report) -> dict[str, Any]:
        """The answer to one of them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command line asks for."""

    items: Sequence[Item]
    fields: Mapping[str, Any]
    """The request's, without its source."""
    formats: Sequence[str]
    """None prints the conversation."""
    folder: Folder | None
    """None is stdout."""
    endpoint: str | None
    """None is this machine."""
    timeout_s: float | None
    quiet: bool
    log: Path | None


def main() -> NoReturn:
    """Run with the process' arguments."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Transcribe. The exit status."""
    plan = read(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal's encoding may lack letters
    try:
        with stderr_for_people(plan.log) as stream:
            console = Console(stream, quiet=plan.quiet)
            try:
                failed = asyncio.run(transcribe_all(plan, console))
            except KeyboardInterrupt:
                console.say("interrupted")
                return INTERRUPTED
            except asyncio.CancelledError:
                return TERMINATED
    except BrokenPipeError:  # whoever reads stdout has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SOME_FAILED
    return SOME_FAILED if failed else ALL_DONE


def read(arguments: Sequence[str]) -> Plan:
    """Read the command line. A wrong one ends the process with status 2 and a message."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        fields = options.request(given)
        formats = options.formats(given.format)
        if given.output == "-" and (len(formats) != 1 or len(given.file) != 1):
            raise ValueError("-o - prints one file in one format (-f)")
        for name in () if given.endpoint else _FOR_ENDPOINTS:
            if name in fields:
                raise ValueError(f"{name} is for an endpoint (--endpoint)")
        if given.endpoint and not os.environ.get("RUNPOD_API_KEY", "").strip():
            raise ValueError("--endpoint needs RUNPOD_API_KEY in the environment")
        if files := [name for name in formats if name != "json"]:
            fields["formats"] = files
        chosen = items.read(given.file)
        if not all(item.is_result for item in chosen):
            _check(fields)
    except (ValueError, RequestError) as error:
        parser.error(str(error))
    folder = None if given.output == "-" else Folder(Path(given.output), given.force)
    return Plan(
        chosen, fields, formats, folder, given.endpoint, given.timeout, given.quiet, given.log
    )


def _check(fields: Mapping[str, Any]) -> None:
    """Have the request's own rules look at the options.

    Raises:
        RequestError: A value is not allowed, or two contradict each other.
    """
    from utils import validation

    validation.parse_request(fields, FileSource(Path()))


async def transcribe_all(plan: Plan, console: Console) -> int:
    """One recording after another. How many failed."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    failed = 0
    async with _place(plan) as place:
        for item in plan.items:
            try:
                await transcribe_one(plan, item, place, console)
            except (WorkerError, TranscriptionError) as error:
                console.error(item.about, error.code, error.message)
                failed += 1
    return failed


async def transcribe_one(plan: Plan, item: Item, place: Place, console: Console) -> None:
    """Have one recording heard, and print or write what was said.

    Raises:
        WorkerError: It was not.
        TranscriptionError: It was not, or could not be written.
    """
    if plan.folder and plan.formats:
        plan.folder.check(item.stem, plan.formats)
    with console.progress(item.about) as report:
        if item.is_result:
            answer = await asyncio.to_thread(present_again, item, plan.fields)
        else:
            answer = await place.transcribe(item, report)
    for warning in answer.get("warnings") or ():
        console.say(f"{item.about}: warning: {warning}")
    if "counts" in answer:
        console.say(f"{item.about}: this is the beginning; the whole is where output says")
    if not plan.formats:
        print(*conversation.lines(answer), sep="\n", flush=True)
        return
    texts = texts_of(answer, plan.formats)
    if plan.folder is None:
        print(*texts.values(), sep="", end="", flush=True)
    else:
        for path in plan.folder.write(item.stem, texts):
            print(path, flush=True)
    if missing := [name for name in plan.formats if name not in texts]:
        raise TranscriptionError(
            "output_failed", f"The answer came without {', '.join(missing)}; its warnings say why."
        )


def texts_of(answer: dict[str, Any], formats: Sequence[str]) -> dict[str, str]:
    """The files that are in an answer; as json the answer without them."""
    files = answer.pop("formats", None) or {}
    whole = {**files, "json": json.dumps(answer, indent=2, ensure_ascii=False) + "\n"}
    return {name: whole[name] for name in formats if name in whole}


def present_again(item: Item, fields: Mapping[str, Any]) -> dict[str, Any]:
    """An earlier result, in what form is asked for now.

    Raises:
        WorkerError: It is none, or cannot give that.
        TranscriptionError: As above.
    """
    from client import again

    if given := [name for name in _FOR_ENDPOINTS if name in fields]:
        raise TranscriptionError("invalid_input", f"{given[0]} is for recordings.")
    assert item.path is not None
    return again.present(item.path, fields)


def _place(plan: Plan) -> AbstractAsyncContextManager[Place]:
    if plan.endpoint is not None:
        from client.remote import AnEndpoint

        return AnEndpoint(plan.endpoint, plan.fields, plan.timeout_s)
    from client.local import ThisMachine

    return ThisMachine(plan.fields)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="transcribe",
        description="Recordings to text with speakers, on this machine or at a RunPod endpoint.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="+", metavar="FILE", help="a recording, or its URL")
    parser.add_argument(
        *("-f", "--format"),
        action="append",
        default=[],
        metavar="NAME",
        help=f"write files: {', '.join(options.FORMATS)} (repeatable, or with commas)",
    )
    parser.add_argument(
        *("-o", "--output"),
        default=".",
        metavar="FOLDER",
        help="where to (the current folder); - is stdout",
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep what the engine says")
    options.add(parser)
    group = parser.add_argument_group("where to hear it")
    group.add_argument("--endpoint", metavar="ID", help="a RunPod endpoint, not this machine")
    group.add_argument(
        "--timeout", type=float, metavar="S", help="seconds; how long a job may take there"
    )
    return parser
