"""Which speaker a word gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech import labelling
from speech.types import Diarization, LabelledWord, SpeakerTurn, Word
from tests import strategies

RENAMED = {"a": "zoe", "b": "ada", "c": "max"}
"""Another alphabetical order."""


def said(text: str, start_s: float, end_s: float) -> Word:
    return Word(text, start_s, end_s, 0.9)


def evenly(text: str, start_s: float = 0.0, step_s: float = 0.5) -> tuple[Word, ...]:
    """The words one after the other without a pause."""
    return tuple(
        said(word, start_s + i * step_s, start_s + (i + 1) * step_s)
        for i, word in enumerate(text.split())
    )


def diarized(
    *turns: tuple[str, float, float], exclusive: Sequence[SpeakerTurn] = ()
) -> Diarization:
    return Diarization(tuple(SpeakerTurn(*turn) for turn in turns), tuple(exclusive))


def speakers(words: Sequence[LabelledWord]) -> str:
    """One letter a word."""
    return "".join(word.speaker or "-" for word in words)


def renamed(diarization: Diarization) -> Diarization:
    return Diarization(
        tuple(replace(turn, speaker=RENAMED[turn.speaker]) for turn in diarization.turns),
        tuple(replace(turn, speaker=RENAMED[turn.speaker]) for turn in diarization.exclusive_turns),
    )


# ------------------------------------------------------------------------------ laws


@given(strategies.words(), strategies.diarizations(min_turns=1))
def test_every_word_keeps_its_place_and_gets_a_speaker(
    words: tuple[Word, ...], diarization: Diarization
) -> None:
    labelled = labelling.label_words(words, diarization)
    assert [Word(w.text, w.start_s, w.end_s, w.confidence) for w in labelled] == list(words)
    present = {turn.speaker for turn in diarization.turns}
    for word in labelled:
        assert word.speaker in present
        assert word.speaker_confidence is not None
        assert 0 <= word.speaker_confidence <= 1


@given(strategies.words(), strategies.diarizations())
def test_labelling_the_labelled_words_again_changes_nothing(
    words: tuple[Word, ...], diarization: Diarization
) -> None:
    once = labelling.label_words(words, diarization)
    bare = [Word(w.text, w.start_s, w.end_s, w.confidence) for w in once]
    assert labelling.label_words(bare, diarization) == once


@given(strategies.words(), strategies.diarizations())
def test_names_of_speakers_do_not_matter(words: tuple[Word, ...], diarization: Diarization) -> None:
    expected = tuple(
        replace(word, speaker=None if word.speaker is None else RENAMED[word.speaker])
        for word in labelling.label_words(words, diarization)
    )
    assert labelling.label_words(words, renamed(diarization)) == expected


@given(strategies.words(), strategies.diarizations(min_turns=1))
def test_the_sweep_agrees_with_comparing_each_word_with_each_turn(
    words: tuple[Word, ...], diarization: Diarization
) -> None:
    # Without a vote: each word is a sentence of its own.
    alone = [replace(word, text="Word.") for word in words]
    labelled = labelling.label_words(alone, diarization)
    assert [word.speaker for word in labelled] == by_each_pair(alone, diarization)


def by_each_pair(words: Sequence[Word], diarization: Diarization) -> list[str]:
    """The rule for single words, written for the eye: O(words x turns)."""
    turns = diarization.turns
    names = {turn.speaker for turn in turns}
    order = sorted(
        dict.fromkeys(turn.speaker for turn in turns),
        key=lambda name: (
            min(turn.start_s for turn in turns if turn.speaker == name),
            -overlap_s(turns, name, 0, 1000),
        ),
    )
    result: list[str] = []
    for word in words:
        start_s, end_s = word.start_s, max(word.end_s, word.start_s + labelling.MIN_WORD_S)
        by_overlap = {name: overlap_s(turns, name, start_s, end_s) for name in names}
        by_gap = {
            name: -min(
                max(0.0, turn.start_s - end_s, start_s - turn.end_s)
                for turn in turns
                if turn.speaker == name
            )
            for name in names
        }
        by_exclusive = {
            name: overlap_s(diarization.exclusive_turns, name, start_s, end_s) for name in names
        }
        left = winners(by_overlap if any(by_overlap.values()) else by_gap, names)
        left = winners(by_exclusive, left)
        previous = result[-1] if result else None
        result.append(previous if previous in left else next(n for n in order if n in left))
    return result


def winners(scores: dict[str, float], names: set[str]) -> set[str]:
    best = max(scores[name] for name in names)
    return {name for name in names if scores[name] >= best - 1e-6}


def overlap_s(turns: Sequence[SpeakerTurn], name: str, start_s: float, end_s: float) -> float:
    """The length of the union of the speaker's turns within start..end."""
    total_s, reached_s = 0.0, start_s
    own = sorted((turn.start_s, turn.end_s) for turn in turns if turn.speaker == name)
    for turn_start_s, turn_end_s in own:
        total_s += max(0.0, min(end_s, turn_end_s) - max(reached_s, turn_start_s))
        reached_s = max(reached_s, turn_end_s)
    return total_s


