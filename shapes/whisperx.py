"""WhisperX's JSON: aligned segments with their words, and all words again.

Keys as in ``whisperx/schema.py`` and ``whisperx/diarize.py``; times are seconds. ``score`` is the
word's confidence. As there, ``speaker`` is missing where nobody was told apart. ``language`` is
"und" (ISO 639: undetermined) where it could not be told. ``chars`` are left out, as WhisperX does
by default: Parakeet times pieces of words, not letters.
"""

from __future__ import annotations

from shapes import parts
from speech.types import LabelledWord, Result

UNKNOWN_LANGUAGE = "und"


def answer(result: Result) -> dict[str, object]:
    """What ``whisperx --output_format json`` writes, with ``--diarize`` where speakers were heard.

    ``speaker_embeddings`` is there where voiceprints are. The worker's ``warnings`` stand beside
    WhisperX's keys, where there are any.
    """
    words_shown = bool(parts.words(result))
    shape: dict[str, object] = {
        "segments": [_segment(part, words_shown) for part in parts.parts(result)],
        "word_segments": [_word(word) for word in parts.words(result)],
        "language": result.language.code if result.language else UNKNOWN_LANGUAGE,
    }
    voices = {
        speaker.id: [round(number, 5) for number in speaker.voiceprint]
        for speaker in result.speakers
        if speaker.voiceprint is not None and result.diarized
    }
    if voices:
        shape["speaker_embeddings"] = voices
    return parts.with_warnings(shape, result)


def _segment(part: parts.Part, words_shown: bool) -> dict[str, object]:
    segment = part.segment
    shape: dict[str, object] = {
        "start": parts.seconds(segment.start_s),
        "end": parts.seconds(segment.end_s),
        "text": segment.text,
        "words": [_word(word) for word in part.words] if words_shown else [],
    }
    if segment.speaker is not None:
        shape["speaker"] = segment.speaker
    return shape


def _word(word: LabelledWord) -> dict[str, object]:
    shape: dict[str, object] = {
        "word": word.text,
        "start": parts.seconds(word.start_s),
        "end": parts.seconds(word.end_s),
        "score": parts.share(word.confidence),
    }
    if word.speaker is not None:
        shape["speaker"] = word.speaker
    return shape
