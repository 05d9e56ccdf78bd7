"""What was really said, in every format in which it may come."""

from __future__ import annotations

import json

import pytest

from speech import references
from speech.request import Reference, ReferenceFormat
from speech.spoken import Spoken, Utterance
from speech.types import SpeakerTurn


def parse(format_: ReferenceFormat, *lines: str) -> Spoken:
    return references.parse(Reference(format_, "\n".join(lines)))


def test_text_has_neither_speakers_nor_times() -> None:
    assert parse("text", "Hello,", "you.") == Spoken((Utterance("Hello,\nyou."),), None)


def test_stm_is_read_with_labels_comments_and_what_is_not_scored() -> None:
    spoken = parse(
        "stm",
        "\ufeff;; a comment",
        "call A Bob 2.5 4 <o,f0,male> how are you",
        "",
        "call A Ann 0 2 hello there",
        "call A Ann 4 5 IGNORE_TIME_SEGMENT_IN_SCORING",
        "call A Ann 5 6",
    )
    assert spoken.utterances == (
        Utterance("hello there", "Ann", 0.0, 2.0),
        Utterance("how are you", "Bob", 2.5, 4.0),
        Utterance("", "Ann", 5.0, 6.0),
    )
    assert spoken.turns == (
        SpeakerTurn("Ann", 0.0, 2.0),
        SpeakerTurn("Bob", 2.5, 4.0),
        SpeakerTurn("Ann", 5.0, 6.0),
    )


def test_ctm_has_word_times_and_takes_channels_for_speakers_where_there_are_two() -> None:
    one = parse("ctm", "call 1 0.5 0.25 hello 0.9", "call 1 1 0.5 there")
    assert one.utterances == (
        Utterance("hello", None, 0.5, 0.75),
        Utterance("there", None, 1.0, 1.5),
    )
    assert one.turns is None
    two = parse("ctm", "call A 0 0.5 hello", "call B 1 0.5 hi", "call A 0.75 0.5 there")
    assert two.turns == (SpeakerTurn("A", 0.0, 1.25), SpeakerTurn("B", 1.0, 1.5))


def test_rttm_has_turns_and_no_words() -> None:
    spoken = parse(
        "rttm",
        "SPKR-INFO call 1 <NA> <NA> <NA> unknown Ann <NA>",
        "SPEAKER call 1 1.5 2 <NA> <NA> Ann <NA> <NA>",
    )
    assert spoken == Spoken(None, (SpeakerTurn("Ann", 1.5, 3.5),))


def test_seglst_may_lack_speakers_and_times() -> None:
    full = [
        {"session_id": "x", "words": "b c", "speaker": 2, "start_time": "1.5", "end_time": 2},
        {"session_id": "x", "words": "a", "speaker": 1, "start_time": 0, "end_time": 1},
    ]
    spoken = parse("seglst", json.dumps(full))
    assert spoken.utterances == (Utterance("a", "1", 0.0, 1.0), Utterance("b c", "2", 1.5, 2.0))
    assert spoken.turns == (SpeakerTurn("1", 0.0, 1.0), SpeakerTurn("2", 1.5, 2.0))
    without_times = [{"words": "a", "speaker": "A"}, {"words": "b", "speaker": "B"}]
    assert parse("seglst", json.dumps(without_times)).turns is None
    half = [full[0], {"words": "a", "session_id": "x"}]
    assert parse("seglst", json.dumps(half)) == Spoken((Utterance("b c"), Utterance("a")), None)


def test_words_of_one_speaker_are_one_turn_over_a_short_pause() -> None:
    said = [("a", "A", 0.0), ("b", "B", 0.25), ("c", "A", 0.75), ("d", "A", 2.0)]
    segments = [
        {"words": word, "speaker": who, "start_time": start_s, "end_time": start_s + 0.5}
        for word, who, start_s in said
    ]
    turns = parse("seglst", json.dumps(segments)).turns
    assert turns == (
        SpeakerTurn("A", 0.0, 1.25),
        SpeakerTurn("B", 0.25, 0.75),
        SpeakerTurn("A", 2.0, 2.5),
    )


@pytest.mark.parametrize(
    ("name", "format_"),
    [("a.stm", "stm"), ("a.RTTM", "rttm"), ("a.json", "seglst"), ("a.txt", "text"), ("a", "text")],
)
def test_a_file_is_known_by_its_suffix(name: str, format_: str) -> None:
    assert references.format_of(name[name.find(".") :] if "." in name else "") == format_
