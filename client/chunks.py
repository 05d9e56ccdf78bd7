"""What an endpoint that streams sends, piece by piece, put together again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


class Assembly:
    """Collects the chunks of one job.

    What they look like: ``speech/chunks.py``.
    """

    def __init__(self) -> None:
        self._parts: dict[int, str] = {}
        self._wanted = 0
        self._result: Any = None

    def add(self, chunk: Any) -> Mapping[str, Any] | None:
        """Take a chunk in. The segment, where it is one."""
        match chunk:
            case {"type": "segment"}:
                return {name: value for name, value in chunk.items() if name != "type"}
            case {"type": "result", "result": result}:
                self._result = result
            case {"type": "result_part", "part": int(part), "parts": int(parts), "text": str(text)}:
                if parts != self._wanted:  # a job that is run again streams its result anew
                    self._parts, self._wanted = {}, parts
                self._parts[part] = text
            case {"type": "failure"} | {"success": False}:
                self._result = {**chunk, "success": False}
        return None

    def result(self) -> Any:
        """The result, once all of it has come; None until then."""
        if self._result is None and self._parts and len(self._parts) == self._wanted:
            self._result = json.loads("".join(text for _, text in sorted(self._parts.items())))
        return self._result


def result_of(output: Any) -> Any:
    """A job's result, whether its output holds that or the list of all its chunks."""
    if not isinstance(output, list):
        return output
    assembly = Assembly()
    _add_all(assembly, output)
    result = assembly.result()
    # A generator that does not stream yields its answer, and nothing else.
    return output[-1] if result is None and output else result


def _add_all(assembly: Assembly, chunks: Iterable[Any]) -> None:
    for chunk in chunks:
        assembly.add(chunk)
