"""Transcripts as they come, and as they never should: for whatever reads results."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from formats.small_words import SMALL_WORDS
from speech.request import SubtitleRules
from speech.segments import segment_words
from speech.types import LabelledWord, Language, Result, Segment, SpeakerSummary, SpeakerTurn

LATIN: Final = "aeioubcdfghklmnprstvz"
LETTERS: Final = {
    "bg": "аеиоуъбвгдзклмнпрстчшщ",
    "cs": LATIN + "áčďéěíňóřšťúůýž",
    "da": LATIN + "æøå",
    "de": LATIN + "äöüß",
    "el": "αεηιουωάέίόύβγδζθκλμνξπρστφχψ",
    "es": LATIN + "áéíóúñ",
    "fr": LATIN + "àâçéèêëîïôœùû",
    "hu": LATIN + "áéíóöőúüű",
    "lt": LATIN + "ąčęėįšųūž",
    "lv": LATIN + "āčēģīķļņšūž",
    "mt": LATIN + "ċġħż",
    "pl": LATIN + "ąćęłńóśźż",
    "ro": LATIN + "ăâîșț",
    "ru": "аеёиоуыэюябвгджзклмнпрстфхцчшщ",
    "uk": "аеєиіїоуюябвгґджзклмнпрстфхцчшщ",
}
HOSTILE: Final = (
    *(
        "",
        " ",
        "\n",
        "a\tb",
        "x\r\ny",
        "</v><b>",
        "{\\an8}",
        "{\\p1}m",
        "\\N",
        "-->",
        "<i>",
        "&amp;",
    ),
    *("00:00:01,000", "42", "=1+1", '"', "''", ",", ";;", "<o,f0>", "[00:01.00]", "](http://x)"),
    *("W" * 300, "Donaudampfschifffahrtsgesellschaftskapitän", "e\u0301" * 60, "\u0301", "\u200b"),
    *("\u202eabc", "😀" * 50, "\x00\x07", "\ue0000\ue001", "\u2028", "\xa0", "NA", "null", "—"),
)


def word(rng: random.Random, language: str) -> str:
    """One that looks like the language's; a third are its little words."""
    if rng.random() < 0.3:
        return rng.choice(sorted(SMALL_WORDS[language]))
    length = rng.choice((2, 3, 4, 5, 5, 6, 7, 8, 10, 13, 19, 26))
    letters = LETTERS.get(language, LATIN)
    return "".join(rng.choice(letters) for _ in range(length))


def talk(seed: int, count: int = 100) -> Result:
    """People talk in one of 25 languages: turns, pauses, interjections, all at once at times.

    Of some, nobody knows who speaks; some were recorded one channel a speaker, so that the words of
    two who talk at once stand one in the other.
    """
    rng = random.Random(seed)
    language = sorted(SMALL_WORDS)[seed % len(SMALL_WORDS)]
    names = rng.sample(("SPEAKER_00", "SPEAKER_01", "Ann", "Привет", "A very long name " * 4), 3)
    people: list[str | None] = [None] if rng.random() < 0.1 else [*names[: rng.choice((1, 2, 3))]]
    overlap = rng.choice((0.0, 0.1, 0.5))
    words: list[LabelledWord] = []
    now_s = rng.uniform(0, 3)
    while len(words) < count:
        said = _turn(rng, language, rng.choice(people), now_s)
        words += said
        now_s = said[-1].end_s + rng.choice((0.0, 0.08, 0.3, 0.7, 2.5))
        if rng.random() < overlap:
            now_s = max(said[0].start_s + 0.01, now_s - rng.uniform(0.2, 4))
    words.sort(key=lambda word: word.start_s)
    return result_of(words, language)


def _turn(
    rng: random.Random, language: str, speaker: str | None, start_s: float
) -> list[LabelledWord]:
    chars_per_s = rng.uniform(9, 24)
    said: list[LabelledWord] = []
    length = rng.choice((1, 1, 2, 4, 9, 15, 30, 60))
    for number in range(length):
        mark = rng.choice(("", "", "", "", "", "", ",", "."))
        text = word(rng, language) + (mark if number < length - 1 else rng.choice(".?!…"))
        if not said or said[-1].text.endswith("."):
            text = text.capitalize()
        seconds = (len(text) + 1) / chars_per_s
        said.append(LabelledWord(text, start_s, start_s + seconds * 0.9, 0.9, speaker, None))
        pause = rng.choice((0, 0, 0, 0, 0, 0.2)) + (rng.choice((0, 0.4, 1.5)) if mark else 0)
        start_s += seconds + pause
    return said


def hostile(seed: int, count: int = 40) -> Result:
    """Texts that look like markup, names that do, and times that cannot be."""
    rng = random.Random(seed)
    people = [*rng.sample([text for text in HOSTILE if text.strip()], 3), None]
    words = []
    now_s = 0.0
    for _ in range(count):
        text = rng.choice(HOSTILE) if rng.random() < 0.5 else word(rng, "en")
        seconds = rng.choice((0.0, 0.0, 0.01, 0.3, 0.3, 9.0, 40.0))
        words.append(LabelledWord(text, now_s, now_s + seconds, 1.0, rng.choice(people), None))
        now_s = max(0.0, now_s + rng.choice((0.0, 0.0, 0.004, 0.3, 0.3, 1.0, -0.5, 12.0)))
    return result_of(words, rng.choice(("en", "xx", None)))


def result_of(words: Sequence[LabelledWord], language: str | None = None) -> Result:
    """The result with these words. Its segments are those of each speaker, in order."""
    names = list(dict.fromkeys(one.speaker for one in words))
    segments: list[Segment] = []
    for name in names:
        segments += segment_words([one for one in words if one.speaker == name])
    segments.sort(key=lambda one: one.start_s)
    known = None if language is None else Language(language, 1.0)
    return Result(
        text=" ".join(one.text for one in segments),
        duration_s=max((one.end_s for one in words), default=0.0),
        words=tuple(words),
        segments=tuple(replace(one, language=known) for one in segments),
        chars=(),
        speakers=tuple(SpeakerSummary(name, 1.0, 1) for name in names if name is not None),
        diarized=names != [None],
        timestamps=("word", "segment"),
        attention="full",
        models={},
        timings_s={},
        cold=False,
        warnings=(),
        language=known,
        turns=tuple(
            SpeakerTurn(one.speaker, one.start_s, one.end_s)
            for one in segments
            if one.speaker is not None
        ),
    )


def rules(seed: int) -> SubtitleRules:
    """Rules that do not contradict each other, most of them the usual ones."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        return SubtitleRules()
    least_s = rng.choice((0.0, 0.4, 1.0, 1.1, 2.0))
    return SubtitleRules(
        max_line_chars=rng.choice((12, 16, 37, 42, 80)),
        max_lines=rng.choice((1, 2, 2, 3, 4)),
        max_chars_per_s=rng.choice((9.0, 15.0, 17.0, 21.5)),
        min_duration_s=least_s,
        max_duration_s=least_s + rng.choice((2.0, 3.3, 7.0)),
        min_gap_s=rng.choice((0.0, 0.04, 0.08, 0.125)),
        highlight_words=rng.random() < 0.5,
    )
