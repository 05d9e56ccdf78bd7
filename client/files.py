"""Transcripts as files: never over another one unasked, and whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from client.errors import TranscriptionError

ENDINGS: Final[Mapping[str, str]] = {"seglst": "seglst.json"}
"""Where a format's name is not its ending."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the files go."""

    path: Path
    force: bool
    """Whether files that are there are replaced."""

    def check(self, stem: str, formats: Iterable[str]) -> None:
        """See that the files can be written, before the work that goes into them.

        Raises:
            TranscriptionError: "output_exists" or "output_failed".
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
            there = [name for name in _names(stem, formats) if (self.path / name).exists()]
        except OSError as error:
            raise _failed(self.path, error) from error
        if there and not self.force:
            raise TranscriptionError(
                "output_exists", f"{self.path / there[0]} is there already; --force replaces it."
            )

    def write(self, stem: str, texts: Mapping[str, str]) -> Iterator[Path]:
        """Write one file for each format, and give its path.

        A file that came in between is not replaced either: the new one gets a number.

        Raises:
            TranscriptionError: "output_failed".
        """
        for name, text in texts.items():
            try:
                yield self._write(stem, ENDINGS.get(name, name), text)
            except OSError as error:
                raise _failed(self.path, error) from error

    def _write(self, stem: str, ending: str, text: str) -> Path:
        descriptor, draft = tempfile.mkstemp(prefix=".transcribe-", dir=self.path)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            umask = os.umask(0)
            os.umask(umask)
            Path(draft).chmod(0o666 & ~umask)  # mkstemp's are for their owner alone
            whole = self.path / f"{stem}.{ending}"
            target = whole if self.force else self._reserve(stem, ending)
            Path(draft).replace(target)
        finally:
            Path(draft).unlink(missing_ok=True)
        return target

    def _reserve(self, stem: str, ending: str) -> Path:
        """A name that nobody has, taken at once."""
        number, target = 1, self.path / f"{stem}.{ending}"
        while True:
            try:
                target.touch(exist_ok=False)
            except FileExistsError:
                number += 1
                target = self.path / f"{stem}-{number}.{ending}"
            else:
                return target


def texts_of(answer: dict[str, Any], formats: Sequence[str]) -> dict[str, str]:
    """The files that are in an answer; as json the answer without them."""
    files = answer.pop("formats", None) or {}
    whole = {**files, "json": json.dumps(answer, indent=2, ensure_ascii=False) + "\n"}
    return {name: whole[name] for name in formats if name in whole}


def _names(stem: str, formats: Iterable[str]) -> list[str]:
    return [f"{stem}.{ENDINGS.get(name, name)}" for name in formats]


def _failed(path: Path, error: OSError) -> TranscriptionError:
    return TranscriptionError("output_failed", f"{path} cannot be written: {error.strerror}.")
