"""Which way a recording is heard, by its length and the memory that is free."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import footprint
from engine.attention import FULL_ATTENTION_MAX_S, LOCAL_ATTENTION_MAX_S, Reach
from engine.plan import PASS_S, WINDOW_S, first_fitting, ways
from engine.shape import Shape
from speech.request import AttentionChoice

PLENTY = 1 << 50
DAY_S = 24 * 3600.0

PARAKEET = Shape(
    sample_rate_hz=16000, window_samples=400, stride_samples=160, fft_samples=512, mel_bands=128,
    preemphasis=0.97, log_guard=2**-24, layers=24, width=1024, heads=8, feed_forward_width=4096,
    conv_kernel=9, subsampling=8, subsampling_channels=256, bias=False, input_scale=1.0,
    prediction_width=640, prediction_layers=2, joint_width=640, vocabulary=8192,
    durations=(0, 1, 2, 3, 4), max_symbols=10,
)  # fmt: skip
choices = st.sampled_from(get_args(AttentionChoice))
lengths_s = st.floats(0.1, DAY_S)


def ours(seconds: float, reach: Reach) -> int:
    return footprint.of_ours(PARAKEET, 2, 1, seconds, reach)


def nemos(seconds: float, reach: Reach) -> int:
    return footprint.of_nemos(8, 1024, 4, seconds / 0.08, reach)


@pytest.mark.parametrize(
    ("duration_s", "attention", "longest_s"),
    [
        (0.0, "full", FULL_ATTENTION_MAX_S),
        (FULL_ATTENTION_MAX_S, "full", FULL_ATTENTION_MAX_S),
        (FULL_ATTENTION_MAX_S + 1, "local", LOCAL_ATTENTION_MAX_S),
        (LOCAL_ATTENTION_MAX_S, "local", LOCAL_ATTENTION_MAX_S),
        (LOCAL_ATTENTION_MAX_S + 1, "full", PASS_S),
        (DAY_S, "full", PASS_S),
    ],
)
def test_auto_follows_the_rule_where_memory_is_plenty(
    duration_s: float, attention: str, longest_s: float
) -> None:
    courses = ways(duration_s, "auto")
    index, reason = first_fitting(courses, duration_s, PLENTY, ours)
    assert index == 0
    assert (courses[0].attention, courses[0].longest_s) == (attention, longest_s)
    assert reason == f"{courses[0].why.capitalize()}."


@given(st.floats(0.1, LOCAL_ATTENTION_MAX_S), choices)
def test_a_choice_is_obeyed_where_memory_is_plenty(
    duration_s: float, choice: AttentionChoice
) -> None:
    first = ways(duration_s, choice)[0]
    assert choice in ("auto", first.attention)


@given(lengths_s, choices, st.floats(1e6, 1e12))
def test_what_is_taken_fits_or_is_the_last_resort(
    duration_s: float, choice: AttentionChoice, free_bytes: float
) -> None:
    courses = ways(duration_s, choice)
    index, reason = first_fitting(courses, duration_s, int(free_bytes), nemos)
    way = courses[index]
    fits = nemos(min(duration_s, way.longest_s), way.reach) <= free_bytes
    assert fits or index == len(courses) - 1
    if index:
        assert "that are free" in reason
        assert nemos(min(duration_s, courses[0].longest_s), courses[0].reach) > free_bytes


def test_24_minutes_of_full_attention_and_3_hours_of_local_fit_a_card_of_24_gb() -> None:
    """NeMo's own way needs 72 GB for the first, and subsampling alone 40 GB for the second."""
    free_bytes = int(0.6 * 21e9)  # with the model, the CUDA context and the diarizer there
    for duration_s in (FULL_ATTENTION_MAX_S, LOCAL_ATTENTION_MAX_S):
        assert first_fitting(ways(duration_s, "auto"), duration_s, free_bytes, ours)[0] == 0
    index, reason = first_fitting(
        ways(FULL_ATTENTION_MAX_S, "auto"), FULL_ATTENTION_MAX_S, free_bytes, nemos
    )
    assert index > 0
    assert "would take 72.6 GB of the 12.6 GB that are free" in reason


@pytest.mark.parametrize(("minutes", "measured_gb"), [(1, 0.42), (5, 3.458), (10, 13.176)])
def test_nemos_law_is_what_was_measured(minutes: int, measured_gb: float) -> None:
    assert nemos(60.0 * minutes, "full") / 1e9 == pytest.approx(measured_gb, rel=0.25)


def test_no_pass_of_a_day_is_longer_than_the_rule_allows() -> None:
    for choice in get_args(AttentionChoice):
        for way in ways(DAY_S, choice):
            assert way.longest_s <= LOCAL_ATTENTION_MAX_S
    assert ways(DAY_S, "windows")[0].longest_s == WINDOW_S


@pytest.mark.parametrize(
    ("reach", "seconds", "element_bytes", "measured_mb"),
    [
        ("full", 120, 4, 646), ("full", 480, 4, 767), ("local", 900, 4, 1183),
        ("local", 2400, 4, 2700), ("full", 120, 2, 454), ("full", 480, 2, 595),
        ("local", 900, 2, 923), ("local", 2400, 2, 1732),
    ],
)  # fmt: skip
def test_the_estimate_is_near_what_was_measured(
    reach: Reach, seconds: float, element_bytes: int, measured_mb: float
) -> None:
    """``python -m benchmarks.pass_memory``; two cores with AMX."""
    estimated_mb = footprint.of_ours(PARAKEET, element_bytes, 1, seconds, reach) / 1e6
    assert 0.9 * measured_mb <= estimated_mb <= 1.25 * measured_mb
