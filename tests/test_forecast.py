"""How far a job is, and how long it will take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.forecast import WEIGHTS, Forecast, Pace
from speech.types import Progress

shares = st.none() | st.floats(0, 1)
progresses = st.builds(
    Progress,
    st.sampled_from((*WEIGHTS, "something new")),
    shares,
    remaining_s=st.none() | st.floats(0, 1e5),
    audio_s=st.none() | st.floats(0, 1e5),
)


@given(st.lists(st.tuples(progresses, st.floats(0, 100)), max_size=30), st.booleans())
def test_the_percentage_never_falls_and_never_says_done(
    steps: list[tuple[Progress, float]], diarized: bool
) -> None:
    pace = Pace()
    pace.note(60, 6, diarized=diarized)
    now_s = 100.0
    forecast = Forecast(pace, now_s, diarized=diarized)
    before = 0
    for progress, later_s in steps:
        now_s += later_s
        standing = forecast.note(progress, now_s)
        assert before <= standing.percent <= 99
        assert standing.remaining_s is None or standing.remaining_s >= 0
        before = standing.percent


def test_stages_move_it_forward() -> None:
    forecast = Forecast(Pace(), 0, diarized=True)
    percents = [
        forecast.note(Progress(stage, share), now_s).percent
        for now_s, (stage, share) in enumerate(
            (stage, share)
            for stage in ("download", "decode", "transcribe", "diarize", "label")
            for share in (0.5, 1.0)
        )
    ]
    assert percents == sorted(percents)
    assert len(set(percents)) > 7


def test_nothing_is_estimated_where_nothing_is_known() -> None:
    forecast = Forecast(Pace(), 0, diarized=True)
    for now_s, progress in enumerate(
        (Progress("download"), Progress("queue", audio_s=60), Progress("transcribe"))
    ):
        assert forecast.note(progress, now_s).remaining_s is None


def test_the_engines_own_estimate_counts() -> None:
    forecast = Forecast(Pace(), 0, diarized=True)
    forecast.note(Progress("queue", audio_s=60), 10)
    standing = forecast.note(Progress("diarize", 0.9, remaining_s=30), 20)
    assert standing.remaining_s == 30
    assert standing.percent == 40  # 20 s of 50


def test_a_job_is_expected_to_take_as_long_as_one_of_like_length() -> None:
    pace = Pace()
    pace.note(1000, 5000, diarized=True)
    pace.note(10, 10, diarized=True)
    pace.note(1000, 100, diarized=True)
    pace.note(1000, 7, diarized=False)
    assert pace.expect_s(2000, diarized=True) == pytest.approx(200)
    assert pace.expect_s(9, diarized=True) == pytest.approx(9)
    assert pace.expect_s(500, diarized=False) == pytest.approx(3.5)
    pace.note(1000, 50, diarized=True)  # the machine is faster now
    assert pace.expect_s(1000, diarized=True) == pytest.approx(50)


def test_it_learns_from_the_jobs_it_follows() -> None:
    pace = Pace()
    first = Forecast(pace, 0, diarized=True)
    for progress, now_s in (
        (Progress("queue", audio_s=240), 1),
        (Progress("transcribe"), 2),
        (Progress("diarize", 1.0), 10),
        (Progress("label"), 14),
    ):
        first.note(progress, now_s)
    assert pace.expect_s(60, diarized=True) == pytest.approx(3)
    second = Forecast(pace, 100, diarized=True)
    standing = second.note(Progress("queue", audio_s=120), 101)
    assert standing.remaining_s == pytest.approx(6)


@pytest.mark.parametrize(("audio_s", "teaches"), [(60, False), (600, True)])
def test_the_first_job_teaches_only_if_it_is_long(audio_s: float, teaches: bool) -> None:
    pace = Pace()
    pace.note(audio_s, 10, diarized=True)
    assert (pace.expect_s(60, diarized=True) is not None) == teaches


def test_parts_tell_how_long_the_rest_takes() -> None:
    forecast = Forecast(Pace(), 0, diarized=False)
    forecast.note(Progress("transcribe", 0.0), 1)
    assert forecast.note(Progress("transcribe", 0.25), 11).remaining_s == pytest.approx(30)
