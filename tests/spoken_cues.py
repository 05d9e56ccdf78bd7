"""Words that are said one after the other, and the subtitles that come of them."""

from __future__ import annotations

from formats import cues
from formats.cues import Cue
from speech.request import SubtitleRules
from speech.types import LabelledWord
from tests import talks

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
