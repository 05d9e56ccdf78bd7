"""Text as files can hold it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats import clean
from tests.subtitle_checker import letters, seen
from tests.talks import HOSTILE

anything = st.text(max_size=40) | st.sampled_from(HOSTILE)


@given(anything)
def test_a_text_is_one_line_that_utf_8_can_hold(raw: str) -> None:
    for shown in (clean.text(raw), clean.name(raw)):
        assert shown == shown.strip()
        assert len(shown.splitlines()) <= 1
        assert "\t" not in shown
        assert shown.encode("utf-8").decode("utf-8") == shown
        assert "Cc" not in {unicodedata.category(char) for char in shown}


@given(anything)
def test_what_can_be_read_is_kept(raw: str) -> None:
    assert letters(clean.text(raw)) == letters(raw).replace("\ufeff", "").translate(
        dict.fromkeys((0xFFFE, 0xFFFF))
    )
    assert clean.text(clean.text(raw)) == clean.text(raw)


def test_only_a_name_can_be_a_mark_of_a_page() -> None:
    assert clean.name("\ue0001\ue001") == "\ue0001\ue001"
    assert clean.text("\ue0001\ue001") == "1"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.integers(1, 9))
def test_pieces_are_as_wide_as_they_may_be(shown: str, widest: int) -> None:
    parts = clean.pieces(shown, widest)
    assert "".join(parts) == shown
    assert all(clean.width(part) == widest for part in parts[:-1])
    assert clean.width(parts[-1]) <= widest
    assert not any(unicodedata.category(part[0]) in ("Mn", "Me") for part in parts[1:])


@given(st.text("aé\u0301\u0323ж\u200d😀 ", max_size=20))
def test_marks_have_no_width(shown: str) -> None:
    assert clean.width(shown) == seen(shown)


@given(st.lists(anything, max_size=9))
def test_names_are_fields_and_stay_apart(names: list[str]) -> None:
    found = clean.tokens(names)
    assert set(found) == set(names)
    assert len(set(found.values())) == len(set(names))
    for field in found.values():
        assert len(field.split()) == 1
        assert '"' not in field


@pytest.mark.parametrize(
    ("name", "expected"), [("Ann", "Ann"), ("Bartholomew", "Bart…"), ("Anna B. C", "Anna…")]
)
def test_a_name_is_shortened(name: str, expected: str) -> None:
    assert clean.shortened(name, 5) == expected
