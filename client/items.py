"""What is to be transcribed, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from speech.recording import named


@dataclass(frozen=True, slots=True)
class Item:
    """One recording, or earlier result, of the command line."""

    about: str
    """What messages call it: as it was given, but of a URL the file alone: the rest may be a
    key."""
    stem: str
    """What its files are called, without their endings. No other item has it."""
    path: Path | None = None
    url: str | None = None

    @property
    def is_result(self) -> bool:
        """Whether it is what an earlier job answered, and no recording."""
        return self.path is not None and self.path.suffix.lower() == ".json"


def read(arguments: Sequence[str]) -> list[Item]:
    """Files and URLs as they stand on the command line."""
    items: list[Item] = []
    for argument in arguments:
        is_url = argument.startswith(("http://", "https://"))
        title = named(unquote(urlsplit(argument).path)).title if is_url else Path(argument).name
        stem = _unlike(Path(title).stem or "recording", {item.stem for item in items})
        if is_url:
            items.append(Item(title, stem, url=argument))
        else:
            items.append(Item(argument, stem, path=Path(argument)))
    return items


def _unlike(stem: str, taken: set[str]) -> str:
    number, name = 1, stem
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name
