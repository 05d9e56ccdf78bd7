"""Answers whose result lies elsewhere: it was too large to be returned, or was wanted there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from client.errors import TranscriptionError

TIMEOUT_S: Final = 120


def complete(answer: dict[str, Any]) -> dict[str, Any]:
    """The whole result, and its files, fetched where the answer has links to them.

    Without a link (the caller's own presigned PUT has none) the answer stays what it is.

    Raises:
        TranscriptionError: "output_unreachable": the result is there, but cannot be fetched.
    """
    stored = answer.get("output")
    if "counts" not in answer or not isinstance(stored, Mapping):
        return answer
    links = {name: one["url"] for name, one in stored.items() if "url" in one}
    if "json" not in links:
        return answer
    whole: dict[str, Any] = _get(links.pop("json"), stored["json"]).json()
    files = {name: _get(link, stored[name]).content.decode() for name, link in links.items()}
    if files:
        whole["formats"] = files
    whole["output"] = stored
    return whole


def _get(link: str, stored: Mapping[str, Any]) -> Any:
    import requests

    try:
        answer = requests.get(link, timeout=TIMEOUT_S)
        answer.raise_for_status()
    except requests.RequestException as error:
        status = error.response.status_code if error.response is not None else None
        raise TranscriptionError(
            "output_unreachable",
            f"The result is {stored.get('s3_key')} in the bucket {stored.get('s3_bucket')}, but "
            f"cannot be fetched from there ({status or type(error).__name__}).",
            retryable=True,
        ) from error
    return answer
