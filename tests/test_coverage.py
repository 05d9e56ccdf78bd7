"""How much of the speech has words, and where it has none."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline
from speech.coverage import BREATH_S, EDGE_S, LEAST_HOLE_S, coverage, holes, is_stretched
from speech.request import Options
from speech.types import (
    Audio,
    Coverage,
    Diarization,
    Hearing,
    Plan,
    SpeakerTurn,
    Transcript,
    Word,
)
from tests import strategies

TICK_S = 1 / strategies.TICKS_PER_S
LENGTH_S = 80
"""All that the strategies make lies before."""


def said(*spans: tuple[float, float]) -> list[Word]:
    """Words so long that none is stretched."""
    return [Word("so" * 40, start_s, end_s, 1.0) for start_s, end_s in spans]


def spoken(*spans: tuple[float, float]) -> list[SpeakerTurn]:
    """By two who take turns."""
    return [SpeakerTurn("ab"[i % 2], *span) for i, span in enumerate(spans)]


# ------------------------------------------------------------------------------ laws


def ticks(spans: Sequence[tuple[float, float]]) -> list[bool]:
    """Which of the ticks lie in one of the spans: exact, as all times are whole ticks."""
    hit = [False] * (LENGTH_S * strategies.TICKS_PER_S)
    for start_s, end_s in spans:
        first, last = round(start_s / TICK_S), round(end_s / TICK_S)
        hit[first:last] = [True] * (last - first)
    return hit


@given(strategies.words(), strategies.turns())
def test_every_tick_of_speech_is_counted_once(
    words: tuple[Word, ...], turns: tuple[SpeakerTurn, ...]
) -> None:
    found = coverage(words, turns)
    speech = ticks([(turn.start_s, turn.end_s) for turn in turns])
    with_words = ticks([(word.start_s, word.end_s) for word in words])
    gaps = ticks(found.gaps)
    assert found.speech_s == sum(speech) * TICK_S
    assert sum(a and b for a, b in zip(speech, with_words, strict=True)) * TICK_S <= found.covered_s
    assert found.covered_s + sum(a and b for a, b in zip(speech, gaps, strict=True)) * TICK_S <= (
        found.speech_s
    )
    assert not any(a and b for a, b in zip(with_words, gaps, strict=True))


@given(strategies.words(), strategies.turns(), st.floats(0.5, 4))
def test_holes_are_speech_without_a_word(
    words: tuple[Word, ...], turns: tuple[SpeakerTurn, ...], least_s: float
) -> None:
    found = holes(words, turns, least_s)
    speech = ticks([(turn.start_s, turn.end_s) for turn in turns])
    with_words = ticks([(word.start_s, word.end_s) for word in words])
    assert found == sorted(found)
    for start_s, end_s in found:
        first, last = round(start_s / TICK_S), round(end_s / TICK_S)
        assert speech[first]
        assert speech[last - 1]
        assert sum(speech[first:last]) * TICK_S >= least_s
        assert not any(with_words[first:last])
        assert not any(start_s < word.start_s < end_s for word in words), "one of no length"


@given(strategies.words(), strategies.turns())
def test_no_hole_is_missed(words: tuple[Word, ...], turns: tuple[SpeakerTurn, ...]) -> None:
    speech = ticks([(turn.start_s, turn.end_s) for turn in turns])
    taken = ticks([(word.start_s, max(word.end_s, word.start_s + TICK_S)) for word in words])
    found = ticks(holes(words, turns))
    run = 0
    for tick, (voiced, worded) in enumerate(zip(speech, taken, strict=True)):
        run = run + 1 if voiced and not worded else 0
        if run * TICK_S >= LEAST_HOLE_S + TICK_S:
            assert found[tick]


@given(strategies.words(), strategies.turns(), st.randoms(use_true_random=False))
def test_the_order_and_the_speakers_do_not_matter(
    words: tuple[Word, ...], turns: tuple[SpeakerTurn, ...], rng: random.Random
) -> None:
    shuffled = rng.sample(words, len(words))
    one_speaker = [replace(turn, speaker="x") for turn in rng.sample(turns, len(turns))]
    assert coverage(shuffled, one_speaker) == coverage(words, turns)


@given(strategies.words(), strategies.turns(), strategies.words())
def test_more_words_never_cover_less(
    words: tuple[Word, ...], turns: tuple[SpeakerTurn, ...], more: tuple[Word, ...]
) -> None:
    before, after = coverage(words, turns), coverage([*words, *more], turns)
    assert after.covered_s >= before.covered_s
    assert after.speech_s == before.speech_s


@given(strategies.turns(min_size=1))
def test_the_words_of_all_turns_leave_nothing(turns: tuple[SpeakerTurn, ...]) -> None:
    found = coverage(said(*((turn.start_s, turn.end_s) for turn in turns)), turns)
    assert found == Coverage(found.speech_s, found.speech_s, ())


def test_a_whole_day_is_quick() -> None:
    """Comparing each with each would take hours."""
    words = said(*((i * 3.0, i * 3.0 + 0.4) for i in range(30_000)))
    turns = spoken(*((i * 9.0, i * 9.0 + 9.5) for i in range(10_000)))
    found = coverage(words, turns)
    assert len(found.gaps) == 30_000
    assert found.speech_s == pytest.approx(90_000.5)


# ------------------------------------------------------------------------------ single cases


def test_nothing_comes_of_nothing() -> None:
    assert coverage([], []) == Coverage(0.0, 0.0, ())
    assert coverage(said((1, 2)), spoken((3, 3))) == Coverage(0.0, 0.0, ())


def test_speech_without_any_word_is_one_gap() -> None:
    assert coverage([], spoken((1, 9))) == Coverage(8.0, 0.0, ((1, 9),))


@pytest.mark.parametrize("pause_s", [0.1, BREATH_S])
def test_within_a_breath_between_words_nothing_is_missing(pause_s: float) -> None:
    words = said((1, 2), (2 + pause_s, 4))
    assert coverage(words, spoken((1, 4))).covered_s == pytest.approx(3.0)


def test_a_longer_pause_is_covered_at_its_edges_alone() -> None:
    found = coverage(said((1, 2), (3.5, 4)), spoken((1, 4)))
    assert found.covered_s == pytest.approx(3.0 - 1.5 + 2 * EDGE_S)
    assert found.gaps == ()


@pytest.mark.parametrize(
    ("hole_s", "found"), [(LEAST_HOLE_S - 0.01, []), (LEAST_HOLE_S, [(2.1, 4.1)])]
)
def test_two_seconds_make_a_hole(hole_s: float, found: list[tuple[float, float]]) -> None:
    end_s = 2.1 + hole_s
    assert holes(said((1, 2.1), (end_s, end_s + 1)), spoken((1, end_s + 1))) == [
        pytest.approx(hole) for hole in found
    ]


def test_a_gap_is_the_whole_stretch_between_the_words() -> None:
    found = coverage(said((0, 2), (5, 6)), spoken((0, 6)))
    assert found == Coverage(6.0, 3.0, ((2, 5),))


def test_a_hole_may_begin_before_the_first_word_and_end_after_the_last() -> None:
    assert holes(said((5, 6)), spoken((1, 10))) == [(1, 5), (6, 10)]


def test_a_hole_goes_on_over_a_breath_and_a_change_of_speakers() -> None:
    words = said((0, 1), (5, 6))
    assert holes(words, spoken((0, 2.5), (2.9, 6))) == [(1, 5)]
    # Over a longer silence there are two stretches, each too short by itself.
    assert holes(words, spoken((0, 2.5), (2.6 + BREATH_S, 6))) == []


def test_silence_is_no_hole() -> None:
    assert holes(said((0, 1), (60, 61)), spoken((0, 1.5), (59, 61))) == []


def test_a_word_within_a_silence_between_turns_parts_the_stretches() -> None:
    turns = spoken((0, 1.5), (2, 3.5))
    assert holes([], turns) == [(0, 3.5)]
    assert holes(said((1.75, 1.75)), turns) == []


# ------------------------------------------------------------------------------ in a result


@pytest.mark.parametrize("asked", [False, True])
def test_a_result_has_coverage_plan_and_the_voiceprints_that_were_asked_for(asked: bool) -> None:
    plan = Plan(1, 9.0, "It fits.")
    transcript = Transcript("so so", tuple(said((0, 1), (4, 5))), (), "full", plan)
    diarization = Diarization(
        tuple(spoken((0, 3), (3, 5))), (), names={"b": "Ada"}, voiceprints={"b": (0.5, 1.0)}
    )
    hearing = Hearing(transcript, diarization, {})
    audio = Audio(Path("unread.wav"), 5.0, offset_s=10.0)
    result = pipeline.label_mix(hearing, audio, Options(speaker_embeddings=asked))
    assert result.coverage == Coverage(5.0, 2.0, ((11.0, 14.0),))
    assert result.plan == plan
    assert [(one.id, one.voiceprint) for one in result.speakers] == [
        ("SPEAKER_00", None),
        ("Ada", (0.5, 1.0) if asked else None),
    ]
    alone = pipeline.label_mix(replace(hearing, diarization=None), audio, Options())
    assert alone.coverage is None


@pytest.mark.parametrize(
    ("text", "length_s", "expected"),
    [
        ("noon", 1.4, False),
        ("noon", 1.5, True),
        ("Donaudampfschifffahrt", 2.5, False),
        ("1,234,567.89", 7.0, False),
        ("so", 4.0, True),
    ],
)
def test_no_word_lasts_longer_than_anybody_takes_to_say_it(
    text: str, length_s: float, expected: bool
) -> None:
    assert is_stretched(Word(text, 1.0, 1.0 + length_s, 1.0)) is expected


def test_a_stretched_word_hides_no_hole() -> None:
    words = [Word("so", 0, 0.4, 1.0), Word("noon", 1, 6, 1.0), Word("so", 6, 6.4, 1.0)]
    assert holes(words, spoken((0, 6.4))) == [(0.4, 6)]
    assert coverage(words, spoken((0, 6.4))).gaps == ((0.4, 6),)
