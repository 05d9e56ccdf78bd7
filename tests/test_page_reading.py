"""A page that is read: search, keys, both themes, a telephone, hours of it, and less than all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from speech.recording import Recording
from speech.types import LabelledWord, Result
from tests import page_results
from tests.pages import NEEDS_CHROMIUM, PHONE, WIDE, Opened, chromium, opened, tone_uri, until

pytestmark = NEEDS_CHROMIUM
SHOWN = page_results.meeting(300)
LONG = page_results.meeting(30_000, 6)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def hits(this: Opened) -> list[str]:
    return this.page.locator("#transcript .hit-now").all_inner_texts()


def test_search_counts_and_goes_on_and_back(browser: Browser) -> None:
    with_it = [index for index, word in enumerate(SHOWN.words) if "frid" in word.text.lower()]
    count = len(with_it)
    with opened(browser, SHOWN) as this:
        where = this.page.locator("#count")
        this.search("FRID")
        expect(where).to_have_text(f"1 of {count}")
        assert lit_hit(this) == with_it[0]
        for key, number in (("Enter", 2), ("Enter", 3), ("Shift+Enter", 2)):
            this.page.keyboard.press(key)
            expect(where).to_have_text(f"{number} of {count}")
        this.page.click("#next")
        this.page.keyboard.press("n")
        expect(where).to_have_text(f"4 of {count}")
        assert lit_hit(this) == with_it[3]
        this.page.keyboard.press("p")
        expect(where).to_have_text(f"3 of {count}")
        for _ in range(3):
            this.page.click("#previous")
        expect(where).to_have_text(f"{count} of {count}")
        assert lit_hit(this) == with_it[-1]
        expect(this.page.locator(".hit-now")).to_be_in_viewport()
        this.page.keyboard.press("Escape")
        expect(where).to_be_empty()
        assert this.page.locator(".hit, .hit-now").count() == 0


def lit_hit(this: Opened) -> int:
    """Which word of all is gone to."""
    place: int = this.page.locator("#transcript .hit-now").evaluate("word => word.unit")
    return place


def test_search_finds_what_one_means(browser: Browser) -> None:
    texts = ("Café", "don’t", "leave", "the", "ründ")
    words = [LabelledWord(text, at, at + 0.5, 1.0, "A", 1.0) for at, text in enumerate(texts)]
    with opened(browser, page_results.result(words)) as this:
        for wanted, found in {
            "cafe don't": ["Café", "don’t"],
            "  LEAVE   the ": ["leave", "the"],
            "e": ["Café"],
            "nowhere": [],
            ".*": [],
            "ünd": ["ründ"],
        }.items():
            this.search(wanted)
            expect(this.page.locator("#count")).to_contain_text("1 of" if found else "none")
            assert hits(this) == found
            this.page.keyboard.press("Escape")


def test_keys(browser: Browser, tmp_path: Path) -> None:
    shown = page_results.meeting(40)
    sound = tone_uri(tmp_path, shown.duration_s)
    with opened(browser, shown, Recording(audio_src=sound)) as this:
        until(this.page, "document.getElementById('sound').readyState > 0")
        press = this.page.keyboard.press
        for key, time_s in (("ArrowRight", 5), ("ArrowRight", 10), ("ArrowLeft", 5)):
            press(key)
            assert this.now_s() == time_s
        press("Space")
        expect(this.page.locator("#play")).to_have_attribute("aria-label", "Pause")
        press("Space")
        expect(this.page.locator("#play")).to_have_attribute("aria-label", "Play")
        press("?")
        expect(this.page.get_by_role("dialog")).to_be_visible()
        press("Escape")
        expect(this.page.get_by_role("dialog")).to_be_hidden()
        before_s = this.now_s()
        this.search("a n/? p")
        press("Space")
        press("ArrowLeft")
        assert this.page.locator("#search").input_value() == "a n/? p "
        assert this.now_s() == before_s and this.page.locator("#sound").evaluate("it => it.paused")


def test_everything_can_be_reached_and_has_a_name(browser: Browser) -> None:
    with opened(browser, SHOWN, Recording(), page_results.templates(SHOWN)) as this:
        nameless = this.page.evaluate(
            """() => [...document.querySelectorAll("button, input, select, [role=slider]")]
                .filter((it) => it.checkVisibility())
                .filter((it) => !(it.textContent.trim() || it.ariaLabel || it.labels?.length))
                .map((it) => it.outerHTML)"""
        )
        assert nameless == []
        expect(this.page.get_by_role("main")).to_have_count(1)
        expect(this.page.get_by_role("heading", level=1)).to_have_text("recording")
        this.page.focus("#download")
        this.page.keyboard.press("Enter")
        for _ in range(2):
            this.page.keyboard.press("ArrowDown")
        focused = this.page.evaluate("document.activeElement.dataset.extension")
        assert focused == "txt"
        this.page.keyboard.press("Escape")
        assert this.page.evaluate("document.activeElement.id") == "download"
        this.page.keyboard.press("Space")  # is the button's, not the player's
        expect(this.page.locator("#downloads")).to_be_visible()


@pytest.mark.parametrize(
    ("theme", "size"), [("light", WIDE), ("dark", PHONE)], ids=["light-wide", "dark-phone"]
)
def test_both_themes_can_be_read(browser: Browser, theme: str, size: dict[str, int]) -> None:
    recording = Recording(title="A_long_file_name_without_any_place_to_break_" * 3)
    shown = replace(page_results.meeting(400, 8), warnings=("A note.",))
    with opened(browser, shown, recording, color_scheme=theme, viewport=size) as this:
        this.rename("SPEAKER_00", "Someone whose name goes on and on, von und zu Langenhagen")
        this.search("good")
        this.word(25).click()
        this.screenshot(f"page-{theme}-{size['width']}")
        assert this.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        for text, paper, least in CONTRASTS:
            assert contrast(this, text, paper) >= least, (text, paper)


CONTRASTS = (
    ("--ink", "--paper", 7),
    ("--soft", "--paper", 4.5),
    ("--soft", "--card", 4.5),
    ("--soft", "--press", 4.5),
    ("--on-accent", "--accent", 4.5),
    ("--accent", "--paper", 3),
    ("--ink", "--now", 4.5),
    ("--ink", "--hit", 4.5),
    *((f"--speaker-{number}", paper, 3) for number in range(8) for paper in ("--card", "--press")),
)
"""As https://www.w3.org/TR/WCAG22/ asks: 4.5 for text, 3 for the bars."""


