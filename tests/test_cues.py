"""Subtitles keep the rules that broadcasters ask for."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest

from formats import cues, subtitles
from formats.cues import Cue
from formats.small_words import SMALL_WORDS
from speech.request import SubtitleRules
from speech.subtitle_rules import contradiction
from speech.types import LabelledWord, Result
from tests import subtitle_checker, talks
from utils.request_fields import LANGUAGES

RULES = SubtitleRules()


def said(
    text: str, start_s: float = 0.0, speaker: str | None = "Ann", per_char_s: float = 1 / 15
) -> list[LabelledWord]:
    """The words one after the other."""
    words = []
    for one in text.split():
        end_s = start_s + len(one) * per_char_s
        words.append(LabelledWord(one, start_s, end_s, 1.0, speaker, None))
        start_s = end_s + per_char_s
    return words


def texts(cut: list[Cue]) -> list[list[str]]:
    return [["".join(part for part, _ in line) for line in cue.lines] for cue in cut]


def cut(
    *turns: list[LabelledWord], language: str = "en", rules: SubtitleRules = RULES
) -> list[Cue]:
    words = sorted((word for turn in turns for word in turn), key=lambda word: word.start_s)
    return cues.cut(talks.result_of(words, language), rules)


def faults(result: Result, rules: SubtitleRules) -> list[str]:
    found = cues.cut(result, rules)
    srt = subtitles.srt(found, rules)
    return list(subtitle_checker.broken(result, rules, found, srt))


def test_no_rule_is_broken_on_a_thousand_talks() -> None:
    broken = {
        seed: found
        for seed in range(1000)
        if (found := faults(talks.talk(seed), talks.rules(seed)))
    }
    assert broken == {}


def test_no_rule_is_broken_by_words_and_times_that_cannot_be() -> None:
    broken = {
        seed: found
        for seed in range(500)
        if (found := faults(talks.hostile(seed), talks.rules(seed)))
    }
    assert broken == {}


def test_the_checker_sees_what_is_broken() -> None:
    result = talks.talk(1)
    strict = SubtitleRules(
        max_line_chars=20, max_lines=1, max_chars_per_s=30, min_duration_s=2, max_duration_s=2.5
    )
    found = cues.cut(result, RULES)
    broken = " ".join(subtitle_checker.broken(result, strict, found, subtitles.srt(found, RULES)))
    for fault in ("too many lines", "too long", "lasts"):
        assert fault in broken
    with pytest.raises(AssertionError, match="every word"):
        subtitle_checker.shown(result, found[:-1], subtitles.srt(found[:-1], RULES))
    assert not contradiction(strict)


def test_speech_that_can_be_kept_up_with_is_neither_late_nor_too_fast() -> None:
    turns = [
        said("We looked at it again, and then we thought that it was good.", 10.0 * n, "AB"[n % 2])
        for n in range(6)
    ]
    for cue in cut(*turns):
        assert cue.start_cs == min(start for line in cue.lines for _, start in line)
        chars = sum(len(part) for line in cue.lines for part, _ in line)
        assert chars / (cue.end_cs - cue.start_cs) * 100 <= RULES.max_chars_per_s


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


def test_a_pause_parts_subtitles() -> None:
    assert texts(cut(said("So"), said("here we are", 1.3))) == [["So"], ["here we are"]]


def test_a_name_is_given_where_the_speaker_changes_and_counts() -> None:
    result = talks.result_of(
        said("Of all the answers this one is it.", 0.0, "Bartholomew")
        + said("Yes. Indeed it is so.", 3.0, "Ann")
        + said("I am sure.", 6.0, "Ann"),
    )
    srt = subtitles.srt(cues.cut(result, RULES), RULES)
    assert subtitle_checker.blocks(srt) == [
        ["Bartholomew: Of all the", "answers this one is it."],
        ["Ann: Yes. Indeed it is so."],
        ["I am sure."],
    ]
    alone = talks.result_of(said("Yes."))
    assert subtitle_checker.blocks(subtitles.srt(cues.cut(alone, RULES), RULES)) == [["Yes."]]


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


def test_nothing_comes_of_nothing() -> None:
    assert cues.cut(talks.result_of([]), RULES) == []


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        (SubtitleRules(max_lines=0), "max_lines"),
        (SubtitleRules(max_line_chars=11), "max_line_chars"),
        (SubtitleRules(max_chars_per_s=0), "max_chars_per_s"),
        (SubtitleRules(max_chars_per_s=float("nan")), "max_chars_per_s"),
        (SubtitleRules(min_duration_s=-1), "min_duration_s"),
        (SubtitleRules(min_duration_s=8), "max_duration_s"),
        (SubtitleRules(min_duration_s=1.001, max_duration_s=1.009), "max_duration_s"),
        (SubtitleRules(max_duration_s=float("inf")), "max_duration_s"),
        (SubtitleRules(min_gap_s=-0.1), "min_gap_s"),
        (SubtitleRules(max_chars_per_s=2, max_duration_s=5), "max_chars_per_s"),
    ],
)
def test_contradictory_rules_are_named(rules: SubtitleRules, named: str) -> None:
    message = contradiction(rules)
    assert message is not None
    assert named in message


def test_usual_rules_do_not_contradict() -> None:
    assert contradiction(RULES) is None
    assert [seed for seed in range(200) if contradiction(talks.rules(seed))] == []
