"""Recordings cut into passes, and what was heard put together again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.passes import OVERLAP_S, Part, cut, stitch
from engine.recorded import SAMPLE_RATE_HZ, Samples
from engine.silences import PAUSE_HOPS, find_cut
from speech.types import Char, Plan, Transcript, Word

PLAN = Plan(1, 1.0, "a test")
PAUSE_S = PAUSE_HOPS / 100


def noise(seconds: float, seed: int = 0, loudness: float = 0.1) -> Samples:
    drawn = np.random.default_rng(seed).normal(0, loudness, int(seconds * SAMPLE_RATE_HZ))
    return drawn.astype(np.float32)


def with_pauses(seconds: float, at_s: Sequence[float], length_s: float = 0.6) -> Samples:
    samples = noise(seconds)
    for start_s in at_s:
        begin = int((start_s - length_s / 2) * SAMPLE_RATE_HZ)
        samples[max(0, begin) : begin + int(length_s * SAMPLE_RATE_HZ)] *= 0.01
    return samples


def words_of(count: int, seed: int = 0) -> list[Word]:
    """Three words in two seconds."""
    rng = np.random.default_rng(seed)
    texts = rng.choice(["so", "well", "yes", "no", "then", "seven", "Ada", "it's"], count)
    return [Word(str(t), n / 1.5, n / 1.5 + 0.4, 0.9) for n, t in enumerate(texts)]


def hears(words: Sequence[Word], part: Part, shift_s: float = 0.0) -> Transcript:
    """What a perfect model hears of a part: the words that lie in it whole, times a bit off."""
    inside = [w for w in words if part.begin_s <= w.start_s and w.end_s <= part.end_s]
    moved = [
        Word(w.text, w.start_s - part.begin_s + shift_s, w.end_s - part.begin_s + shift_s, 0.9)
        for w in inside
    ]
    chars = tuple(Char(w.text, w.start_s, w.end_s) for w in moved)
    return Transcript(" ".join(w.text for w in moved), tuple(moved), chars, "full")


@given(
    st.floats(0.1, 400),
    st.floats(12, 60),
    st.lists(st.floats(0, 400), max_size=30),
)
def test_parts_are_within_bounds_and_leave_nothing_out(
    seconds: float, longest_s: float, pauses_s: list[float]
) -> None:
    samples = with_pauses(seconds, [at_s for at_s in pauses_s if at_s < seconds])
    parts = cut(samples, longest_s)
    assert parts[0].begin == 0
    assert parts[-1].end == samples.size
    for before, after in pairwise(parts):
        assert before.begin < after.begin <= before.end < after.end
        assert before.end - after.begin <= OVERLAP_S * SAMPLE_RATE_HZ
    assert max(part.duration_s for part in parts) <= longest_s + 1e-9
    assert len(parts) <= 2 * seconds / longest_s + 2


def test_a_recording_that_fits_is_not_cut() -> None:
    assert cut(noise(20), 20.0) == [Part(0, 20 * SAMPLE_RATE_HZ)]


def test_a_cut_lies_in_the_pause() -> None:
    parts = cut(with_pauses(100, [12.0, 46.0, 90.0]), 60.0)
    assert len(parts) == 2
    assert parts[0].end == parts[1].begin
    assert abs(parts[0].end_s - 46.0) < 0.3


def test_without_a_pause_parts_overlap() -> None:
    parts = cut(noise(100), 60.0)
    assert parts[0].end - parts[1].begin == OVERLAP_S * SAMPLE_RATE_HZ


def test_of_two_pauses_the_nearer_is_taken_and_digital_silence_is_one() -> None:
    samples = noise(20)
    for begin_s in (4, 11):
        samples[begin_s * SAMPLE_RATE_HZ : (begin_s + 1) * SAMPLE_RATE_HZ] = 0
    place = find_cut(samples, 10 * SAMPLE_RATE_HZ)
    assert place.is_pause
    assert 11 <= place.at / SAMPLE_RATE_HZ <= 12
    assert find_cut(np.zeros(SAMPLE_RATE_HZ, dtype=np.float32), 100).is_pause


def test_what_is_not_finite_and_what_is_too_short_can_be_cut() -> None:
    samples = np.full(SAMPLE_RATE_HZ, np.nan, dtype=np.float32)
    assert find_cut(samples, 0).is_pause
    assert find_cut(samples[:100], 50) == (50, False)


@given(st.integers(0, 120), st.floats(12, 40), st.integers(0, 3), st.floats(-0.15, 0.15))
def test_no_word_is_lost_or_doubled_at_a_seam(
    count: int, longest_s: float, seed: int, shift_s: float
) -> None:
    """Neither in pauses nor where parts overlap, and though each part times them otherwise."""
    words = words_of(count, seed)
    samples = noise(max(1.0, count / 1.5 + 0.5), seed)
    parts = cut(samples, longest_s)
    heard = [hears(words, part, shift_s * (n % 2)) for n, part in enumerate(parts)]
    whole = stitch(parts, heard, "full", PLAN)
    assert whole.text == " ".join(word.text for word in words)
    assert [word.text for word in whole.words] == [word.text for word in words]
    assert " ".join(char.text for char in whole.chars) == whole.text
    for found, said in zip(whole.words, words, strict=True):
        assert abs(found.start_s - said.start_s) < 0.4
    times = [time for word in whole.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)


def test_parts_that_share_no_word_meet_in_the_middle() -> None:
    parts = [Part(0, 20 * SAMPLE_RATE_HZ), Part(14 * SAMPLE_RATE_HZ, 34 * SAMPLE_RATE_HZ)]
    left = Transcript("", (Word("a", 13, 14, 1), Word("b", 18, 19, 1)), (), "full")
    right = Transcript("", (Word("c", 1, 2, 1), Word("d", 4, 5, 1)), (), "full")
    whole = stitch(parts, [left, right], "windows", PLAN)
    assert [word.text for word in whole.words] == ["a", "d"]
    assert whole.attention == "windows"


@pytest.mark.parametrize("silent", [0, 1])
def test_a_part_may_be_silent(silent: int) -> None:
    parts = [Part(0, 20 * SAMPLE_RATE_HZ), Part(14 * SAMPLE_RATE_HZ, 34 * SAMPLE_RATE_HZ)]
    empty = Transcript("", (), (), "full")
    said = Transcript("a", (Word("a", 1, 2, 1),), (Char("a", 1, 2),), "full")
    heard = [empty if n == silent else said for n in range(2)]
    assert stitch(parts, heard, "full", PLAN).text == ("" if silent == 0 else "a")
