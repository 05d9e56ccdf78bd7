"""Pages of texts that would be code: they stay texts, and the page may do next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, expect

from formats import page
from speech.recording import Recording
from speech.types import LabelledWord
from tests import page_results
from tests.pages import NEEDS_CHROMIUM, chromium, opened

pytestmark = NEEDS_CHROMIUM
HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "<svg/onload=alert(1)>",
    "\"'><b>&amp;&lt;",
    "javascript:alert(1)",
    "${alert(1)}",
    "{{data}}",
    "a\u2028b\u2029c",
    "\u202egnp.exe\u202c",
    "\u200f\u0000\ud83d",
    "<style>*{display:none}</style>",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_hostile_texts_are_texts(browser: Browser) -> None:
    words = [
        LabelledWord(text, at, at + 0.5, 0.3, text, 1.0, overlap=True)
        for at, text in enumerate(HOSTILE)
    ]
    shown = replace(page_results.result(words), warnings=HOSTILE)
    files = dict.fromkeys(("srt", "vtt", "md"), "".join(HOSTILE))
    with opened(browser, shown, Recording("name", "".join(HOSTILE)), files) as this:
        shown_texts = this.page.evaluate(
            "[...document.querySelectorAll('.turn p')].map((it) => it.textContent)"
        )
        assert shown_texts == list(HOSTILE)
        this.word(0).click()
        this.search(HOSTILE[0])
        expect(this.page.locator("#count")).to_have_text("1 of 1")
        for text in HOSTILE[:4]:
            this.page.locator("#speakers button.name").nth(0).click()
            this.page.keyboard.insert_text(text)
            this.page.keyboard.press("Enter")
            expect(this.page.locator("#speakers button.name").nth(0)).to_have_text(text)
        this.page.reload()
        tags = this.page.evaluate(
            "[...new Set([...document.querySelectorAll('body *')].map((it) => it.localName))]"
        )
        assert not {"img", "b", "style", "iframe", "object"} & set(tags)
        assert this.page.locator("script").count() == 2
        assert this.page.locator("svg").count() == page.read_parts()["page"].count("<svg")


def test_the_policy_holds(browser: Browser) -> None:
    with opened(browser, page_results.meeting(20)) as this:
        blocked = this.page.evaluate(
            """() => new Promise((done) => {
                const blocked = [];
                addEventListener("securitypolicyviolation", (event) => {
                    blocked.push(event.effectiveDirective);
                    if (blocked.length === 4) done(blocked.sort());
                });
                const add = (tag, properties) =>
                    document.body.append(Object.assign(document.createElement(tag), properties));
                add("script", { textContent: "alert(1)" });
                add("style", { textContent: "*{}" });
                add("img", { src: "https://example.invalid/x.png" });
                fetch("https://example.invalid/").catch(() => 0);
            })"""
        )
        assert blocked == ["connect-src", "img-src", "script-src-elem", "style-src-elem"]
        assert all("Content Security Policy" in problem for problem in this.problems[:4])
        this.problems.clear()  # these were ours
