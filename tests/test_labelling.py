"""Which speaker a word gets."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import labelling as benchmark
from speech import activity, evidence, labelling, sentences, strands, timeline
from speech.types import Diarization, Hearing, LabelledWord, SpeakerTurn, Word
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


def bare(words: Sequence[LabelledWord]) -> list[Word]:
    return [Word(w.text, w.start_s, w.end_s, w.confidence, w.repaired) for w in words]


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
    assert bare(labelled) == list(words)
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
    assert labelling.label_words(bare(once), diarization) == once


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
    for word in labelling.label_words(words, diarization):
        support, together_s = by_each_pair(word, diarization.turns)
        best_other = max((share for name, share in support.items() if name != word.speaker))
        margin = max(0.0, support[str(word.speaker)] - best_other)
        assert word.speaker_confidence == pytest.approx(margin, abs=1e-9)
        length_s = max(word.end_s - word.start_s, evidence.MIN_WORD_S)
        assert word.overlap == (together_s >= min(evidence.OVERLAP_S, length_s / 2))


def by_each_pair(
    word: LabelledWord, turns: Sequence[SpeakerTurn]
) -> tuple[dict[str, float], float]:
    """Each speaker's support, and how long two speak, for the eye: O(words x turns)."""
    start_s, end_s = word.start_s, max(word.end_s, word.start_s + evidence.MIN_WORD_S)
    seconds = {name: overlap_s(turns, name, start_s, end_s) for name in RENAMED}
    covered_s = overlap_s([replace(t, speaker="any") for t in turns], "any", start_s, end_s)
    edges = sorted({start_s, end_s, *(time for t in turns for time in (t.start_s, t.end_s))})
    together_s = sum(
        after_s - before_s
        for before_s, after_s in pairwise(edges)
        if start_s <= before_s < end_s
        and len({t.speaker for t in turns if t.start_s <= before_s < t.end_s}) > 1
    )
    if covered_s:
        silent = (1 - covered_s / (end_s - start_s)) / 2
        whole_s = sum(seconds.values())
        return {
            name: min(1.0, own_s / (end_s - start_s) + silent * own_s / whole_s)
            for name, own_s in seconds.items()
        }, together_s
    gaps_s = {
        name: min(
            [max(t.start_s - end_s, start_s - t.end_s) for t in turns if t.speaker == name],
            default=math.inf,
        )
        for name in RENAMED
    }
    reach_s = min(gaps_s.values()) + activity.NEXT_S
    return {
        name: 0.5 ** (1 + gap_s / 0.5) if gap_s <= reach_s else 0.0
        for name, gap_s in gaps_s.items()
    }, together_s


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
        pytest.param(14, 15, "b", 0.0, id="two speakers: the exclusive one"),
        pytest.param(12.5, 14.5, "b", 0.75, id="two speakers: the longer one"),
        pytest.param(7, 7.75, "a", 0.5**5 - 0.5**5.5, id="between two turns"),
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
    assert labelled[4].speaker_confidence == 0.0


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


def test_two_words_are_a_real_change() -> None:
    words = evenly("Fine. Yes I know but we could go there on the way.")
    # "a" goes on for two words into the sentence of "b", or for one.
    two = labelling.label_words(words, diarized(("a", -5, 1.5), ("b", 1.5, 6)))
    assert speakers(two) == "aaabbbbbbbbb"
    one = labelling.label_words(words, diarized(("a", -5, 1), ("b", 1, 6)))
    assert speakers(one) == "abbbbbbbbbbb"


def test_half_of_a_sentence_is_no_majority() -> None:
    words = evenly("Well. You know I see. Yes.")
    labelled = labelling.label_words(words, diarized(("a", 0, 1.5), ("b", 1.5, 3)))
    assert speakers(labelled) == "aaabbb"


# ------------------------------------------------------------------------------ two at once


def test_nobody_says_two_words_at_once() -> None:
    """Both speak all the time, as far as the turns can tell."""
    words = [said("Yes.", 1, 2), said("No.", 1.5, 2.5)]
    labelled = labelling.label_words(words, diarized(("a", 0, 4), ("b", 0, 3)))
    assert sorted(speakers(labelled)) == ["a", "b"]
    assert all(word.overlap and word.speaker_confidence == 0 for word in labelled)


def test_two_sentences_said_at_once_are_told_apart() -> None:
    words = (
        *evenly("We meet at noon.", 0, 0.4),
        *(said("Yes,", 1.0, 1.3), said("that", 1.3, 1.7), *evenly("is fine.", 1.7)),
    )
    labelled = labelling.label_words(
        sorted(words, key=lambda word: word.start_s), diarized(("a", 0, 1.6), ("b", 1.0, 2.7))
    )
    found = {word.text: word.speaker for word in labelled}
    assert found == {**dict.fromkeys(("We", "meet", "at", "noon."), "a"), **dict.fromkeys(
        ("Yes,", "that", "is", "fine."), "b"
    )}  # fmt: skip


@given(strategies.words())
def test_sentences_by_voice_hold_every_word_once(words: tuple[Word, ...]) -> None:
    rivals = strands.find_rivals(words)
    found = strands.sentences_by_voice(words, rivals)
    assert sorted(index for sentence in found for index in sentence) == list(range(len(words)))
    for sentence in found:
        assert list(sentence) == sorted(sentence)
        for one, other in pairwise(sentence):
            until_s = min(words[one].end_s, words[other].end_s)
            assert until_s - words[other].start_s <= strands.SAME_TIME_S
    if not rivals:
        assert [(s[0], s[-1] + 1) for s in found] == sentences.sentence_bounds(words)


