"""Hypothesis strategies for whole results, as the pipeline makes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hypothesis import strategies as st

from speech import segments
from speech.request import TimestampLevel
from speech.types import (
    Char,
    Coverage,
    LabelledWord,
    Language,
    Result,
    SpeakerSummary,
    SpeakerTurn,
)
from tests import strategies

LEVELS: Final[tuple[TimestampLevel, ...]] = ("word", "segment", "char")
PEOPLE: Final = (("SPEAKER_00", "SPEAKER_01", "Ada"), ("CHANNEL_00", "CHANNEL_01", "CHANNEL_03"))
MODELS: Final = (
    {"asr": "nvidia/parakeet-tdt-0.6b-v3@6d590f77", "diarization": "pyannote/speakers@1"},
    {"asr": "speech.nemo"},
)

times = st.floats(0, 1e5)
spoken_languages = st.builds(
    Language, st.sampled_from(("en", "de", "el", "uk")), strategies.shares, st.booleans()
)


@st.composite
def results(draw: st.DrawFn, max_words: int = 24) -> Result:
    """Of one sound or of separate channels, with speakers or without, thinned or whole."""
    diarized = draw(st.booleans())
    people = dict(zip(strategies.SPEAKERS, draw(st.sampled_from(PEOPLE)), strict=True))
    said = tuple(
        _by(word, people) if diarized else replace(word, speaker=None, speaker_confidence=None)
        for word in draw(strategies.labelled_words(max_words))
    )
    pieces = segments.segment_words(said)
    languages = draw(st.none() | spoken_languages)
    present = dict.fromkeys(word.speaker for word in said if word.speaker is not None)
    whole = Result(
        text=" ".join(piece.text for piece in pieces),
        duration_s=draw(times),
        words=said,
        segments=tuple(replace(piece, language=languages) for piece in pieces),
        chars=tuple(Char(word.text, word.start_s, word.end_s) for word in said),
        speakers=tuple(
            SpeakerSummary(who, draw(times), 1, draw(st.none() | st.just((0.5, -0.25))))
            for who in present
        ),
        diarized=diarized,
        timestamps=tuple(level for level in LEVELS if draw(st.booleans())),
        attention=draw(st.sampled_from(("full", "local", "windows"))),
        models=draw(st.sampled_from(MODELS)),
        timings_s=draw(st.dictionaries(st.sampled_from(("decode", "label", "total")), times)),
        cold=draw(st.booleans()),
        warnings=tuple(draw(st.lists(st.sampled_from(("Quiet.", "Loud.")), max_size=2))),
        plan=draw(st.none() | strategies.plans),
        language=languages,
        coverage=draw(st.none() | st.just(Coverage(3.5, 1.5, ((0.0, 2.0),)))),
        scores=draw(st.none() | st.just({"wer": 0.5, "speakers": {"der": None}})),
        turns=tuple(SpeakerTurn(who, 0.0, 1.0) for who in present),
    )
    return draw(st.sampled_from((whole, *thinned(whole))))


def thinned(result: Result) -> tuple[Result, ...]:
    """The result as less and less of it is left."""
    without_words = replace(result, chars=(), words=())
    return replace(result, chars=()), without_words, replace(without_words, segments=())


def _by(word: LabelledWord, people: dict[str, str]) -> LabelledWord:
    return replace(word, speaker=None if word.speaker is None else people[word.speaker])
