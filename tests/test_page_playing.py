"""A page that plays: words that are clicked, words that are lit, the timeline, a chosen file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from speech.recording import Recording
from speech.types import LabelledWord, Result
from tests import page_results
from tests.pages import NEEDS_CHROMIUM, Opened, chromium, opened, tone, tone_uri, until

pytestmark = NEEDS_CHROMIUM
SHOWN = page_results.meeting(150)
"""A minute, and longer than a window."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tone_uri(tmp_path_factory.mktemp("sound"), SHOWN.duration_s)


@pytest.fixture
def playing(browser: Browser, sound: str) -> Iterator[Opened]:
    recording = Recording(audio_src=sound)
    with opened(browser, SHOWN, recording, reduced_motion="no-preference") as this:
        until_ready(this.page)
        yield this


def until_ready(page: Page) -> None:
    until(page, "document.getElementById('sound').readyState > 0")


def pause_at(this: Opened, time_s: float) -> None:
    """As if it had been played up to there."""
    this.page.locator("#sound").evaluate(
        """(sound, time) => new Promise((done) => {
            sound.addEventListener("seeked", () => requestAnimationFrame(done), { once: true });
            sound.currentTime = time;
        })""",
        time_s,
    )


def place_of(word: LabelledWord) -> int:
    return SHOWN.words.index(word)


def test_a_clicked_word_is_heard_and_lit(playing: Opened) -> None:
    word = SHOWN.words[30]
    playing.word(30).click()
    playing.wait_until_lit(word.text)
    playing.page.keyboard.press("Space")
    expect(playing.page.locator("#play")).to_have_attribute("aria-label", "Play")
    assert word.start_s <= playing.now_s() < SHOWN.words[-1].end_s
    assert playing.page.locator("#sound").evaluate("sound => sound.paused")


def test_text_can_be_selected_without_being_heard(playing: Opened) -> None:
    playing.word(5).hover()
    playing.page.mouse.down()
    playing.word(9).hover()
    playing.page.mouse.up()
    # A selection ends on the common parent; a click on a word afterwards still finds it.
    playing.word(9).dispatch_event("click")
    assert playing.page.evaluate("getSelection().toString().split(' ').length") >= 4
    assert playing.now_s() == 0


def test_the_light_goes_from_word_to_word(playing: Opened) -> None:
    playing.page.evaluate(
        """() => {
            window.seen = [];
            const look = (changes) => changes.forEach(({ target }) => {
                if (target.matches(".w.now")) seen.push(target.unit);
            });
            new MutationObserver(look).observe(
                document.getElementById("transcript"), { subtree: true, attributeFilter: ["class"] }
            );
        }"""
    )
    playing.word(3).click()
    until(playing.page, "window.seen.length >= 4")
    seen = playing.page.evaluate("window.seen")
    assert seen[0] == 3
    assert seen == sorted(set(seen))  # a busy machine may be late for one, and never goes back


def test_the_word_being_spoken_is_lit_wherever_one_looks(playing: Opened) -> None:
    rng = random.Random(5)
    for word in rng.sample(SHOWN.words, 6):
        pause_at(playing, (word.start_s + word.end_s) / 2)
        assert playing.lit() == [word.text]
        lit = playing.lit_word().evaluate("word => word.unit")
        assert lit == place_of(word)
        expect(playing.lit_word()).to_be_in_viewport()
    pause_at(playing, SHOWN.words[0].start_s / 2)
    assert playing.lit() == []


def test_people_who_speak_at_once_are_both_lit(browser: Browser) -> None:
    words = [
        LabelledWord("No", 1.0, 2.0, 1.0, "A", 0.1, overlap=True),
        LabelledWord("Yes", 1.2, 2.2, 1.0, "B", 0.1, overlap=True),
    ]
    with opened(browser, page_results.result(words)) as this:
        this.word(1).click()
        assert this.lit() == ["No", "Yes"]
        assert this.page.locator("#transcript .both").count() == 2


def test_the_page_follows_until_one_scrolls(playing: Opened) -> None:
    last = len(SHOWN.words) - 5
    pause_at(playing, SHOWN.words[last].start_s + 0.01)
    expect(playing.lit_word()).to_be_in_viewport()
    playing.page.mouse.move(400, 300)
    playing.page.mouse.wheel(0, -100)  # which may only stop the page's own scrolling
    button = playing.page.locator("#follow")
    button.wait_for()
    playing.page.mouse.wheel(0, -5000)
    until(playing.page, "scrollY === 0")
    pause_at(playing, SHOWN.words[last + 1].start_s + 0.01)
    expect(playing.lit_word()).not_to_be_in_viewport()
    button.click()
    expect(playing.lit_word()).to_be_in_viewport()
    expect(button).to_be_hidden()


