"""OpenAI's ``/v1/audio/transcriptions``: ``verbose_json`` and ``diarized_json``.

Keys as in the types of the openai package (``TranscriptionVerbose``, ``TranscriptionDiarized``);
times are seconds. What those types require and a transducer does not have:

- ``seek`` is 0, ``tokens`` empty and ``temperature`` 0.0: nothing was decoded in Whisper's windows,
  with its tokens, at a temperature;
- ``no_speech_prob`` is 0.0: a segment exists only where words were heard;
- ``avg_logprob`` is the mean logarithm of the words' confidences, and 0.0 where words are missing;
- ``compression_ratio`` is computed as Whisper does, from the text;
- ``language`` is "unknown" where it could not be told;
- the ``speaker`` of ``diarized_json`` is "unknown" where nobody was told apart.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

from shapes import parts
from speech.types import LabelledWord, Result

LANGUAGES = {
    "bg": "bulgarian", "hr": "croatian", "cs": "czech", "da": "danish", "nl": "dutch",
    "en": "english", "et": "estonian", "fi": "finnish", "fr": "french", "de": "german",
    "el": "greek", "hu": "hungarian", "it": "italian", "lv": "latvian", "lt": "lithuanian",
    "mt": "maltese", "pl": "polish", "pt": "portuguese", "ro": "romanian", "sk": "slovak",
    "sl": "slovenian", "es": "spanish", "sv": "swedish", "ru": "russian", "uk": "ukrainian",
}  # fmt: skip
"""As Whisper names them."""
UNKNOWN_LANGUAGE = "unknown"
LEAST_CONFIDENCE = 1e-4
"""Where 0 has no logarithm: the least that an answer shows."""


def verbose(result: Result) -> dict[str, object]:
    """``verbose_json``. The worker's ``warnings`` stand beside OpenAI's keys, where there are any.

    A ``timestamps`` without "word" leaves ``words`` empty, as OpenAI's granularities do.
    """
    code = result.language.code if result.language else None
    shape: dict[str, object] = {
        "task": "transcribe",
        "language": UNKNOWN_LANGUAGE if code is None else LANGUAGES.get(code, code),
        "duration": parts.seconds(result.duration_s),
        "text": result.text,
        "words": [
            {
                "word": word.text,
                "start": parts.seconds(word.start_s),
                "end": parts.seconds(word.end_s),
            }
            for word in parts.words(result)
        ],
        "segments": [_segment(number, part) for number, part in enumerate(parts.parts(result))],
        "usage": _usage(result),
    }
    return parts.with_warnings(shape, result)


def diarized(result: Result) -> dict[str, object]:
    """``diarized_json``: known speakers by their names, strangers as A, B and so on."""
    names = parts.letters(result)
    shape: dict[str, object] = {
        "task": "transcribe",
        "duration": parts.seconds(result.duration_s),
        "text": result.text,
        "segments": [
            {
                "type": "transcript.text.segment",
                "id": f"seg_{number:03d}",
                "start": parts.seconds(part.segment.start_s),
                "end": parts.seconds(part.segment.end_s),
                "text": part.segment.text,
                "speaker": names.get(part.segment.speaker or "", parts.NOBODY),
            }
            for number, part in enumerate(parts.parts(result), start=1)
        ],
        "usage": _usage(result),
    }
    return parts.with_warnings(shape, result)


def _segment(number: int, part: parts.Part) -> dict[str, object]:
    segment = part.segment
    return {
        "id": number,
        "seek": 0,
        "start": parts.seconds(segment.start_s),
        "end": parts.seconds(segment.end_s),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": _mean_logarithm(part.words),
        "compression_ratio": _compression_ratio(segment.text),
        "no_speech_prob": 0.0,
    }


def _mean_logarithm(words: Sequence[LabelledWord]) -> float:
    if not words:
        return 0.0
    logarithms = (math.log(max(word.confidence, LEAST_CONFIDENCE)) for word in words)
    return parts.share(math.fsum(logarithms) / len(words))


def _compression_ratio(text: str) -> float:
    """Above 2.4 a text repeats itself: whisper/utils.py."""
    encoded = text.encode()
    return parts.share(len(encoded) / len(zlib.compress(encoded)))


def _usage(result: Result) -> dict[str, object]:
    return {"type": "duration", "seconds": parts.seconds(result.duration_s)}
