"""A page whose speakers are renamed, and the files that it writes with their names."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import Browser, expect

from formats import files
from speech import earlier, envelope
from speech.recording import Recording
from speech.request import EarlierResult, FileFormat, SubtitleRules
from speech.types import Language, Result
from tests import page_results
from tests.pages import NEEDS_CHROMIUM, chromium, opened, opened_html

pytestmark = NEEDS_CHROMIUM
SHOWN = page_results.meeting(120)
FILES = page_results.templates(SHOWN)
NAMES = {
    "SPEAKER_00": 'Ann <b>& "Co", Ltd',
    "SPEAKER_01": "*Dr* [Böse] `_x_` $1",
    "SPEAKER_02": "雪",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def said_by() -> list[tuple[str, str]]:
    """Who says what, by their names."""
    return [(NAMES[piece.speaker or ""], piece.text) for piece in SHOWN.segments]


def renamed(shown: Result, new: Mapping[str, str]) -> Result:
    """The result with names in the place of ids."""

    def of(item: Any) -> Any:
        return replace(item, speaker=new.get(item.speaker, item.speaker))

    return replace(
        shown,
        words=tuple(map(of, shown.words)),
        segments=tuple(map(of, shown.segments)),
        turns=tuple(map(of, shown.turns)),
        speakers=tuple(replace(one, id=new.get(one.id, one.id)) for one in shown.speakers),
    )


def test_a_new_name_stands_everywhere_and_stays(browser: Browser) -> None:
    with opened(browser, SHOWN) as this:
        old = this.page.locator("#transcript button.name", has_text="SPEAKER_01")
        several = old.count()
        assert several > 1
        old.nth(1).click()  # in the transcript itself
        this.page.keyboard.insert_text("Grace")
        this.page.keyboard.press("Enter")
        expect(old).to_have_count(0)
        expect(this.page.locator("#transcript button.name", has_text="Grace")).to_have_count(
            several
        )
        expect(this.page.locator("#speakers")).to_contain_text("Grace")
        expect(this.page.locator("#rows")).to_contain_text("Grace")
        this.page.reload()  # names outlive the page
        expect(this.page.locator("#transcript button.name", has_text="Grace")).to_have_count(
            several
        )


def test_escape_keeps_the_old_name_and_nothing_is_the_first_one(browser: Browser) -> None:
    with opened(browser, SHOWN) as this:
        head = this.page.locator("#speakers button.name")
        head.nth(0).click()
        this.page.keyboard.insert_text("Grace")
        this.page.keyboard.press("Escape")
        expect(head.nth(0)).to_have_text("SPEAKER_00")
        this.rename("SPEAKER_00", "Grace")
        this.rename("Grace", "  ")
        expect(head.nth(0)).to_have_text("SPEAKER_00")


def test_names_work_where_nothing_can_be_kept(browser: Browser) -> None:
    with opened(browser, SHOWN) as this:
        this.page.add_init_script(
            "Object.defineProperty(window, 'localStorage', { get() { throw new Error(); } });"
        )
        this.page.reload()
        this.rename("SPEAKER_00", "Grace")
        expect(this.page.locator("#speakers button.name").nth(0)).to_have_text("Grace")


def test_every_file_has_the_new_names(browser: Browser) -> None:
    with opened(browser, SHOWN, Recording("talk"), FILES) as this:
        for before, after in NAMES.items():
            this.rename(before, after)
        read = {
            label: this.download(label) for label in ("SRT", "WebVTT", "Text", "Markdown", "CSV")
        }
        answer = json.loads(this.download("JSON"))
    assert not any("\ue000" in text for text in read.values())
    # An invisible joiner keeps players from taking a name for a tag.
    cues = read["SRT"].replace("\u2060", "").strip().split("\n\n")
    assert [tuple(cue.split("\n")[2].split(": ", 1)) for cue in cues] == said_by()
    voices = re.findall("<v ([^>]*)>(.*)", read["WebVTT"])
    assert [(html.unescape(name), text) for name, text in voices] == said_by()
    assert [tuple(line.split(": ", 1)) for line in read["Text"].splitlines()] == said_by()
    assert markdown_lines(read["Markdown"]) == said_by()
    rows = csv.DictReader(io.StringIO(read["CSV"], newline=""))
    assert [(row["speaker"], row["text"]) for row in rows] == said_by()
    new = renamed(SHOWN, NAMES)
    assert answer == as_json(envelope.success(new))
    assert earlier.read(EarlierResult(answer)).segments == new.segments


def as_json(answer: dict[str, object]) -> Any:
    """JSON knows no tuples."""
    return json.loads(json.dumps(answer))


def markdown_lines(text: str) -> list[tuple[str, str]]:
    """Who says what, as a reader of Markdown sees it."""
    found: list[tuple[str, str]] = []
    for token in MarkdownIt().parse(text):
        if token.type == "inline":
            inner = token.children or []
            bold = [child.type for child in inner].index("strong_close")
            name = "".join(child.content for child in inner[:bold])
            found.append((name, "".join(child.content for child in inner[bold:]).strip()))
    return found


def test_files_are_those_that_the_worker_writes(browser: Browser) -> None:
    """Names as long as the ids, so that subtitles are cut alike."""
    new = dict(zip(NAMES, ("Ann <b>{x}", "*Dr* [B]_`", '=1,"a"&|\\#'), strict=True))
    recording = Recording("talk", "A talk")
    kinds: dict[FileFormat, str] = {
        "srt": "SRT", "vtt": "WebVTT", "txt": "Text", "md": "Markdown", "csv": "CSV"
    }  # fmt: skip
    rules = SubtitleRules(highlight_words=True)
    page = files.write(SHOWN, ["html"], rules, recording)["html"]
    with opened_html(browser, page) as this:
        for before, after in new.items():
            assert len(before) == len(after)
            this.rename(before, after)
        found = {kind: this.download(label) for kind, label in kinds.items()}
    assert found == files.write(renamed(SHOWN, new), list(kinds), rules, recording)


def test_files_of_unchanged_names_have_the_ids(browser: Browser) -> None:
    language = Language("en", 0.9)
    first, *others = SHOWN.segments
    shown = replace(
        SHOWN,
        text=SHOWN.text.upper(),
        language=language,
        segments=(replace(first, language=replace(language, expected=False)), *others),
        warnings=("A note.",),
    )
    with opened(browser, shown, Recording(), FILES) as this:
        table = this.download("CSV")
        answer = json.loads(this.download("JSON"))
        expect(this.page.locator("#notes")).to_contain_text("A note.")
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [row["speaker"] for row in rows] == [piece.speaker for piece in SHOWN.segments]
    assert answer == as_json(envelope.success(shown))


def test_two_speakers_of_one_name_are_one(browser: Browser) -> None:
    with opened(browser, SHOWN) as this:
        this.rename("SPEAKER_00", "Ann")
        this.rename("SPEAKER_01", "Ann")
        answer = json.loads(this.download("JSON"))
    both = SHOWN.speakers[:2]
    ann, other = answer["speakers"]
    assert (ann["id"], other["id"]) == ("Ann", "SPEAKER_02")
    assert ann["talk_time"] == pytest.approx(sum(one.talk_time_s for one in both))
    assert ann["turns"] == sum(one.turns for one in both)


def test_a_table_keeps_what_is_no_name(browser: Browser) -> None:
    """Quotes, line breaks and empty fields come through as they are; no other file is offered."""
    table = '\ufeffa,b,c\r\n"x ""y"", z",\ue0000\ue001,\r\n,"line\r\nbreak \ue0000\ue001",1"2\r\n'
    with opened(browser, SHOWN, Recording(), {"csv": table}) as this:
        this.rename("SPEAKER_00", 'A, "B"')
        labels = this.page.locator("#downloads button").all_text_contents()
        found = this.download("CSV")
    assert labels == ["Table (CSV)", "Everything (JSON)"]
    assert list(csv.reader(io.StringIO(found, newline=""))) == [
        ["\ufeffa", "b", "c"],
        ['x "y", z', 'A, "B"', ""],
        ["", 'line\r\nbreak A, "B"', '1"2'],
    ]
