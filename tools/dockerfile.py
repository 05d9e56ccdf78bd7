"""Reads a Dockerfile: instructions in order, with their variables put in.

Only what this repository's Dockerfile uses is understood. Anything else is an error, never skipped:
a check that passes over an instruction proves nothing about the image.
Reference: https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

KNOWN = ("FROM", "ARG", "ENV", "LABEL", "WORKDIR", "USER", "COPY", "RUN", "CMD")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What Docker sets where the image does not."""
_VARIABLE = re.compile(r"\\\$|\$(?:(\w+)|\{(\w+)(?::-([^}]*))?\})")
_NAME = re.compile(r"[A-Za-z_]\w*")


class DockerfileError(Exception):
    """The Dockerfile is wrong, or holds something that is not understood here."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its continuation lines joined."""

    line: int
    name: str
    text: str

    def error(self, message: str) -> DockerfileError:
        """An error that names the place."""
        return DockerfileError(f"Dockerfile line {self.line}, {self.name}: {message}")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the instructions so far have set."""

    env: Mapping[str, str] = field(default_factory=lambda: {"PATH": DEFAULT_PATH})
    args: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "root"
    command: tuple[str, ...] = ()

    @property
    def variables(self) -> dict[str, str]:
        """What RUN and ``$NAME`` see: ENV wins over ARG."""
        return {**self.args, **self.env}


def parse(text: str) -> tuple[Instruction, ...]:
    """The instructions of a Dockerfile.

    Raises:
        DockerfileError: An instruction or notation that is not understood here.
    """
    instructions: list[Instruction] = []
    parts: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if re.match(r"#\s*escape\s*=", stripped):
            raise DockerfileError(f"Dockerfile line {number}: an escape directive")
        if not stripped or stripped.startswith("#"):
            continue  # Docker drops comments and empty lines inside a continued instruction too
        start = start if parts else number
        parts.append(stripped.removesuffix("\\"))
        if not stripped.endswith("\\"):
            instructions.append(_instruction(start, " ".join(parts)))
            parts = []
    if parts:
        raise DockerfileError(f"Dockerfile line {start}: it ends in a continued line")
    if not instructions or instructions[0].name != "FROM":
        raise DockerfileError("the first instruction must be FROM")
    return tuple(instructions)


def _instruction(line: int, text: str) -> Instruction:
    name, _, rest = text.partition(" ")
    instruction = Instruction(line, name.upper(), rest.strip())
    if instruction.name not in KNOWN:
        raise instruction.error("not understood here")
    if re.match(r"--\w", instruction.text):
        raise instruction.error("flags are not understood here")
    if instruction.name in ("RUN", "COPY") and re.search(r"(?<!<)<<-?['\"]?\w", instruction.text):
        raise instruction.error("here-documents are not understood here")
    return instruction


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put variables in: ``$NAME``, ``${NAME}``, ``${NAME:-default}``; an unset one is empty."""

    def value(match: re.Match[str]) -> str:
        if match[0] == r"\$":
            return "$"
        return variables.get(match[1] or match[2], "") or match[3] or ""

    return _VARIABLE.sub(value, text)


def settle(instruction: Instruction, settings: Settings) -> Settings:
    """The settings after an instruction that only sets something.

    Raises:
        DockerfileError: It is malformed.
    """
    text = instruction.text
    match instruction.name:
        case "CMD":
            return replace(settings, command=command(instruction))
        case "ENV":
            return replace(settings, env={**settings.env, **_pairs(instruction, settings)})
        case "LABEL":
            _pairs(instruction, settings)  # malformed ones must fail
            return settings
        case "ARG":
            name, _, default = text.partition("=")
            value = expand(" ".join(shlex.split(default)), settings.variables)
            return replace(settings, args={**settings.args, name: value})
        case "WORKDIR":
            return replace(settings, workdir=absolute(expand(text, settings.variables), settings))
        case "USER":
            return replace(settings, user=expand(text, settings.variables))
        case _:
            raise instruction.error("sets nothing")


def _pairs(instruction: Instruction, settings: Settings) -> dict[str, str]:
    if "'" in instruction.text and "$" in instruction.text:
        raise instruction.error("single quotes and variables together are not understood here")
    pairs = {}
    for word in shlex.split(instruction.text):
        name, equals, value = word.partition("=")
        if not equals or (instruction.name == "ENV" and not _NAME.fullmatch(name)):
            raise instruction.error(f"{word!r} is not NAME=value")
        pairs[name] = expand(value, settings.variables)
    return pairs


def command(instruction: Instruction) -> tuple[str, ...]:
    """The words that a RUN or CMD executes: its JSON array, else a shell with its text."""
    if not instruction.text.startswith("["):
        return ("/bin/sh", "-c", instruction.text)
    try:
        words: Sequence[object] = json.loads(instruction.text)
    except ValueError as error:
        raise instruction.error(f"not a JSON array: {error}") from None
    if not words or not all(isinstance(word, str) for word in words):
        raise instruction.error("the array must hold strings")
    return tuple(str(word) for word in words)


def absolute(path: str, settings: Settings) -> str:
    """A path in the image, relative ones being below WORKDIR; a folder's ends in a slash."""
    whole = posixpath.normpath(posixpath.join(settings.workdir, path))
    is_folder = path.endswith(("/", "/.")) or path in (".", "./")
    return f"{whole.rstrip('/')}/" if is_folder else whole
