"""Which recordings share a pass."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.batches import MAX_PADDING, cut

lengths = st.lists(st.floats(0.1, 200.0), max_size=60)
limits = st.floats(0.0, 500.0)


@given(lengths, limits)
def test_every_recording_is_in_one_batch(lengths_s: list[float], limit_s: float) -> None:
    batches = cut(lengths_s, limit_s)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths_s)))


@given(lengths, limits)
def test_a_batch_is_bounded_with_its_padding(lengths_s: list[float], limit_s: float) -> None:
    for batch in cut(lengths_s, limit_s):
        padded_s = len(batch) * max(lengths_s[index] for index in batch)
        assert len(batch) == 1 or padded_s <= limit_s
        assert padded_s <= MAX_PADDING * sum(lengths_s[index] for index in batch) + 1e-9


@given(lengths, limits)
def test_short_recordings_go_first(lengths_s: list[float], limit_s: float) -> None:
    order = [lengths_s[index] for batch in cut(lengths_s, limit_s) for index in batch]
    assert order == sorted(order)


def test_alike_recordings_share_a_pass() -> None:
    assert cut([10.0, 10.0, 10.0, 10.0], 30.0) == [[0, 1, 2], [3]]


def test_one_that_is_much_longer_is_not_padded_for() -> None:
    assert cut([2.0, 60.0, 2.5], 500.0) == [[0, 2], [1]]


def test_nothing_is_no_batch() -> None:
    assert cut([], 60.0) == []