def contrast(this: Opened, one: str, other: str) -> float:
    """Of two of the page's colours, as WCAG 2.2 defines it."""
    pair = sorted(luminance(this, name) for name in (one, other))
    return (pair[1] + 0.05) / (pair[0] + 0.05)


def luminance(this: Opened, name: str) -> float:
    code: str = this.page.evaluate(
        "name => getComputedStyle(document.documentElement).getPropertyValue(name)", name
    )
    parts = [value / 255 for value in bytes.fromhex(code.strip().removeprefix("#"))]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_hours_are_all_there_and_laid_out_only_where_one_looks(browser: Browser) -> None:
    with opened(browser, LONG) as this:
        assert whole_text(this) == LONG.text
        # Elements for words come when they are near: the others are text already.
        assert 0 < this.page.locator("#transcript .w").count() < len(LONG.words) / 5
        this.search("good")
        this.page.click("#previous")
        found = this.page.locator("#transcript .hit-now")
        expect(found).to_be_in_viewport()
        assert lit_hit(this) == max(i for i, one in enumerate(LONG.words) if "good" in one.text)
        # Elsewhere in what has only now become elements, too.
        for one in this.page.locator("#transcript .turn").last.locator(".w").all():
            marked = "hit" in str(one.get_attribute("class")).split()
            assert marked == ("good" in one.inner_text())


def whole_text(this: Opened) -> str:
    """All paragraphs."""
    said: str = this.page.evaluate(
        "[...document.querySelectorAll('.turn p')].map((it) => it.textContent).join(' ')"
    )
    return said


def speakerless(shown: Result) -> Result:
    words = tuple(replace(one, speaker=None, speaker_confidence=None) for one in shown.words)
    return replace(page_results.result(words), diarized=False, speakers=(), turns=())


def test_without_diarization_there_are_no_speakers(browser: Browser) -> None:
    with opened(browser, speakerless(SHOWN)) as this:
        expect(this.page.locator("#speakers")).to_be_hidden()
        assert this.page.locator("button.name").count() == 0
        assert whole_text(this) == SHOWN.text
        assert "speaker" not in this.page.locator("#facts").inner_text()


def test_without_words_segments_are_clicked(browser: Browser) -> None:
    with opened(browser, replace(SHOWN, words=())) as this:
        assert this.word(1).inner_text() == SHOWN.segments[1].text
        this.word(1).click()
        assert this.lit() == [SHOWN.segments[1].text]
        assert whole_text(this) == SHOWN.text


def test_without_segments_the_text_is_left(browser: Browser) -> None:
    with opened(browser, replace(SHOWN, words=(), segments=())) as this:
        assert whole_text(this) == SHOWN.text
        this.word(0).click()
        assert this.page.locator(".stamp").count() == 0


def test_where_nobody_speaks_the_page_says_so(browser: Browser) -> None:
    with opened(browser, page_results.result([])) as this:
        expect(this.page.get_by_role("main")).to_have_text("Nothing was said.")
        this.page.keyboard.press("ArrowRight")


def test_what_is_doubtful_is_marked(browser: Browser) -> None:
    words = [
        LabelledWord("sure", 0.0, 0.5, 0.95, "A", 1.0),
        LabelledWord("unsure", 1.0, 1.5, 0.35, "A", 1.0),
    ]
    with opened(browser, page_results.result(words)) as this:
        marked = this.page.locator("#transcript .low")
        expect(marked).to_have_text(["unsure"])
        assert "35 %" in (marked.get_attribute("title") or "")
