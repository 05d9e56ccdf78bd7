"""An earlier result in another form: nothing is heard, and no engine starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import presentation
from client.errors import TranscriptionError
from speech.recording import named
from utils import local_file, validation


def present(path: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The answer, files included.

    Args:
        path: What an earlier job answered, as JSON.
        fields: The request's, without its source.

    Raises:
        WorkerError: It cannot be read, is no result, or cannot give what is asked for.
        TranscriptionError: It is no JSON.
    """
    local_file.readable_bytes(path)
    try:
        earlier = json.loads(path.read_bytes())
    except ValueError as error:  # UnicodeDecodeError is one
        raise TranscriptionError("invalid_input", "This is no JSON.") from error
    request = validation.parse_request({**fields, "transcript": earlier})
    result = presentation.reuse(request)
    shown = presentation.show(result, request.presentation, named(path.name))
    return presentation.answer(shown, request.presentation, "local")