@pytest.mark.parametrize(
    ("start_s", "end_s", "overlap"),
    [
        pytest.param(0, 1.9, False, id="alone"),
        pytest.param(1, 2 + evidence.OVERLAP_S / 2, False, id="a frame's rounding"),
        pytest.param(1, 2 + evidence.OVERLAP_S, True, id="a frame"),
        pytest.param(1.97, 2.03, True, id="half of a short word"),
        pytest.param(5, 6, False, id="one speaker's turns overlap each other"),
        pytest.param(8, 9, False, id="nobody speaks"),
    ],
)
def test_overlap_is_two_speakers_within_the_word(
    start_s: float, end_s: float, overlap: bool
) -> None:
    turns = [("a", 0.0, 3.0), ("b", 2.0, 3.0), ("a", 4.0, 7.0), ("a", 5.0, 6.0)]
    (word,) = labelling.label_words([said("Hello.", start_s, end_s)], diarized(*turns))
    assert word.overlap is overlap


def test_a_repaired_word_stays_one() -> None:
    words = [replace(said("Yes.", 0, 1), repaired=True), said("No.", 1, 2)]
    for diarization in (None, diarized(("a", 0, 2))):
        labelled = labelling.label_words(words, diarization)
        assert [word.repaired for word in labelled] == [True, False]


# ------------------------------------------------------------------------------ speakers


@given(strategies.named_diarizations())
def test_known_speakers_have_their_names_and_strangers_the_first_numbers(
    diarization: Diarization,
) -> None:
    fresh = labelling.rename_by_first_appearance(diarization)
    old = (*diarization.turns, *diarization.exclusive_turns)
    new = (*fresh.turns, *fresh.exclusive_turns)
    ids = {one.speaker: other.speaker for one, other in zip(old, new, strict=True)}
    strangers = {name for old_name, name in ids.items() if old_name not in diarization.names}
    assert strangers == {f"SPEAKER_{number:02d}" for number in range(len(strangers))}
    assert {name: ids[name] for name in diarization.names} == diarization.names
    assert fresh.names == {name: name for name in diarization.names.values()}
    assert fresh.voiceprints == {
        ids[name]: vector for name, vector in diarization.voiceprints.items()
    }
    assert labelling.rename_by_first_appearance(fresh) == fresh


def test_a_name_takes_no_number() -> None:
    diarization = replace(diarized(("x", 0, 1), ("y", 2, 3), ("z", 4, 5)), names={"x": "Ada"})
    fresh = labelling.rename_by_first_appearance(diarization)
    assert [turn.speaker for turn in fresh.turns] == ["Ada", "SPEAKER_00", "SPEAKER_01"]
    assert [one.id for one in labelling.summarise_speakers(fresh)] == [
        "Ada",
        "SPEAKER_00",
        "SPEAKER_01",
    ]


@given(strategies.named_diarizations())
def test_voiceprints_are_told_only_where_they_are_asked_for(diarization: Diarization) -> None:
    for one in labelling.summarise_speakers(diarization):
        assert one.voiceprint is None
    for one in labelling.summarise_speakers(diarization, voiceprints=True):
        assert one.voiceprint == diarization.voiceprints.get(one.id)


@given(strategies.hearings(), st.integers(1, 100))
def test_a_later_recording_keeps_all_but_its_times(hearing: Hearing, offset_s: int) -> None:
    later = timeline.shift(hearing, offset_s)
    assert timeline.shift(later, -offset_s) == hearing
    if hearing.diarization is not None:
        assert later.diarization is not None
        assert later.diarization.names == hearing.diarization.names
        assert later.diarization.voiceprints == hearing.diarization.voiceprints
    assert later.transcript.plan == hearing.transcript.plan
    assert [word.start_s - offset_s for word in later.transcript.words] == [
        word.start_s for word in hearing.transcript.words
    ]


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
    assert sorted(summary.id for summary in summaries) == sorted(set(names))
    for summary in summaries:
        assert summary.turns == names.count(summary.id)
        assert summary.talk_time_s == overlap_s(diarization.turns, summary.id, 0, 1000)


@given(strategies.diarizations())
def test_speakers_are_summed_up_in_the_order_of_their_numbers(diarization: Diarization) -> None:
    fresh = labelling.rename_by_first_appearance(diarization)
    ids = [summary.id for summary in labelling.summarise_speakers(fresh)]
    assert ids == sorted(ids)


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


# ------------------------------------------------------------------------------ WDER


def test_few_words_get_a_wrong_speaker_from_turns_that_are_moved() -> None:
    """The benchmark's table, with fewer draws: by overlap alone it is several times as many."""
    truths = benchmark.conversations(benchmark.CONVERSATIONS, benchmark.LENGTH_S)

    def mean_wder(label: benchmark.Label) -> float:
        return statistics.mean(
            benchmark.wder(label, truths, benchmark.evenly, seed) for seed in range(3)
        )

    ours = mean_wder(benchmark.ours)
    assert ours <= 1.0
    assert ours < mean_wder(benchmark.by_overlap) / 3
    assert ours < mean_wder(benchmark.by_nearest_overlap) / 3