# ------------------------------------------------------------------------------ one word


def test_nothing_comes_of_nothing() -> None:
    assert labelling.label_words((), diarized(("a", 0, 1))) == ()


@pytest.mark.parametrize("diarization", [None, diarized(), diarized(("a", 1, 1))])
def test_no_speaker_without_a_turn(diarization: Diarization | None) -> None:
    (word,) = labelling.label_words([said("Hello.", 1, 2)], diarization)
    assert word == LabelledWord("Hello.", 1, 2, 0.9, None, None)


@pytest.mark.parametrize(
    ("start_s", "end_s", "speaker", "confidence"),
    [
        pytest.param(1, 2, "a", 1.0, id="wholly within one turn"),
        pytest.param(4, 6, "a", 0.75, id="half covered"),
        pytest.param(5, 6, "a", 0.5, id="touches a turn"),
        pytest.param(5.5, 6, "a", 0.25, id="half a second after a turn"),
        pytest.param(9, 9.5, "b", 0.25, id="half a second before a turn"),
        pytest.param(9.75, 10.75, "b", 0.875, id="mostly covered"),
        pytest.param(11, 11, "b", 1.0, id="an instant within a turn"),
        pytest.param(14, 15, "b", 0.5, id="two speakers: the exclusive one"),
        pytest.param(12.5, 14.5, "b", 0.8, id="two speakers: the longer one"),
    ],
)
def test_one_word(start_s: float, end_s: float, speaker: str, confidence: float) -> None:
    diarization = diarized(
        ("a", 0, 5), ("b", 10, 20), ("c", 14, 16), exclusive=[SpeakerTurn("b", 10, 20)]
    )
    (word,) = labelling.label_words([said("Hello.", start_s, end_s)], diarization)
    assert word.speaker == speaker
    assert word.speaker_confidence == pytest.approx(confidence)


def test_a_gap_is_measured_to_the_edge_of_a_turn_not_to_its_middle() -> None:
    # The middle of the long turn is 51 s away, that of the short one 3 s.
    diarization = diarized(("a", 0, 100), ("b", 103, 104))
    (word,) = labelling.label_words([said("Hello.", 100.5, 101)], diarization)
    assert word.speaker == "a"


def test_a_tie_goes_to_the_speaker_of_the_word_before() -> None:
    words = [said("Yes.", 2, 3), said("Quite.", 4, 5)]
    overlapped = [("b", 2.0, 6.0), ("a", 4.0, 6.0)]
    for earliest in ("a", "b"):
        labelled = labelling.label_words(words, diarized((earliest, 0, 1), *overlapped))
        assert speakers(labelled) == "bb"


def test_without_a_word_before_a_tie_goes_to_who_spoke_first() -> None:
    words = [said("Quite.", 4, 5)]
    for earliest in ("a", "b"):
        diarization = diarized(("b", 4, 6), ("a", 4, 6), (earliest, 0, 1))
        assert speakers(labelling.label_words(words, diarization)) == earliest


def test_many_turns_with_the_same_edges_are_one() -> None:
    words = evenly("Yes. " * 20_000, 5)
    labelled = labelling.label_words(words, diarized(*[("a", 0.0, 1.0)] * 10_000))
    assert set(speakers(labelled)) == {"a"}


# ------------------------------------------------------------------------------ a sentence


def test_a_word_at_the_edge_goes_to_its_sentence() -> None:
    words = evenly("I was there. Oh, I did not know.")
    # The turn of "a" ends one word too late.
    labelled = labelling.label_words(words, diarized(("a", 0, 2), ("b", 2, 5)))
    assert speakers(labelled) == "aaabbbbb"
    assert labelled[3].speaker_confidence == 0.0


def test_a_word_in_overlap_goes_to_its_sentence() -> None:
    words = evenly("we could go there yeah on the way.")
    labelled = labelling.label_words(
        words, diarized(("a", 0, 4), ("b", 1.9, 2.6), exclusive=[SpeakerTurn("b", 1.9, 2.6)])
    )
    assert speakers(labelled) == "aaaaaaaa"
    assert labelled[4].speaker_confidence == pytest.approx(0.5)


