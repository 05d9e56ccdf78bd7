"""Speakers called otherwise, or joined, without the recording."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech import regrouping
from speech.errors import RequestError
from speech.types import LabelledWord, Result, SpeakerSummary, SpeakerTurn
from tests.test_envelope import RESULT, results

VOICES = {"A": (1.0, 0.0, 0.0), "B": (0.9, 0.1, 0.0), "C": (0.0, 0.0, 1.0)}


def conversation() -> Result:
    """A, B and C say a word each, one after another; A and B sound alike."""
    who = "ABCABC"
    words = tuple(
        LabelledWord(f"word{n}", float(n), n + 0.9, 1.0, speaker, 1.0)
        for n, speaker in enumerate(who)
    )
    turns = tuple(SpeakerTurn(speaker, float(n), n + 1.0) for n, speaker in enumerate(who))
    speakers = tuple(SpeakerSummary(name, 2.0, 2, voice) for name, voice in VOICES.items())
    return replace(RESULT, words=words, turns=turns, speakers=speakers, segments=())


def test_a_name_is_everywhere() -> None:
    renamed = regrouping.rename(conversation(), {"A": "Anna"})
    assert [word.speaker for word in renamed.words] == ["Anna", "B", "C", "Anna", "B", "C"]
    assert [turn.speaker for turn in renamed.turns] == ["Anna", "B", "C", "Anna", "B", "C"]
    assert [speaker.id for speaker in renamed.speakers] == ["Anna", "B", "C"]


def test_names_that_cannot_be_given_are_told_of_and_cost_nothing() -> None:
    strange = regrouping.rename(conversation(), {"X": "Anna"})
    assert "X" in strange.warnings[-1]
    twice = regrouping.rename(conversation(), {"A": "B"})
    assert [speaker.id for speaker in twice.speakers] == ["A", "B", "C"]
    assert "num_speakers" in twice.warnings[-1]


@given(results(), st.dictionaries(st.sampled_from("abcX"), st.sampled_from("KLMabc"), max_size=3))
def test_renaming_loses_no_speaker_and_no_word(result: Result, names: dict[str, str]) -> None:
    renamed = regrouping.rename(result, names)
    assert len({s.id for s in renamed.speakers}) == len({s.id for s in result.speakers})
    assert [word.text for word in renamed.words] == [word.text for word in result.words]


def test_the_most_alike_are_joined() -> None:
    joined = regrouping.join(conversation(), 2)
    assert [speaker.id for speaker in joined.speakers] == ["A", "C"]
    assert [word.speaker for word in joined.words] == ["A", "A", "C", "A", "A", "C"]
    assert [(turn.speaker, turn.start_s, turn.end_s) for turn in joined.turns] == [
        *(("A", 0.0, 2.0), ("C", 2.0, 3.0), ("A", 3.0, 5.0), ("C", 5.0, 6.0)),
    ]
    assert [(s.talk_time_s, s.turns) for s in joined.speakers] == [(4.0, 2), (2.0, 2)]
    assert [piece.speaker for piece in joined.segments] == ["A", "C", "A", "C"]
    assert joined.speakers[0].voiceprint == pytest.approx((0.95, 0.05, 0.0))


def test_all_can_be_one() -> None:
    joined = regrouping.join(conversation(), 1)
    assert {word.speaker for word in joined.words} == {"A"}
    (speaker,) = joined.speakers
    assert speaker.talk_time_s == 6.0


def test_as_many_as_there_are_stay_as_they_are() -> None:
    assert regrouping.join(conversation(), 3) == conversation()


def test_without_voiceprints_nobody_is_joined() -> None:
    result = conversation()
    mute = tuple(replace(speaker, voiceprint=None) for speaker in result.speakers)
    with pytest.raises(RequestError, match="speaker_embeddings"):
        regrouping.join(replace(result, speakers=mute), 2)


def test_voiceprints_of_unlike_lengths_are_refused() -> None:
    result = conversation()
    odd = (replace(result.speakers[0], voiceprint=(1.0,)), *result.speakers[1:])
    with pytest.raises(RequestError, match="damaged"):
        regrouping.join(replace(result, speakers=odd), 2)
