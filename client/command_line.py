"""``python -m transcribe FILE...``: what the options mean, and how it ends."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from client import batch, items, options
from client.batch import Plan
from client.console import Console, stderr_for_people
from client.files import Folder
from speech.errors import RequestError
from speech.request import FileSource

ALL_DONE: Final = 0
SOME_FAILED: Final = 1
INTERRUPTED: Final = 130
TERMINATED: Final = 143

EPILOG: Final = """\
Without -f the conversation is printed. With -f files are written, called like the recording, and
their paths printed; files that are there already are kept unless --force is given. An earlier
result (FILE.json) is written anew in other formats, without an engine.

With --endpoint, RUNPOD_API_KEY is the key. Files go by the bucket of S3_ACCESS_KEY, S3_SECRET_KEY
and S3_BUCKET where these are set, and are removed from it afterwards; else inside the request, up
to 7.5 MB.

Exit status: 0 all done, 1 some failed, 2 wrong options, 130 interrupted.
"""


def main() -> NoReturn:
    """Run with the process' arguments."""
    try:
        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:  # before there was anything to interrupt
        sys.exit(INTERRUPTED)


def run(arguments: Sequence[str]) -> int:
    """Transcribe. The exit status."""
    plan = read(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal's encoding may lack letters
    try:
        with stderr_for_people(plan.log) as stream:
            console = Console(stream, quiet=plan.quiet)
            try:
                failed = asyncio.run(batch.transcribe_all(plan, console))
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
    given = parser.parse_intermixed_args(arguments)  # options may stand between files
    try:
        fields = options.request(given)
        formats = options.formats(given.format)
        if given.output == "-" and (len(formats) != 1 or len(given.file) != 1):
            raise ValueError("-o - prints one file in one format (-f)")
        for name in () if given.endpoint else batch.FOR_ENDPOINTS:
            if name in fields:
                raise ValueError(f"{name} is for an endpoint (--endpoint)")
        if given.timeout is not None and not given.endpoint:
            raise ValueError("--timeout is for an endpoint (--endpoint)")
        if given.log:
            _check_log(given.log)
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


def _check_log(path: Path) -> None:
    """See that the log can be written.

    Raises:
        ValueError: It cannot.
    """
    try:
        path.open("ab").close()
    except OSError as error:
        raise ValueError(f"--log {path}: {error.strerror}") from error


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
