"""Where segments begin and end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given

from speech import segments, sentences
from speech.segments import MAX_SEGMENT_S, MAX_SEGMENT_WORDS
from speech.types import LabelledWord
from tests import strategies


def evenly(
    text: str, *, speaker: str | None = "a", start_s: float = 0.0, step_s: float = 0.25
) -> list[LabelledWord]:
    """The words one after the other without a pause."""
    return [
        LabelledWord(w, start_s + i * step_s, start_s + (i + 1) * step_s, 1.0, speaker, None)
        for i, w in enumerate(text.split())
    ]


def texts(words: list[LabelledWord]) -> list[str]:
    return [segment.text for segment in segments.segment_words(words)]


@given(strategies.labelled_words(max_size=200))
def test_segments_hold_every_word_once_and_in_order(words: tuple[LabelledWord, ...]) -> None:
    left = list(words)
    for segment in segments.segment_words(words):
        count = len(segment.text.split(" "))
        own, left = left[:count], left[count:]
        assert " ".join(word.text for word in own) == segment.text
        assert {word.speaker for word in own} == {segment.speaker}
        assert segment.start_s == min(word.start_s for word in own)
        assert segment.end_s == max(word.end_s for word in own)
        assert count <= MAX_SEGMENT_WORDS
        assert count == 1 or segment.end_s - segment.start_s <= MAX_SEGMENT_S
        for word, following in pairwise(own):
            assert following.start_s - word.end_s < sentences.LONG_PAUSE_S
    assert left == []


def test_nothing_comes_of_nothing() -> None:
    assert segments.segment_words(()) == ()


@pytest.mark.parametrize(
    "text",
    [
        "Hello there.|How are you?|Fine!|Well…|Good.",
        'He said "stop."|Then he left.',
        "(It was late.)|«Oui.»|Then he left.",
        "So I see e.g. this.|And that.",
        "I was… going there.",
        '"Stop!" he said.|Then he left.',
        "It is 3.5 metres.|It is No. 5 of them.",
        "How many?|5 of them.",
        "Mr. Smith met Dr. Who and J. Smith.|They left.",
        "So did I.|They left.",
        "well, no mark at all",
    ],
)
def test_sentences(text: str) -> None:
    assert texts(evenly(text.replace("|", " "))) == text.split("|")


def test_a_change_of_speaker_cuts_within_a_sentence() -> None:
    words = evenly("so will you") + evenly("come too?", speaker="b", start_s=0.75)
    cut = segments.segment_words(words)
    assert [(s.text, s.speaker, s.start_s, s.end_s) for s in cut] == [
        ("so will you", "a", 0.0, 0.75),
        ("come too?", "b", 0.75, 1.25),
    ]


def test_without_speakers_sentences_alone_cut() -> None:
    cut = segments.segment_words(evenly("So it is. And was.", speaker=None))
    assert [(s.text, s.speaker) for s in cut] == [("So it is.", None), ("And was.", None)]


@pytest.mark.parametrize(
    ("pause_s", "expected"), [(0.9, ["so it is and was"]), (1.0, ["so it is", "and was"])]
)
def test_a_long_pause_cuts(pause_s: float, expected: list[str]) -> None:
    assert texts(evenly("so it is") + evenly("and was", start_s=0.75 + pause_s)) == expected


def test_after_a_pause_a_small_letter_begins_a_sentence_too() -> None:
    assert texts(evenly("so it is.") + evenly("and was", start_s=0.75)) == ["so it is. and was"]
    assert texts(evenly("so it is.") + evenly("and was", start_s=1.25)) == ["so it is.", "and was"]


def test_too_many_words_are_cut_at_the_last_clause() -> None:
    words = ["w"] * 80
    words[34] = words[49] = "w,"
    assert [len(text.split()) for text in texts(evenly(" ".join(words)))] == [50, 30]


def test_an_early_clause_makes_no_tiny_segment() -> None:
    words = ["w"] * 80
    words[4] = "w,"
    assert [len(text.split()) for text in texts(evenly(" ".join(words)))] == [60, 20]


def test_without_a_clause_the_longest_pause_cuts() -> None:
    words = evenly(" ".join(["w"] * 40)) + evenly(" ".join(["w"] * 40), start_s=10.5)
    assert [len(text.split()) for text in texts(words)] == [40, 40]


def test_too_long_a_time_is_cut() -> None:
    # Twelve words of 4 s: seven fit into 30 s.
    assert [len(text.split()) for text in texts(evenly("w " * 12, step_s=4.0))] == [7, 5]


def test_one_endless_word_is_a_segment_of_its_own() -> None:
    words = evenly("mmm", step_s=40.0) + evenly("so it is", start_s=40.0)
    assert texts(words) == ["mmm", "so it is"]
