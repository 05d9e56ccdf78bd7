"""Three hours and 30,000 words as files: how long it takes, and how well subtitles keep the rules.

Processor time: what else this machine does must not count. The talks of the rules are made up and
their people hurried: they speak at 9 to 24 characters a second, and in a third of the talks half of
the turns begin within another's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, get_args

from benchmarks.rows import Row
from delivery import Way, deliver
from formats import cues, files, subtitles
from presentation import Shown
from speech.recording import Recording
from speech.request import FileFormat, Options, Presentation, Request, SubtitleRules, UrlSource
from speech.types import Result
from tests import page_results, subtitle_checker, talks

WORDS: Final = 30_000
SPEAKERS: Final = 6
TALKS: Final = 1_000
FORMATS: Final[tuple[FileFormat, ...]] = get_args(FileFormat)


def rows(_: Path, runs: int) -> Iterator[Row]:
    """Each format alone, all together, and what the rules come to."""
    yield from written_rows(runs)
    yield from edge_rows(runs)
    yield broken_row()
    yield from kept_rows()


def written_rows(runs: int) -> Iterator[Row]:
    """The subtitles are cut once for all formats that show them, and alone for each alone."""
    talk = page_results.meeting(WORDS, SPEAKERS)
    plain, lit = SubtitleRules(), SubtitleRules(highlight_words=True)
    named = f"{WORDS:,} words, {talk.duration_s / 3600:.1f} h"
    for name in FORMATS:
        yield Row(f"{name} of {named}", _seconds(runs, talk, (name,), plain), "s")
    for rules, how in ((plain, "all formats"), (lit, "all formats, words lit")):
        yield Row(f"{how} of {named}", _seconds(runs, talk, FORMATS, rules), "s", "<= 1 s")


def edge_rows(runs: int) -> Iterator[Row]:
    """What is between the result and its files, and what is posted: shape, encoding, measuring."""
    talk = page_results.meeting(WORDS, SPEAKERS)
    presentation = Presentation(formats=FORMATS)
    shown = Shown(talk, files.write(talk, FORMATS, SubtitleRules(), Recording()))
    request = Request(UrlSource("https://example.com/a.wav"), Options(), presentation=presentation)
    for limit_bytes, what in (
        (1 << 30, "the answer with all of them"),
        (3_000_000, "the same, thinned to 3 MB"),
    ):
        way = Way(request, "job", limit_bytes)
        taken = []
        for _ in range(runs):
            begin = time.process_time()
            _, size_bytes = asyncio.run(deliver(shown, way))
            taken.append(time.process_time() - begin)
        yield Row(f"{what}, {size_bytes / 1e6:.1f} MB, made and measured", tuple(taken), "s",
                  "<= 0.5 s")  # fmt: skip


def broken_row() -> Row:
    """As the tests count, over the same talks and rules."""
    broken = 0
    for seed in range(TALKS):
        talk, rules = talks.talk(seed), talks.rules(seed)
        found = cues.cut(talk, rules)
        srt = subtitles.srt(found, rules)
        broken += len(list(subtitle_checker.broken(talk, rules, found, srt)))
    return Row(f"subtitle rules broken on {TALKS:,} talks", (float(broken),), "", "0")


def kept_rows() -> Iterator[Row]:
    """What speech makes impossible, with the usual rules."""
    rules = SubtitleRules()
    late_s: list[float] = []
    fast = 0
    for seed in range(TALKS):
        talk = talks.talk(seed)
        found = cues.cut(talk, rules)
        for one in subtitle_checker.shown(talk, found, subtitles.srt(found, rules)):
            late_s.append(max(0, one.start - one.words[0].start) / 100)
            chars = len(" ".join(one.lines))
            fast += chars / (one.end - one.start) * 100 > rules.max_chars_per_s
    late_s.sort()
    count = len(late_s)
    yield Row(f"late, of {count:,} subtitles", (100 * sum(map(bool, late_s)) / count,), "%")
    yield Row("how late, 99 % of them at most", (late_s[count * 99 // 100],), "s")
    yield Row("to be read faster than the rule", (100 * fast / count,), "%")


def _seconds(
    runs: int, talk: Result, formats: Sequence[FileFormat], rules: SubtitleRules
) -> tuple[float, ...]:
    taken = []
    for _ in range(runs):
        begin = time.process_time()
        files.write(talk, formats, rules, Recording())
        taken.append(time.process_time() - begin)
    return tuple(taken)
