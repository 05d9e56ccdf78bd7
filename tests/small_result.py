"""A small conversation of three people, one of them known, as a result."""

from __future__ import annotations

from speech.types import LabelledWord, Language, Result, Segment, SpeakerSummary


def word(text: str, start_s: float, speaker: str | None, confidence: float = 0.5) -> LabelledWord:
    certainty = None if speaker is None else 0.75
    return LabelledWord(text, start_s, start_s + 0.5, confidence, speaker, certainty)


RESULT = Result(
    text="Hello, Ada! Hi. How are you? Fine.",
    duration_s=9.6004,
    words=(
        word("Hello,", 0.0004, "SPEAKER_00"),
        word("Ada!", 0.5, "SPEAKER_00", 1.0),
        word("Hi.", 2.0, "Ada"),
        word("How", 2.6, "Ada"),
        word("are", 3.2, "Ada"),
        word("you?", 3.8, "Ada"),
        word("Fine.", 8.0, "SPEAKER_01", 0.0),
    ),
    segments=(
        Segment("Hello, Ada!", 0.0004, 1.0, "SPEAKER_00"),
        Segment("Hi.", 2.0, 2.5, "Ada"),
        Segment("How are you?", 2.6, 4.3, "Ada"),
        Segment("Fine.", 8.0, 8.5, "SPEAKER_01"),
    ),
    chars=(),
    speakers=(
        SpeakerSummary("SPEAKER_00", 1.0, 1, (0.1234567, -1.0)),
        SpeakerSummary("Ada", 2.0, 1),
        SpeakerSummary("SPEAKER_01", 0.5, 1),
    ),
    diarized=True,
    timestamps=("word", "segment"),
    attention="full",
    models={"asr": "nvidia/parakeet@6d59"},
    timings_s={},
    cold=False,
    warnings=(),
    language=Language("en", 0.98765),
)
