"""The page of three hours and 30,000 words: how large, how soon it is there, how it scrolls.

Headless Chromium paints without a graphics card, one frame at a time as a screen would ask for it,
60 a second: the empty page's frames show what there is to reach.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab

from benchmarks.rows import Row
from formats import page
from speech import envelope
from speech.recording import Recording
from speech.types import Result
from tests import page_results
from tests.pages import CHROMIUM, WIDE, chromium

WORDS: Final = 30_000
SPEAKERS: Final = 6
PHONE: Final = {"width": 390, "height": 844}
FRAMES: Final = 300
SPEEDS_PX: Final = (20, 100)
"""A frame: 1200 and 6000 pixels a second, as one reads over it and as one looks for a place."""

PAINTED: Final = """() => new Promise((done) => {
    const seen = { first: performance.getEntriesByName("first-contentful-paint")[0].startTime };
    new PerformanceObserver((list) => {
        seen.whole = list.getEntries().at(-1).startTime;
        requestAnimationFrame(() => setTimeout(() => done(seen), 100));
    }).observe({ type: "largest-contentful-paint", buffered: true });
})"""
SCROLL: Final = """([frames, step]) => new Promise((done) => {
    let [begin, last, worst, count] = [0, 0, 0, 0];
    const next = (now) => {
        if (count) worst = Math.max(worst, now - last);
        else begin = now;
        last = now;
        scrollBy({ top: step, behavior: "instant" });
        if (count++ < frames) requestAnimationFrame(next);
        else done([(1000 * frames) / (now - begin), worst]);
    };
    requestAnimationFrame(next);
})"""
SEARCH: Final = """() => {
    const begin = performance.now();
    const field = document.getElementById("search");
    field.value = "good f";
    field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    document.body.offsetHeight;
    return [performance.now() - begin, document.getElementById("count").textContent];
}"""


def rows(folder: Path, runs: int) -> Iterator[Row]:
    """All of them. Without Chromium the size and the time to write it."""
    shown = page_results.meeting(WORDS, SPEAKERS)
    files = page_results.templates(shown)
    yield from written_rows(shown, files, runs)
    path = folder / "page.html"
    path.write_text(page.write(shown, Recording(), files), encoding="utf-8")
    if CHROMIUM is None:
        return
    with chromium() as browser:
        yield from painted_rows(browser, path, runs)
        for name, size in (("wide window", WIDE), ("telephone", PHONE)):
            for step_px in SPEEDS_PX:
                yield from scrolled_rows(browser, path, runs, name, size=size, step_px=step_px)
        yield searched_row(browser, path, runs)


def written_rows(shown: Result, files: dict[str, str], runs: int) -> Iterator[Row]:
    """By Python."""
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        html = page.write(shown, Recording(), files)
        seconds.append(time.perf_counter() - begin)
    yield Row("page of 3 h, 30,000 words: to write it", tuple(seconds), "s")
    answer = json.dumps(envelope.success(shown), ensure_ascii=False)
    times = len(html.encode()) / len(answer.encode())
    yield Row("its size against the JSON's, with five files in it", (times,), "times", "<= 1.5")


def painted_rows(browser: Browser, path: Path, runs: int) -> Iterator[Row]:
    """From the click to what one sees."""
    first, whole = [], []
    for _ in range(runs):
        tab = opened(browser, path, WIDE)
        painted = tab.evaluate(PAINTED)
        first.append(painted["first"] / 1000)
        whole.append(painted["whole"] / 1000)
        tab.context.close()
    yield Row("first paint", tuple(first), "s", "<= 1 s")
    yield Row("the transcript painted", tuple(whole), "s", "<= 1 s")


def scrolled_rows(
    browser: Browser, path: Path, runs: int, what: str, *, size: dict[str, int], step_px: int
) -> Iterator[Row]:
    """Frames a second from the top downwards, and the longest that one waits for a frame."""
    found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for _ in range(runs):
        for empty in (False, True):
            tab = opened(browser, None if empty else path, size)
            rate, worst_ms = tab.evaluate(SCROLL, [FRAMES, step_px])
            found[empty].append((rate, worst_ms))
            tab.context.close()
    (rates, waits), (empty_rates, empty_waits) = (
        tuple(zip(*found[empty], strict=True)) for empty in (False, True)
    )
    yield Row(
        f"scrolling: {what}, {60 * step_px} px/s",
        rates,
        "frames/s",
        "60",
        baseline=empty_rates,
        more_is_better=True,
    )
    yield Row("  longest frame", waits, "ms", "", baseline=empty_waits)


def searched_row(browser: Browser, path: Path, runs: int) -> Row:
    """The first search, which reads all of it."""
    waits = []
    for _ in range(runs):
        tab = opened(browser, path, WIDE)
        wait_ms, count = tab.evaluate(SEARCH)
        assert " of " in count
        waits.append(wait_ms)
        tab.context.close()
    return Row("a first search", tuple(waits), "ms")


def opened(browser: Browser, path: Path | None, size: dict[str, int]) -> Tab:
    """A page, or an empty one as high; in a context of its own, so that nothing is cached."""
    tab = browser.new_context(viewport=size).new_page()  # type: ignore[arg-type]
    if path is None:
        tab.set_content("<body style='height: 100000px'>")
    else:
        tab.goto(path.as_uri())
    # What follows is not the opening any more.
    tab.evaluate("() => new Promise((done) => requestIdleCallback(done))")
    return tab
