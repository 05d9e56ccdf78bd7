"""The page as text: what may stand in it, how large it is, what it may do."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats import page
from speech import envelope
from speech.recording import Recording
from speech.types import LabelledWord, Result, SpeakerSummary
from tests import page_results

WILD = st.text(st.characters(exclude_categories=()), max_size=30) | st.sampled_from(
    (
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "]]>",
        "{{data}}",
        "\\u003c/script>",
        '"><img src=x onerror=alert(1)>',
        "\u2028\u2029\x00",
        "&lt;/script&gt;",
        "\ue0000\ue001",
    )
)


class Tags(HTMLParser):
    """The elements of a page with their attributes, and what scripts and styles hold."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.held: dict[str, str] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = tuple((name, value) for name, value in attrs if name != "data-key")
        self.tags.append((tag, kept))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.tags[-1] if self.tags else ("", ())
        which = "data" if ("id", "data") in attributes else tag
        self.held.setdefault(which, data)


def data_of(html: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(Tags(html).held["data"])
    return found


def wild_result(texts: list[str], speaker: str, **more: object) -> Result:
    words = [
        LabelledWord(text, index, index + 0.5, 0.9, speaker, 0.8)
        for index, text in enumerate(texts)
    ]
    return replace(page_results.result(words), **more)  # type: ignore[arg-type]


@given(st.lists(WILD, min_size=1, max_size=6), WILD, WILD, WILD)
def test_no_text_becomes_an_element(
    texts: list[str], speaker: str, title: str, template: str
) -> None:
    tame = page.write(wild_result(["word"], "Anna"), Recording(), {})
    shown = wild_result(texts, speaker, warnings=(title,))
    wild = page.write(shown, Recording("name", title), {"srt": template, "vtt": speaker})
    assert Tags(wild).tags == Tags(tame).tags
    wild.encode()  # whatever it holds can be saved


@given(st.lists(WILD, min_size=1, max_size=6), WILD, WILD)
def test_every_text_is_kept_as_it_is(texts: list[str], title: str, template: str) -> None:
    shown = wild_result(texts, "Anna")
    held = data_of(page.write(shown, Recording("name", title), {"srt": template}))
    assert isinstance(held["words"], dict)
    found = (held["words"]["text"], held["title"], held["files"])
    # Two halves of a character side by side are a character in JSON.
    assert found == tuple(json.loads(json.dumps((texts, title, {"srt": template}))))


def test_the_policy_allows_this_script_and_style_alone() -> None:
    tags = Tags(page.write(page_results.meeting(20), Recording(), {}))
    policy = next(dict(attrs) for tag, attrs in tags.tags if tag == "meta" and len(attrs) == 2)
    said = dict(part.split(" ", 1) for part in str(policy["content"]).split("; "))
    assert said["default-src"] == "'none'"
    for name in ("script", "style"):
        digest = hashlib.sha256(tags.held[name].encode()).digest()
        assert said[f"{name}-src"] == f"'sha256-{base64.b64encode(digest).decode()}'"


@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        (None, "blob:"),
        ("data:audio/wav;base64,AAAA", "blob: data:"),
        ("data:video/mp4;base64,AAAA", "blob: data:"),
        ("data:application/octet-stream;base64,AAAA", "blob: data:"),
        ("https://example.org/a.wav?x=1&y=2", "blob: https:"),
        ("HTTP://example.org/a.wav", "blob: http: https:"),
    ],
)
def test_a_page_may_play_what_it_has_and_a_chosen_file(source: str | None, allowed: str) -> None:
    html = page.write(page_results.meeting(5), Recording(audio_src=source), {})
    assert data_of(html)["audio"] == (source or "")
    assert re.findall(r"media-src ([^;]*)", html) == [allowed]


@pytest.mark.parametrize(
    "source",
    ["javascript:alert(1)", "data:text/html,<b>", "file:///etc/passwd", "//example.org/a", "a.wav"],
)
def test_what_is_no_sound_is_left_out(source: str) -> None:
    html = page.write(page_results.meeting(5), Recording(audio_src=source), {})
    assert data_of(html)["audio"] == ""
    assert source not in html


def test_the_pages_own_script_makes_no_markup() -> None:
    script = page.read_parts()["script"]
    for never in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("):
        assert never not in script
    assert not re.search("</script|<!--|<script", script, re.IGNORECASE)


def test_a_voice_stays_out_of_it() -> None:
    shown = page_results.meeting(20)
    print_of = (0.12345, -0.54321)
    speakers = tuple(replace(speaker, voiceprint=print_of) for speaker in shown.speakers)
    assert "0.12345" not in page.write(replace(shown, speakers=speakers), Recording(), {})


def test_files_without_marks_are_not_offered() -> None:
    offered = dict.fromkeys((*page.MARKED, "rttm", "html"), "text")
    files = data_of(page.write(page_results.meeting(5), Recording(), offered))["files"]
    assert isinstance(files, dict) and set(files) == set(page.MARKED)


def test_three_hours_are_at_most_half_larger_than_their_json() -> None:
    shown = page_results.meeting(30_000, 6)
    files = page_results.templates(shown)
    size = len(page.write(shown, Recording(), files).encode())
    answer = len(json.dumps(envelope.success(shown), ensure_ascii=False).encode())
    assert size <= 1.5 * answer


def test_marks_stand_for_the_speakers_in_their_order() -> None:
    shown = page_results.meeting(60)
    files: Mapping[str, str] = page_results.templates(shown)
    rows = list(csv.DictReader(io.StringIO(files["csv"])))
    ids = data_of(page.write(shown, Recording(), files))["speakers"]
    assert isinstance(ids, list)
    found = [ids[int(row["speaker"].strip("\ue000\ue001"))] for row in rows]
    assert found == [segment.speaker for segment in shown.segments]


def test_segments_that_others_interrupt_keep_their_words() -> None:
    words = [
        LabelledWord("One", 0.0, 1.0, 1.0, "A", 1.0),
        LabelledWord("and", 0.5, 1.5, 1.0, "B", 1.0),
        LabelledWord("two.", 1.0, 2.0, 1.0, "A", 1.0),
        LabelledWord("three.", 1.5, 2.5, 1.0, "B", 1.0),
    ]
    shown = replace(
        page_results.result(words),
        segments=(
            page_results.segment("One two.", 0.0, 2.0, "A"),
            page_results.segment("and three.", 0.5, 2.5, "B"),
        ),
        speakers=(SpeakerSummary("A", 2.0, 1), SpeakerSummary("B", 2.0, 1)),
    )
    assert data_of(page.write(shown, Recording(), {}))["segments"] == [
        [0, 2000, 0, 0, 0, [[0, 2]]],
        [500, 2500, 1, 0, 0, [[1, 3]]],
    ]


def test_a_segment_that_was_corrected_by_hand_is_shown_as_corrected() -> None:
    shown = page_results.meeting(40, 1)
    first, second, *others = shown.segments
    shown = replace(shown, segments=(replace(first, text="Quite different."), second, *others))
    packed = data_of(page.write(shown, Recording(), {}))["segments"]
    assert isinstance(packed, list)
    assert packed[0][-1] == "Quite different."
    # The words of the others are still theirs.
    begin = page_results.SENTENCE_WORDS
    assert packed[1][-1] == [begin, begin]
