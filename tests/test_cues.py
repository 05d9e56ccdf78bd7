"""Subtitles keep the rules that broadcasters ask for."""

from __future__ import annotations

import pytest

from formats import cues, subtitles
from speech.request import SubtitleRules
from speech.subtitle_rules import contradiction
from speech.types import LabelledWord, Result
from tests import subtitle_checker, talks
from tests.spoken_cues import RULES, cut, said, texts


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
        (SubtitleRules(max_lines=10**9), "max_lines"),
        (SubtitleRules(max_line_chars=10**9), "max_line_chars"),
        (SubtitleRules(max_chars_per_s=2, max_duration_s=5), "max_chars_per_s"),
    ],
)
def test_contradictory_rules_are_named(rules: SubtitleRules, named: str) -> None:
    message = contradiction(rules)
    assert message is not None
    assert named in message


def test_very_long_subtitles_lose_nothing() -> None:
    rules = SubtitleRules(
        max_line_chars=100, max_lines=4, max_chars_per_s=100, max_duration_s=60, min_gap_s=10
    )
    assert contradiction(rules) is None
    words = [LabelledWord("a", n / 50, n / 50 + 0.02, 1.0, None, None) for n in range(5000)]
    assert len(" ".join(line for lines in texts(cut(words, rules=rules)) for line in lines)) == 9999


def test_usual_rules_do_not_contradict() -> None:
    assert contradiction(RULES) is None
    assert [seed for seed in range(200) if contradiction(talks.rules(seed))] == []
