"""Shapes of an earlier result that somebody has made or mended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from speech.types import Segment
from tests.small_result import RESULT
from tests.test_shapes_examples import shaped


@pytest.mark.parametrize(
    ("words", "inner"),
    [
        (("good morning", "Ada."), [["good morning"], ["Ada."]]),
        (("good", "morning Ada."), [["good", "morning Ada."], []]),
        (("good", "", "Ada."), [["good", ""], ["Ada."]]),
        (("good", " ", "morning", "Ada."), [["good", " ", "morning"], ["Ada."]]),
    ],
)
def test_words_of_an_odd_earlier_result(words: tuple[str, ...], inner: list[list[str]]) -> None:
    """Anybody may have made it: none is lost."""
    starts = dict(zip(words, (0.0, 0.1, 0.2, 2.0), strict=False)) | {"Ada.": 2.0}
    result = replace(
        RESULT,
        words=tuple(replace(RESULT.words[0], text=w, start_s=starts[w]) for w in words),
        segments=(
            Segment("good morning", 0.0, 1.0, "SPEAKER_00"),
            Segment("Ada.", 2.0, 3.0, "SPEAKER_00"),
        ),
    )
    segments = shaped("whisperx", result)["segments"]
    assert [[w["word"] for w in each["words"]] for each in segments] == inner


def test_words_of_an_edited_result_stay_with_their_time() -> None:
    """The texts no longer have as many words as there are: somebody has mended them."""
    mended = replace(RESULT.segments[1], text="Hi there, hello.")
    result = replace(RESULT, segments=(RESULT.segments[0], mended, *RESULT.segments[2:]))
    segments = shaped("whisperx", result)["segments"]
    assert [[w["word"] for w in each["words"]] for each in segments] == [
        ["Hello,", "Ada!"],
        ["Hi."],
        ["How", "are", "you?"],
        ["Fine."],
    ]