def test_the_timeline_shows_and_seeks(playing: Opened) -> None:
    box = playing.page.locator("#track").bounding_box()
    assert box
    for share in (0.75, 0.25):
        playing.page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        assert playing.now_s() == pytest.approx(share * SHOWN.duration_s, abs=0.1)
    track = playing.page.get_by_role("slider")
    now = int(track.get_attribute("aria-valuenow") or "")
    assert now == pytest.approx(0.25 * SHOWN.duration_s, abs=1)
    hover = playing.page.locator("#hover").inner_text()
    assert hover.split()[0] == playing.page.locator("#now").inner_text()


def test_the_timeline_has_a_row_for_each_speaker(playing: Opened) -> None:
    # Overlaps show because nobody paints over anybody: in the middle of a turn its row is coloured.
    rows = len(SHOWN.speakers)
    middles = [(turn.start_s + turn.end_s) / 2 / SHOWN.duration_s for turn in SHOWN.turns]
    painted = playing.page.locator("#canvas").evaluate(
        """(canvas, [middles, rows]) => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            const alpha = (x, y) => data[4 * (Math.floor(y) * width + Math.floor(x)) + 3];
            return middles.map((middle) => [...Array(rows).keys()].filter(
                (row) => alpha(middle * width, (row + 0.5) * height / rows) > 0
            ));
        }""",
        [middles, rows],
    )
    ids = [speaker.id for speaker in SHOWN.speakers]
    assert painted == [[ids.index(turn.speaker)] for turn in SHOWN.turns]


def test_time_stamps_play_from_there_at_any_speed(playing: Opened) -> None:
    playing.page.locator(".stamp").nth(1).click()
    playing.wait_until_lit(SHOWN.words[place_of_turn(1)].text)
    assert playing.now_s() >= SHOWN.words[place_of_turn(1)].start_s
    playing.page.keyboard.press("Space")  # is the player's again
    expect(playing.page.locator("#play")).to_have_attribute("aria-label", "Play")
    playing.page.select_option("#speed", "1.5")
    assert playing.page.locator("#sound").evaluate("sound => sound.playbackRate") == 1.5


def place_of_turn(number: int) -> int:
    """The first word of a turn."""
    starts = [
        place
        for place, word in enumerate(SHOWN.words)
        if place == 0 or word.speaker != SHOWN.words[place - 1].speaker
    ]
    return starts[number]


def test_without_sound_one_chooses_the_file(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, SHOWN) as this:
        expect(this.page.locator("#choose")).to_be_visible()
        this.word(20).click()  # nothing to hear yet, but it is remembered
        assert this.lit() == [SHOWN.words[20].text]
        with this.page.expect_file_chooser() as chooser:
            this.page.click("#choose")
        chooser.value.set_files(tone(tmp_path, 30.0))
        expect(this.page.locator("#missing")).to_be_hidden()
        until(this.page, "!document.getElementById('sound').paused")
        assert this.now_s() >= SHOWN.words[20].start_s


def test_a_file_can_be_dropped(browser: Browser, tmp_path: Path) -> None:
    bytes_of = list(tone(tmp_path, 1.0).read_bytes())
    with opened(browser, SHOWN) as this:
        this.page.evaluate(
            """(bytes) => {
                const dataTransfer = new DataTransfer();
                dataTransfer.items.add(new File([new Uint8Array(bytes)], "own.wav"));
                document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
            }""",
            bytes_of,
        )
        expect(this.page.locator("#missing")).to_be_hidden()


def test_a_sound_that_does_not_load_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("no sound")
    with opened(browser, SHOWN, Recording(audio_src="data:audio/wav;base64,AAAA")) as this:
        expect(this.page.locator("#missing")).to_contain_text("could not be loaded")
        this.page.set_input_files("#file", tmp_path / "own.txt")
        expect(this.page.locator("#missing")).to_contain_text("cannot be played")
        this.page.set_input_files("#file", tone(tmp_path, 1.0))
        expect(this.page.locator("#missing")).to_be_hidden()


def test_times_begin_where_the_request_did(browser: Browser) -> None:
    """With ``start`` the times are the whole recording's, and the duration is the part's."""
    words = [
        replace(word, start_s=word.start_s + 600, end_s=word.end_s + 600) for word in SHOWN.words
    ]
    shown: Result = replace(page_results.result(words), duration_s=SHOWN.duration_s)
    with opened(browser, shown) as this:
        this.word(0).click()
        expect(this.page.locator("#now")).to_have_text("10:00")
        total = int(this.page.get_by_role("slider").get_attribute("aria-valuemax") or "")
        assert total >= words[-1].end_s - 1
