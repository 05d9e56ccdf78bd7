"""The command line's options as the request's fields."""

from __future__ import annotations

import argparse
import json
from typing import Any, Final, get_args

from speech.request import ChannelsChoice, FileFormat

FORMATS: Final = (*get_args(FileFormat), "json")
_DIRECT: Final = (
    *("language", "num_speakers", "min_speakers", "max_speakers", "start", "end", "channels"),
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the request's fields are given by."""
    group = parser.add_argument_group("what to hear")
    group.add_argument("--language", metavar="CODE", help="the language to expect, such as de")
    for name, what in (("num", "exact"), ("min", "least"), ("max", "greatest")):
        group.add_argument(
            f"--{name}-speakers", type=int, metavar="N", help=f"the {what} number of speakers"
        )
    group.add_argument("--no-diarize", action="store_true", help="do not tell speakers apart")
    group.add_argument("--start", type=float, metavar="S", help="seconds; where to begin")
    group.add_argument("--end", type=float, metavar="S", help="seconds; where to stop")
    group.add_argument(
        "--channels", choices=get_args(ChannelsChoice), help="separate: each channel is a speaker"
    )
    group.add_argument(
        "--hotword", action="append", metavar="TEXT", help="a name or term to be heard (repeatable)"
    )
    group.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="any other field of the request, as in --option attention=local or "
        "--option 'subtitles={\"max_lines\": 1}' (repeatable)",
    )


def request(arguments: argparse.Namespace) -> dict[str, Any]:
    """The request's fields, without its source.

    Raises:
        ValueError: An option says what another one says too, or nothing at all.
    """
    fields = {name: getattr(arguments, name) for name in _DIRECT}
    fields["diarize"] = False if arguments.no_diarize else None
    fields["hotwords"] = arguments.hotword
    fields = {name: value for name, value in fields.items() if value is not None}
    for text in arguments.option:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"--option needs NAME=JSON, not {text!r}")
        if name in fields:
            raise ValueError(f"{name} is given twice")
        if name == "formats":
            raise ValueError("formats are given by -f")
        fields[name] = _json_or_text(value)
    return fields


def formats(given: list[str]) -> tuple[str, ...]:
    """Each once, in the order asked for.

    Args:
        given: Each a name, or several with commas between.

    Raises:
        ValueError: There is no such format.
    """
    names = [name.strip().lower() for text in given for name in text.split(",") if name.strip()]
    for name in names:
        if name not in FORMATS:
            raise ValueError(f"-f {name}: the formats are {', '.join(FORMATS)}")
    return tuple(dict.fromkeys(names))


def _json_or_text(value: str) -> Any:
    """What is no JSON is text: ``attention=full`` needs no quotes."""
    try:
        return json.loads(value)
    except ValueError:
        return value
