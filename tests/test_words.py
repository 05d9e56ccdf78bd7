"""Tokens to words and chars."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.words import Token, is_punctuation, join, words_and_chars
from speech.types import Char, Word

FRAME_S = 0.08
untimed = settings(deadline=None)
PIECES = (
    "▁",
    "▁the",
    "▁Hello",
    "ing",
    "s",
    "'",
    ",",
    ".",
    "?",
    "▁.",
    "▁-",
    "▁¿",
    "¿",
    "%",
    "<unk>",
)


@st.composite
def utterances(draw: st.DrawFn) -> tuple[list[Token], float]:
    """Tokens as a TDT decoder emits them: the next one is where the one before it skipped to."""
    frame, tokens = 0, []
    for piece in draw(st.lists(st.sampled_from(PIECES), max_size=20)):
        frame += draw(st.integers(0, 5))  # blanks between
        frames = draw(st.integers(0, 4))
        tokens.append(Token(piece, frame, frames, draw(st.floats(0, 1))))
        frame += frames
    # Up to two frames less than the decoder saw: it pads short clips.
    return tokens, max(0.01, (frame + draw(st.integers(-2, 10))) * FRAME_S)


def run(tokens: list[Token], duration_s: float) -> tuple[tuple[Word, ...], tuple[Char, ...]]:
    return words_and_chars(tokens, frame_s=FRAME_S, duration_s=duration_s)


def say(*emissions: tuple[str, int, int], duration_s: float = 100.0) -> tuple[Word, ...]:
    """Words of (piece, frame, frames) with confidence 1."""
    return run([Token(piece, frame, n, 1.0) for piece, frame, n in emissions], duration_s)[0]


@untimed
@given(utterances())
def test_words_are_in_order_without_overlap_and_within_the_recording(
    utterance: tuple[list[Token], float],
) -> None:
    tokens, duration_s = utterance
    words, _ = run(tokens, duration_s)
    assert all(0 <= word.start_s < word.end_s <= duration_s for word in words)
    assert all(a.end_s <= b.start_s for a, b in pairwise(words))


@untimed
@given(utterances())
def test_no_character_is_lost_or_made_up(utterance: tuple[list[Token], float]) -> None:
    tokens, duration_s = utterance
    words, chars = run(tokens, duration_s)
    spelled = "".join(t.piece for t in tokens).replace("<unk>", "⁇").replace("▁", "")
    assert "".join(word.text for word in words) == spelled
    assert "".join(char.text for char in chars) == spelled
    assert all(word.text and not set(word.text) & set(" ▁") for word in words)


@untimed
@given(utterances())
def test_chars_are_in_order_and_within_their_words(utterance: tuple[list[Token], float]) -> None:
    tokens, duration_s = utterance
    words, chars = run(tokens, duration_s)
    rest = list(chars)
    for word in words:
        spelled = ""
        while spelled != word.text:
            char = rest.pop(0)
            spelled += char.text
            assert word.start_s <= char.start_s <= char.end_s <= word.end_s
    assert rest == []
    assert all(a.end_s <= b.start_s for a, b in pairwise(chars))


@untimed
@given(utterances())
def test_only_a_first_or_last_word_is_punctuation(utterance: tuple[list[Token], float]) -> None:
    words, _ = run(*utterance)
    assert not [word for word in words[1:-1] if is_punctuation(word.text)]


@untimed
@given(utterances())
def test_confidence_is_that_of_one_of_the_tokens(utterance: tuple[list[Token], float]) -> None:
    tokens, duration_s = utterance
    words, _ = run(tokens, duration_s)
    assert {word.confidence for word in words} <= {token.confidence for token in tokens}


@untimed
@given(utterances(), st.integers(0, 1000))
def test_later_tokens_give_the_same_words_later(
    utterance: tuple[list[Token], float], shift: int
) -> None:
    tokens, _ = utterance
    later = [Token(t.piece, t.frame + shift, t.frames, t.confidence) for t in tokens]
    words, moved = run(tokens, 1e6)[0], run(later, 1e6)[0]
    assert join(words) == join(moved)
    for word, other in zip(words, moved, strict=True):
        assert other.start_s - word.start_s == pytest.approx(shift * FRAME_S, abs=1e-6)
        assert other.end_s - word.end_s == pytest.approx(shift * FRAME_S, abs=1e-6)


def test_nothing_said() -> None:
    assert run([], 1.0) == ((), ())
    assert say(("▁", 0, 1)) == ()


def test_a_word_lasts_from_its_first_token_to_the_end_of_its_last() -> None:
    (word,) = say(("▁trans", 10, 3), ("cri", 13, 2), ("be", 16, 4))
    assert (word.text, word.start_s, word.end_s) == ("transcribe", 0.8, pytest.approx(1.6))


def test_punctuation_does_not_stretch_its_word() -> None:
    """The model emits the mark after the pause: here 40 frames late."""
    words = say(("▁Yes", 10, 2), (".", 52, 4), ("▁No", 60, 2))
    assert [(word.text, word.end_s) for word in words] == [
        ("Yes.", pytest.approx(0.96)),
        ("No", pytest.approx(4.96)),
    ]


def test_punctuation_within_a_word_is_part_of_it() -> None:
    (word,) = say(("▁don", 0, 2), ("'", 2, 0), ("t", 3, 2))
    assert (word.text, word.start_s, word.end_s) == ("don't", 0.0, 0.4)


def test_a_mark_that_stands_alone_joins_the_word_before_it() -> None:
    assert join(say(("▁one", 0, 1), ("▁,", 2, 1), ("▁two", 5, 1), ("▁", 7, 1), ("!", 8, 1))) == (
        "one, two!"
    )


def test_an_opening_mark_joins_the_word_after_it() -> None:
    assert join(say(("▁Hola", 0, 1), (".", 2, 1), ("▁¿", 4, 1), ("▁Qué", 5, 1), ("?", 7, 1))) == (
        "Hola. ¿Qué?"
    )


def test_symbols_that_are_read_out_are_words() -> None:
    words = say(("▁fifty", 0, 2), ("▁%", 3, 2), ("▁&", 6, 1), ("▁more", 8, 2))
    assert [word.text for word in words] == ["fifty", "%", "&", "more"]


def test_punctuation_alone_keeps_its_times() -> None:
    (word,) = say((".", 5, 2))
    assert (word.text, word.start_s, word.end_s) == (".", 0.4, pytest.approx(0.56))


def test_an_unknown_piece_is_a_word_as_sentencepiece_has_it() -> None:
    words = say(("▁na", 0, 1), ("<unk>", 1, 1), ("ve", 2, 1), (".", 3, 1))
    assert [word.text for word in words] == ["na", "⁇", "ve."]


def test_a_word_of_no_length_gets_one_frame() -> None:
    (word,) = say(("▁a", 3, 0))
    assert word.end_s - word.start_s == pytest.approx(FRAME_S)


def test_words_of_the_same_frame_share_it() -> None:
    words = say(("▁to", 4, 0), ("▁be", 4, 0), ("▁or", 4, 0), ("▁not", 4, 3))
    shares = [word.end_s - word.start_s for word in words]
    assert shares[:3] == pytest.approx([FRAME_S / 4] * 3)
    assert (words[0].start_s, words[-1].end_s) == (0.32, pytest.approx(0.56))


def test_a_word_ends_with_the_recording_at_the_latest() -> None:
    (word,) = say(("▁end", 10, 4), duration_s=0.95)
    assert word.end_s == 0.95


def test_a_word_emitted_after_the_end_lies_in_the_last_frame() -> None:
    words = say(("▁at", 2, 1), ("▁last", 11, 1), duration_s=0.3)
    assert words[1].start_s == pytest.approx(0.22)
    assert words[1].end_s == 0.3


def test_confidence_is_the_lowest_of_the_spoken_tokens() -> None:
    tokens = [Token("▁uncer", 0, 1, 0.9), Token("tain", 1, 1, 0.4), Token("?", 2, 1, 0.1)]
    ((word,), _) = run(tokens, 1.0)
    assert word.confidence == 0.4


@pytest.mark.parametrize(("given_", "shown"), [(float("nan"), 0.0), (-1e-7, 0.0), (1.0000001, 1.0)])
def test_confidence_is_a_number_from_0_to_1(given_: float, shown: float) -> None:
    ((word,), _) = run([Token("▁a", 0, 1, given_)], 1.0)
    assert word.confidence == shown


def test_chars_are_what_each_token_spells() -> None:
    _, chars = run([Token("▁Hel", 0, 2, 1.0), Token("lo", 2, 2, 1.0), Token(",", 20, 4, 1.0)], 9.0)
    assert [(c.text, c.start_s, c.end_s) for c in chars] == [
        ("Hel", 0.0, 0.16),
        ("lo", 0.16, 0.32),
        (",", 0.32, 0.32),
    ]
