"""A result in the shape that a request's ``response_format`` asks for."""

from __future__ import annotations

from shapes import assemblyai, deepgram, openai, parts, whisperx
from speech.request import Shape
from speech.types import Result


def shape(result: Result, name: Shape, request_id: str) -> dict[str, object]:
    """The result as a peer's API answers it.

    Exactly the peer's keys, but for ``warnings``, which stands beside them where the result has
    any; consumers ignore keys that they do not know. Lists of words and segments are empty where
    the result has none, or where ``timestamps`` leaves them out.

    Args:
        result: What was heard.
        name: Every shape but "default", which is ``speech.envelope.success``.
        request_id: The job's id, where the peer has one.

    Raises:
        ValueError: It is "default".
    """
    match name:
        case "text":
            return parts.with_warnings({"text": result.text}, result)
        case "openai":
            return openai.verbose(result)
        case "openai_diarized":
            return openai.diarized(result)
        case "whisperx":
            return whisperx.answer(result)
        case "deepgram":
            return deepgram.answer(result, request_id)
        case "assemblyai":
            return assemblyai.answer(result, request_id)
        case "default":
            raise ValueError("the default shape is speech.envelope's")
