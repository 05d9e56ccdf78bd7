"""Each format as it is kept, and what is written where something is missing."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import get_args

import pytest

from formats import files, page
from speech.errors import RequestError
from speech.recording import Recording
from speech.request import FileFormat, SubtitleRules
from speech.types import Result, SpeakerSummary
from tests import golden_files, talks

EVERY = get_args(FileFormat)
RULES = SubtitleRules()
OF_WORDS = ("srt", "vtt", "ass", "ctm")
OF_TEXT = ("txt", "md", "html")


def write(result: Result, name: FileFormat, rules: SubtitleRules = RULES) -> str:
    return files.write(result, (name,), rules, Recording())[name]


@pytest.mark.parametrize("name", golden_files.written())
def test_files_are_as_they_are_kept(name: str) -> None:
    kept = (golden_files.FOLDER / name).read_bytes().decode()
    assert golden_files.written()[name] == kept


def test_every_kept_file_is_still_written() -> None:
    assert {path.name for path in golden_files.FOLDER.iterdir()} == set(golden_files.written())


def test_files_come_in_the_order_asked_for_and_have_a_type() -> None:
    asked = EVERY[::-1]
    written = files.write(golden_files.result(), asked, RULES, Recording())
    assert tuple(written) == asked
    assert set(files.CONTENT_TYPES) == set(EVERY)
    for text in written.values():
        assert text.encode()


def test_without_speakers_nobody_is_named() -> None:
    said = [replace(word, speaker=None) for word in golden_files.result().words]
    nobody = talks.result_of(said)
    assert write(nobody, "rttm") == ""
    assert "<v" not in write(nobody, "vtt")
    assert write(nobody, "txt").startswith("Good morning")
    assert all(row["speaker"] == "" for row in csv.DictReader(io.StringIO(write(nobody, "csv"))))
    assert all("speaker" not in row for row in json.loads(write(nobody, "seglst")))
    for name in EVERY:
        text = write(nobody, name)
        assert "SPEAKER_00" not in text
        assert "None" not in text or name == "html"


def test_a_recording_without_speech_makes_files_without_lines() -> None:
    silent = talks.result_of([])
    for name in EVERY:
        assert "-->" not in write(silent, name) or name == "html"
    assert write(silent, "vtt") == "WEBVTT\n\n"
    assert write(silent, "seglst") == "[]\n"
    for empty in ("srt", "txt", "rttm", "ctm", "stm"):
        assert files.write(silent, (empty,), RULES, Recording())[empty] == ""


def test_without_words_some_formats_say_what_they_lack() -> None:
    whole = golden_files.result()
    thin = replace(whole, words=())
    for name in EVERY:
        if name in OF_WORDS:
            with pytest.raises(RequestError, match=rf"{name} is made of words with their times"):
                write(thin, name)
        elif name != "html":
            assert write(thin, name) == write(whole, name)
    assert "Good morning" in write(thin, "html")


def test_without_segments_the_words_make_them() -> None:
    said = talks.result_of([word for word in golden_files.result().words if word.text != "Mhm."])
    for name in EVERY:
        if name not in {"html", "rttm"}:
            assert write(replace(said, segments=()), name) == write(said, name)


def test_of_the_text_alone_only_texts_can_be_made() -> None:
    text_only = replace(golden_files.result(), words=(), segments=(), turns=(), text="Yes. No.")
    for name in EVERY:
        if name in OF_TEXT:
            assert "Yes. No." in write(text_only, name)
        elif name != "rttm":
            with pytest.raises(RequestError, match=f"{name} is made of "):
                write(text_only, name)


def test_without_turns_the_segments_say_who_spoke_when() -> None:
    whole = golden_files.result()
    assert write(replace(whole, turns=()), "rttm") == write(whole, "rttm")


def test_the_page_gets_files_with_a_mark_for_each_name() -> None:
    whole = golden_files.result()
    renamed = replace(whole, speakers=tuple(reversed(whole.speakers)))
    text = write(renamed, "html")
    data = json.loads(
        text[text.index("{", text.index('type="application/json"')) :].split("</script>")[0]
    )
    for name in page.MARKED:
        marked = data["files"][name]
        for index, speaker in enumerate(renamed.speakers):
            assert speaker.id not in marked
            assert page.mark(index) in marked


def test_a_long_name_is_cut_and_marks_are_not() -> None:
    crowd = [f"Person {number}" for number in range(99)]
    words = [replace(golden_files.result().words[0], speaker=name) for name in crowd]
    people = tuple(SpeakerSummary(name, 1.0, 1) for name in crowd)
    result = replace(talks.result_of(words), speakers=people)
    narrow = SubtitleRules(max_line_chars=12)
    assert "Pers…: " not in write(result, "srt", narrow)
    assert "Per…: Good" in write(result, "srt", narrow)
    text = write(result, "html", narrow)
    assert "\ue00098\ue001: Good" in text or "\\ue00098\\ue001: Good" in text


def test_texts_are_in_paragraphs() -> None:
    said = [replace(word, speaker=None) for word in golden_files.result().words]
    parts = write(talks.result_of(said), "txt").split("\n\n")
    assert [part.split()[0] for part in parts] == ["Good", "Η"]


def test_markdown_knows_hours() -> None:
    assert "| 1:02:05 |" in (golden_files.FOLDER / "meeting.md").read_text()
