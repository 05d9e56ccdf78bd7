"""Whether a library's function is still the one that ours was written against."""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger(__name__)


def source_digest(function: Callable[..., Any]) -> str:
    """The first half of the SHA-256 of a function's source; empty where there is no source."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(source.encode()).hexdigest()[:32]


def unchanged(what: str, known: Mapping[str, str], functions: Mapping[str, Any]) -> bool:
    """Whether all functions have the digests they are known by. Logs a warning where not.

    Args:
        what: What is left off otherwise, for the warning.
        known: Digest by name.
        functions: Function by the same names.
    """
    changed = sorted(name for name in known if source_digest(functions[name]) != known[name])
    if changed:
        log.warning("%s is off: %s changed in the library", what, ", ".join(changed))
    return not changed
