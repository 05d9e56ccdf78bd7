"""Text as files can hold it, and how wide it is.

Words come from a model, names and titles from a caller: any of them may hold line breaks, tabs,
control characters or what a format takes for markup. What is only of one format stands there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_UNSEEN: Final = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]"
)
"""Control characters that are no white space, halves of characters, and byte order marks."""
_MARKS: Final = re.compile("[\ue000\ue001]")
"""What a page's templates keep places for names with (``formats.page``)."""
_FIRST_COMBINING: Final = "\u0300"
_UNCOUNTED: Final = ("Mn", "Me", "Cf")
_MISSING: Final = frozenset(
    ("na", "n/a", "nan", "null", "none", "<na>", "#n/a", "#na", "-nan", "1.#ind", "1.#qnan")
)
"""What readers of tables take for an empty field."""


def text(raw: str) -> str:
    """One line without control characters; white space is single spaces."""
    if raw.isprintable() and "  " not in raw and raw == raw.strip():  # as nearly all are
        return raw
    return " ".join(_MARKS.sub("", _UNSEEN.sub("", raw)).split())


def name(raw: str) -> str:
    """The same of a speaker's name, in which a page's marks are kept."""
    return " ".join(_UNSEEN.sub("", raw).split())


def width(shown: str) -> int:
    """How many characters a person sees: neither combining marks nor invisible ones count."""
    if shown.isascii() or max(shown) < _FIRST_COMBINING:
        return len(shown)
    return sum(map(_counts, shown))


def pieces(shown: str, widest: int, first: int | None = None) -> list[str]:
    """A word in parts that fit, as wide as they may be; marks stay with their letter.

    Args:
        shown: The word.
        widest: How many seen characters a part may have.
        first: The same of the first part; None is ``widest``.
    """
    parts: list[str] = []
    part, room = "", widest if first is None else first
    for char in shown:
        counts = _counts(char)
        if counts and room == 0:
            parts.append(part)
            part, room = "", widest
        part += char
        room -= counts
    return [*parts, part]


def shortened(shown: str, widest: int) -> str:
    """At most so wide: what is more is cut off, with an ellipsis in its place."""
    return shown if width(shown) <= widest else pieces(shown, widest - 1)[0].rstrip() + "…"


@lru_cache(maxsize=1024)
def token(raw: str) -> str:
    """One field of a file whose fields are set apart by spaces.

    Quotes become an underscore too: readers of tables take them for the field's edges.
    """
    field = re.sub(r"[\s\"]+", "_", name(raw)) or "_"
    return f"_{field}" if field.lower() in _MISSING else field


def tokens(raw: Iterable[str]) -> dict[str, str]:
    """The same of several names, each different from the others, by the name."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for one in raw:
        if one in found:
            continue
        field = base = token(one)
        number = 1
        while field in taken:
            number += 1
            field = f"{base}_{number}"
        found[one] = field
        taken.add(field)
    return found


def _counts(char: str) -> bool:
    return char < _FIRST_COMBINING or unicodedata.category(char) not in _UNCOUNTED
