"""The language of transcripts, told from everyday sentences in all languages of the model."""

from __future__ import annotations

import subprocess

import pytest

from speech.types import Language
from tests.environments import ROOT, worker_python
from tests.everyday_speech import SENTENCES
from utils import language
from utils.language import detect
from utils.request_fields import LANGUAGES

TWINS = [("cs", "sk"), ("hr", "sl"), ("da", "sv"), ("es", "pt"), ("ru", "uk"), ("ru", "bg")]


@pytest.mark.parametrize("code", LANGUAGES)
def test_each_language_is_told_and_none_of_its_sentences_is_flagged(code: str) -> None:
    sentences = SENTENCES[code]
    for expected in (None, code):
        found = detect(" ".join(sentences), sentences, expected)
        assert found.whole is not None
        assert (found.whole.code, found.whole.expected) == (code, True)
        assert 0.8 <= found.whole.confidence <= 1
        assert [segment.code for segment in found.segments if segment] == [code] * 3
        assert language.warnings(found, expected) == ()


def test_single_sentences_are_told_by_themselves_or_not_at_all() -> None:
    alone = {text: code for code, texts in SENTENCES.items() for text in texts}
    told = {text: detect(text, [text], None).segments[0] for text in alone}
    wrong = [text for text, found in told.items() if found and found.code != alone[text]]
    assert wrong == []
    assert sum(found is not None for found in told.values()) >= 0.9 * len(alone)


@pytest.mark.parametrize(("one", "other"), [*TWINS, *((b, a) for a, b in TWINS)])
def test_a_segment_in_a_language_that_is_much_alike_is_flagged(one: str, other: str) -> None:
    segments = [*SENTENCES[one], SENTENCES[other][1], *SENTENCES[one]]
    found = detect(" ".join(segments), segments, one)
    assert found.whole is not None
    assert found.whole.code == one
    drifted = [index for index, spoken in enumerate(found.segments) if not _as_expected(spoken)]
    assert drifted == [3]
    flagged = found.segments[3]
    assert flagged is not None
    assert flagged.code == other
    assert language.warnings(found, one) == (), "the whole is as expected"


def test_a_whole_in_another_language_is_flagged_and_told() -> None:
    found = detect(" ".join(SENTENCES["de"]), SENTENCES["de"], "en")
    assert found.whole is not None
    assert (found.whole.code, found.whole.expected) == ("de", False)
    assert not any(_as_expected(spoken) for spoken in found.segments)
    (warning,) = language.warnings(found, "en")
    assert "language is en" in warning
    assert "de" in warning


@pytest.mark.parametrize("text", ["", "...", "1984.", "Hm.", "Oh!"])
def test_what_has_hardly_a_letter_is_in_no_language(text: str) -> None:
    found = detect(text, [text], "en")
    assert found.whole is None
    assert found.segments == (None,)
    assert language.warnings(found, "en") == ()


def test_a_word_of_many_languages_has_none_by_itself_and_is_never_flagged() -> None:
    for text in ("Okay.", "Anna Martin.", "Radio.", "Taxi, taxi!"):
        assert detect(text, [text], None).whole is None
        for code in LANGUAGES:
            spoken = detect(" ".join((*SENTENCES[code], text)), [text], code).segments[0]
            assert _as_expected(spoken), (text, code, spoken)


def test_a_short_answer_has_the_language_of_the_whole_only_if_it_looks_like_it() -> None:
    english, yes, foreign = SENTENCES["en"], "Yes, that's right.", "Ну хорошо."
    found = detect(" ".join((*english, yes, foreign)), [yes, foreign], "en")
    assert found.segments[0] is not None
    assert found.segments[0].code == "en"
    assert found.segments[1] is None or found.segments[1].code != "en"


def test_a_long_transcript_is_as_sure_as_a_short_one() -> None:
    segments = list(SENTENCES["mt"]) * 1000
    found = detect(" ".join(segments), segments, "mt")
    assert found.whole is not None
    assert found.whole.code == "mt"
    assert all(_as_expected(spoken) for spoken in found.segments)


def test_importing_it_loads_neither_numpy_nor_a_model() -> None:
    code = "import sys, utils.language; print('numpy' in sys.modules, 'py3langid' in sys.modules)"
    run = subprocess.run(
        [worker_python(), "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["False", "False"]


def _as_expected(spoken: Language | None) -> bool:
    return spoken is None or spoken.expected
