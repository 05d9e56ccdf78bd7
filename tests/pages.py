"""Pages in a browser: a sound to play, and what a page did that it must not."""

from __future__ import annotations

import base64
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from formats import page as pages
from speech.recording import Recording
from speech.types import Result
from tests.media import write_wav

CHROMIUM = shutil.which("chromium")
SCREENSHOTS = Path(__file__).resolve().parent.parent / ".cache" / "screenshots"
WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 360, "height": 720}
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt: chromium)")


def tone(folder: Path, seconds: float) -> Path:
    """A sound of so many seconds, at the lowest rate that browsers play."""
    return write_wav(folder / "tone.wav", seconds, rate_hz=3000)


def tone_uri(folder: Path, seconds: float) -> str:
    """A sound of so many seconds, as a request gives it to a page."""
    sound = tone(folder, seconds).read_bytes()
    return "data:audio/wav;base64," + base64.b64encode(sound).decode()


def until(page: Page, expression: str) -> None:
    """Ask again and again: the page's policy forbids what ``wait_for_function`` does."""
    deadline_s = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < deadline_s, f"never: {expression}"
        page.wait_for_timeout(20)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            # One process less to begin; there is no graphics card that it could talk to.
            args=["--no-sandbox", "--disable-gpu", "--in-process-gpu"],
        )
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page in a browser."""

    page: Page
    path: Path
    problems: list[str] = field(default_factory=list)
    """What stands in the console, and every request but for the page itself."""

    def now_s(self) -> float:
        """Where the sound stands."""
        return float(self.page.locator("#sound").evaluate("sound => sound.currentTime"))

    def word(self, place: int) -> Locator:
        """The element of a word near the top, counted from the first."""
        return self.page.locator("#transcript .w").nth(place)

    def lit_word(self) -> Locator:
        """The element that is lit."""
        return self.page.locator("#transcript .now")

    def lit(self) -> list[str]:
        """The words that are lit."""
        return self.lit_word().all_inner_texts()

    def wait_until_lit(self, text: str) -> None:
        """Until a word is lit that reads so."""
        self.lit_word().filter(has_text=text).wait_for()

    def search(self, wanted: str) -> None:
        """By the keys, until it is found or not."""
        self.page.keyboard.press("/")
        self.page.keyboard.insert_text(wanted)
        expect(self.page.locator("#count")).not_to_be_empty()

    def rename(self, before: str, after: str) -> None:
        """As a person does in the page's head."""
        self.page.locator("#speakers button.name", has_text=before).click()
        self.page.keyboard.insert_text(after)
        self.page.keyboard.press("Enter")

    def download(self, label: str) -> str:
        """The text of a file that the menu offers."""
        self.page.click("#download")
        with self.page.expect_download() as waiting:
            self.page.locator("#downloads button", has_text=label).click()
        return Path(waiting.value.path()).read_bytes().decode()

    def screenshot(self, name: str) -> None:
        """Kept for people to look at, when nothing moves any more."""
        self.page.evaluate("scrollBy({ top: 0, behavior: 'instant' })")
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


@contextmanager
def opened(
    browser: Browser,
    shown: Result,
    recording: Recording | None = None,
    templates: Mapping[str, str] | None = None,
    **context: Any,
) -> Iterator[Opened]:
    """The page of a result, as a person opens it: a file. At the end it has done nothing wrong."""
    html = pages.write(shown, recording or Recording(), templates or {})
    with opened_html(browser, html, **context) as this:
        yield this


@contextmanager
def opened_html(browser: Browser, html: str, **context: Any) -> Iterator[Opened]:
    """The same of a page that is written already. Nothing glides, unless ``context`` says so."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(html, encoding="utf-8")
        with browser.new_context(**{"reduced_motion": "reduce", **context}) as made:
            this = Opened(made.new_page(), path)
            watch(this)
            this.page.goto(path.as_uri())
            yield this
            assert this.problems == []


def watch(this: Opened) -> None:
    """Note whatever a page should not do."""
    page, problems = this.page, this.problems
    page.set_default_timeout(10_000)
    page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))

    def note(url: str) -> None:
        if url != this.path.as_uri() and not url.startswith(("data:", "blob:")):
            problems.append(f"request: {url[:200]}")

    page.on("request", lambda request: note(request.url))