def test_a_backchannel_while_the_other_is_silent_stays() -> None:
    words = evenly("we could go there yeah on the way.")
    labelled = labelling.label_words(words, diarized(("a", 0, 2), ("b", 2, 2.5), ("a", 2.5, 4)))
    assert speakers(labelled) == "aaaabaaa"


def test_a_backchannel_with_its_own_sentence_stays() -> None:
    words = evenly("We could go there. Yeah. On the way.")
    diarization = diarized(("a", 0, 4), ("b", 2, 2.5), exclusive=[SpeakerTurn("b", 2, 2.5)])
    assert speakers(labelling.label_words(words, diarization)) == "aaaabaaa"


def test_a_short_answer_between_pauses_stays() -> None:
    words = (*evenly("so will you come"), said("yes", 2.4, 2.8), *evenly("then we go.", 3.2))
    turns = [("a", 0.0, 5.0), ("b", 2.3, 2.9)]
    diarization = diarized(*turns, exclusive=[SpeakerTurn("b", 2.3, 2.9)])
    assert speakers(labelling.label_words(words, diarization)) == "aaaabaaa"
    # Without the pauses the same evidence is too weak.
    fluent = evenly("so will you come yes then we go.", 0.4)
    assert speakers(labelling.label_words(fluent, diarization)) == "aaaaaaaa"


def test_three_words_are_a_real_change() -> None:
    words = evenly("Fine. Yes I know but we could go there on the way.")
    # "a" goes on for three words into the sentence of "b", or for two.
    three = labelling.label_words(words, diarized(("a", -5, 2), ("b", 2, 6)))
    assert speakers(three) == "aaaabbbbbbbb"
    two = labelling.label_words(words, diarized(("a", -5, 1.5), ("b", 1.5, 6)))
    assert speakers(two) == "abbbbbbbbbbb"


def test_half_of_a_sentence_is_no_majority() -> None:
    words = evenly("Well. You know I see. Yes.")
    labelled = labelling.label_words(words, diarized(("a", 0, 1.5), ("b", 1.5, 3)))
    assert speakers(labelled) == "aaabbb"


# ------------------------------------------------------------------------------ speakers


@given(strategies.diarizations())
def test_speakers_are_numbered_in_the_order_in_which_they_speak(diarization: Diarization) -> None:
    fresh = labelling.rename_by_first_appearance(diarization)
    old = [(t.start_s, t.end_s) for t in (*diarization.turns, *diarization.exclusive_turns)]
    assert [(t.start_s, t.end_s) for t in (*fresh.turns, *fresh.exclusive_turns)] == old
    firsts = {
        name: min(t.start_s for t in fresh.turns if t.speaker == name)
        for name in {t.speaker for t in fresh.turns}
    }
    assert sorted(firsts) == [f"SPEAKER_{i:02d}" for i in range(len(firsts))]
    assert sorted(firsts.values()) == [firsts[name] for name in sorted(firsts)]
    assert labelling.rename_by_first_appearance(fresh) == fresh
    assert labelling.rename_by_first_appearance(renamed(diarization)) == fresh


def test_of_two_who_begin_together_the_longer_talker_is_first() -> None:
    fresh = labelling.rename_by_first_appearance(diarized(("b", 0, 1), ("a", 0, 2), ("c", 0, 1.5)))
    assert [t.speaker for t in fresh.turns] == ["SPEAKER_02", "SPEAKER_00", "SPEAKER_01"]


@given(strategies.diarizations())
def test_talk_time_is_the_length_of_the_union(diarization: Diarization) -> None:
    summaries = labelling.summarise_speakers(diarization)
    names = [turn.speaker for turn in diarization.turns]
    assert [summary.id for summary in summaries] == sorted(set(names))
    for summary in summaries:
        assert summary.turns == names.count(summary.id)
        assert summary.talk_time_s == overlap_s(diarization.turns, summary.id, 0, 1000)


@given(st.integers(0, 200), strategies.words(), strategies.diarizations())
def test_a_shift_of_everything_moves_no_label(
    offset: int, words: tuple[Word, ...], diarization: Diarization
) -> None:
    def later(turns: tuple[SpeakerTurn, ...]) -> tuple[SpeakerTurn, ...]:
        return tuple(SpeakerTurn(t.speaker, t.start_s + offset, t.end_s + offset) for t in turns)

    moved = Diarization(later(diarization.turns), later(diarization.exclusive_turns))
    moved_words = [Word(w.text, w.start_s + offset, w.end_s + offset, 1.0) for w in words]
    expected = [word.speaker for word in labelling.label_words(words, diarization)]
    assert [word.speaker for word in labelling.label_words(moved_words, moved)] == expected
