"""Values of an earlier answer, each checked: an object and a path in, a value out.

Of a path such as "timestamps.word[3].start" the last part is the object's key; the whole is for the
message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, TypeVar, cast

from speech.errors import RequestError

NAME: Final = "transcript"
"""The request's field."""
MAX_ITEMS: Final = 2_000_000
"""A day of speech has some 200,000 words and a million chars."""
T = TypeVar("T")


def items(
    holder: Mapping[str, object], path: str, read_one: Callable[[str, Mapping[str, object]], T]
) -> tuple[T, ...]:
    """A list of objects, each read by a function that takes its path and it."""
    found = rows(holder, path)
    if len(found) > MAX_ITEMS:
        raise damaged(path, f"a list of at most {MAX_ITEMS}")
    read: list[T] = []
    for number, row in enumerate(found):
        if not isinstance(row, Mapping):
            raise damaged(f"{path}[{number}]", "an object")
        read.append(read_one(f"{path}[{number}]", row))
    return tuple(read)


def rows(holder: Mapping[str, object], path: str) -> list[object]:
    """A list; none where there is nothing."""
    value = holder.get(path.rpartition(".")[2])
    if value is None:
        return []
    if not isinstance(value, list):
        raise damaged(path, "a list")
    return value


def mapping(
    holder: Mapping[str, object], path: str, default: Mapping[str, object]
) -> Mapping[str, object]:
    """An object."""
    value = holder.get(path.rpartition(".")[2])
    if value is None:
        return default
    if not isinstance(value, Mapping):
        raise damaged(path, "an object")
    return cast(Mapping[str, object], value)


def text(holder: Mapping[str, object], path: str) -> str:
    """Text that UTF-8 can hold."""
    value = holder.get(path.rpartition(".")[2])
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:  # JSON can spell half a surrogate pair
            pass
        else:
            return value
    raise damaged(path, "text")


def optional_text(holder: Mapping[str, object], path: str) -> str | None:
    """Text, or None where there is nothing."""
    return None if holder.get(path.rpartition(".")[2]) is None else text(holder, path)


def number(holder: Mapping[str, object], path: str) -> float:
    """A finite number, 0 or more."""
    value = holder.get(path.rpartition(".")[2])
    if not is_number(value) or cast(float, value) < 0:
        raise damaged(path, "a number, 0 or more")
    return float(cast(float, value))


def share(holder: Mapping[str, object], path: str) -> float:
    """A number from 0 to 1."""
    value = number(holder, path)
    if value > 1:
        raise damaged(path, "a number from 0 to 1")
    return value


def end(row: Mapping[str, object], path: str) -> float:
    """The key ``end``, which is not before ``start``."""
    end_s = number(row, f"{path}.end")
    if end_s < number(row, f"{path}.start"):
        raise damaged(f"{path}.end", "not before its start")
    return end_s


def is_number(value: object) -> bool:
    """Whether it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # JSON's integers have no upper bound
        return False


def damaged(path: str, wanted: str) -> RequestError:
    """What to raise for a value that is not as it should be."""
    return RequestError(
        f"{NAME}.{path} must be {wanted}: the earlier result is damaged or was changed. Send the "
        "job's output as it came."
    )
