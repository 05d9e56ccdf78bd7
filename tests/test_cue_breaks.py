"""Where subtitles and their lines end, and in what order they come."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest

from formats import cues
from formats.small_words import SMALL_WORDS
from speech.request import SubtitleRules
from speech.types import LabelledWord
from tests import subtitle_checker, talks
from tests.spoken_cues import RULES, cut, said, texts
from utils.request_fields import LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_lines_break_before_little_words(language: str) -> None:
    for little in sorted(SMALL_WORDS[language])[::5]:
        text = f"xxxxxxxxxx xxxxxxxx {little} xxxxxx xxxxxxxxxx xxxxxx"
        ((first, second),) = texts(cut(said(text), language=language))
        assert second.startswith(f"{little} ")
        ((first, second),) = texts(cut(said(text), language="xx"))
        assert first.endswith(f" {little}") or abs(len(first) - len(second)) < 12


def test_every_language_has_its_little_words() -> None:
    assert set(SMALL_WORDS) == set(LANGUAGES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "It was late, and nobody wanted to go home yet.",
            "It was late,|and nobody wanted to go home yet.",
        ),
        (
            "I know. We shall see what they make of it now.",
            "I know.|We shall see what they make of it now.",
        ),
        ("Short enough for one line.", "Short enough for one line."),
        (
            "Everybody thought about something entirely different",
            "Everybody thought|about something entirely different",
        ),
        (
            "Donaudampfschifffahrtsgesellschaftskapitänsmütze",
            "Donaudampfschifffahrtsgesellschaftskapitän|smütze",
        ),
    ],
)
def test_lines(text: str, expected: str) -> None:
    assert texts(cut(said(text))) == [expected.split("|")]


def test_sentences_are_subtitles_of_their_own() -> None:
    first = "I think that this is the best plan."
    second = "We made it in spring, as you know."
    assert texts(cut(said(f"{first} {second}"))) == [[first], [second]]


def test_subtitles_are_cut_where_their_lines_end_well_too() -> None:
    text = (
        "The committee decided after a long debate that the road between the two towns should be "
        "closed for the winter."
    )
    assert texts(cut(said(text))) == [
        ["The committee decided after a long debate"],
        ["that the road between the two towns", "should be closed for the winter."],
    ]


def test_lines_break_at_a_pause() -> None:
    first, second = "xxxxxxxxx xxxxxxxx xxxxxxx xxxxxx", "xxxxxxx xxxxxx xxxx"
    assert texts(cut(said(first), said(second, 2.9))) == [[first, second]]
    assert texts(cut(said(f"{first} {second}"))) != [[first, second]]


def test_a_word_ends_where_its_speaker_says_the_next() -> None:
    long = LabelledWord("W" * 100, 0.0, 40.0, 1.0, "Ann", None)
    found = cut([long], said("Well, that was long.", 3.0))
    starts = [start for cue in found for line in cue.lines for _, start in line]
    assert starts == [0, 126, 252, 300, 340, 373, 400]


def test_two_people_never_share_a_subtitle() -> None:
    found = cut(said("Are you there?"), said("Yes.", 1.2, "Bob"), said("Good.", 1.7))
    assert [(cue.speaker, text) for cue, text in zip(found, texts(found), strict=True)] == [
        ("Ann", ["Are you there?"]),
        ("Bob", ["Yes."]),
        ("Ann", ["Good."]),
    ]
    # Each for a second and 0.08 s apart; the last two wait for it.
    assert [(cue.start_cs, cue.end_cs) for cue in found] == [(0, 112), (120, 220), (228, 328)]


def test_people_who_talk_at_once_are_not_cut_to_pieces() -> None:
    ann, bob = "We should leave before it gets dark.", "No, I would rather stay here for now."
    found = cut(said(ann), said(bob, 0.55, "Bob"))
    assert texts(found) == [[ann], [bob]]
    assert found[1].start_cs == 55 + cues.MAX_LATE_CS


def test_an_interjection_does_not_wait_for_a_sentence_that_it_lies_in() -> None:
    found = cut(
        said("We should leave"), said("Yes.", 1.1, "Bob"), said("before it gets dark.", 1.5)
    )
    assert texts(found) == [["We should leave"], ["Yes."], ["before it gets dark."]]


def test_an_answer_stands_after_the_question_that_it_cuts_into() -> None:
    found = cut(said("Are you ready?"), said("Yes.", 0.9, "Bob"), said("Good.", 1.3))
    assert texts(found) == [["Are you ready?"], ["Yes."], ["Good."]]


def test_a_pause_parts_subtitles() -> None:
    assert texts(cut(said("So"), said("here we are", 1.3))) == [["So"], ["here we are"]]


@pytest.mark.parametrize("seed", range(40))
def test_short_words_stand_alone_only_where_they_must(seed: int) -> None:
    rules = SubtitleRules(max_line_chars=16)
    plain = [word.text.strip(".") for word in talks.talk(seed).words[:9]]
    words = said(" ".join(text for text in plain if subtitle_checker.seen(text) <= 16))
    lonely = sum(_is_lonely(lines) for lines in texts(cut(words, rules=rules)))
    assert lonely == min(map(_lonely, _ways([word.text for word in words])), default=0)


def _ways(words: list[str]) -> list[list[str]]:
    """All ways to cut words into subtitles of two lines of 16 characters."""
    every = []
    for count in range(len(words)):
        for places in combinations(range(1, len(words)), count):
            parts = [words[a:b] for a, b in pairwise((0, *places, len(words)))]
            if all(_fits(part) for part in parts):
                every.append([" ".join(part) for part in parts])
    return every


def _fits(words: list[str]) -> bool:
    return any(
        max(
            subtitle_checker.seen(" ".join(words[:cut])),
            subtitle_checker.seen(" ".join(words[cut:])),
        )
        <= 16
        for cut in range(len(words) + 1)
    )


def _lonely(parts: list[str]) -> int:
    return len(parts) > 1 and sum(_is_lonely([part]) for part in parts)


def _is_lonely(lines: list[str]) -> bool:
    whole = " ".join(lines)
    return " " not in whole and subtitle_checker.seen(whole) <= subtitle_checker.SHORT


@pytest.mark.parametrize("seed", range(50))
def test_short_words_have_a_line_alone_only_where_they_must(seed: int) -> None:
    for lines in texts(cues.cut(talks.talk(seed), RULES)):
        if len(lines) != 2 or not any(_is_lonely([line]) for line in lines):
            continue
        words = " ".join(lines).split()
        for place in range(1, len(words)):
            pair = [" ".join(words[:place]), " ".join(words[place:])]
            too_wide = max(map(subtitle_checker.seen, pair)) > RULES.max_line_chars
            # A name may take half of the first line.
            named = subtitle_checker.seen(pair[0]) > RULES.max_line_chars // 2
            assert too_wide or named or any(_is_lonely([line]) for line in pair), lines
