"""Subtitles are read by ffmpeg, and say there what was said, when it was said."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from formats import files
from formats.cues import Cue, cut
from speech.request import FileFormat, SubtitleRules
from speech.types import LabelledWord, Result
from tests import golden_files, talks
from tests.media import ffmpeg_programs
from tests.subtitle_checker import letters, seen
from tests.written_results import RECORDING, results, visible, written

# Older ones than the wheel's lose what is in braces, however it is escaped.
programs = pytest.mark.parametrize("program", ffmpeg_programs()[-1:])


def read_by_ffmpeg(program: str, folder: Path, name: str, text: str, to: str = "srt") -> str:
    source, target = folder / f"from.{name}", folder / f"to.{to}"
    source.write_text(text, encoding="utf-8")
    command = [program, "-v", "error", "-xerror", "-y", "-i", str(source), str(target)]
    done = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    assert done.stderr == ""
    return target.read_text(encoding="utf-8")


def subtitles(srt: str) -> list[tuple[int, int, list[str]]]:
    """Start and end in hundredths of a second, and the lines, of what ffmpeg wrote."""
    found = []
    pattern = r"^\d+\n(\S+) --> (\S+)\n(.*?)\n\n(?=\d+\n\S+ --> |\Z)"
    for start, end, text in re.findall(
        pattern, srt.rstrip("\n") + "\n\n", re.DOTALL | re.MULTILINE
    ):
        lines = [visible(line) for line in re.sub(r"</?font[^>]*>", "", text).split("\n")]
        found.append((hundredths(start), hundredths(end), lines))
    return found


def hundredths(clock: str) -> int:
    hours, minutes, seconds = clock.replace(",", ".").split(":")
    return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 100)


def lines_of(cue: Cue) -> list[str]:
    lines = [visible("".join(part for part, _ in line)) for line in cue.lines]
    return [line for line in lines if line]


@programs
@results
@pytest.mark.parametrize("lit", [False, True])
@pytest.mark.parametrize("name", ["vtt", "ass"])
def test_ffmpeg_reads_subtitles(
    name: FileFormat, lit: bool, result: Result, program: str, tmp_path: Path
) -> None:
    rules = SubtitleRules(highlight_words=lit)
    read = read_by_ffmpeg(program, tmp_path, name, written(result, name, rules))
    expected = [(cue.start_cs, cue.end_cs, lines_of(cue)) for cue in cut(result, rules)]
    assert subtitles(read) == expected


@programs
@results
def test_ffmpeg_reads_subrip(result: Result, program: str, tmp_path: Path) -> None:
    read = subtitles(read_by_ffmpeg(program, tmp_path, "srt", written(result, "srt")))
    for (start, end, lines), cue in zip(read, cut(result, SubtitleRules()), strict=True):
        assert (start, end) == (cue.start_cs, cue.end_cs)
        shown, text = letters("".join(lines)), letters("".join(lines_of(cue)))
        assert shown.endswith(text)
        name = shown.removesuffix(text)
        assert name.endswith(":") == cue.named
        assert letters(visible(cue.speaker or "")).startswith(name.rstrip(":…"))


@programs
@pytest.mark.parametrize(
    ("name", "to"), [("srt", "ass"), ("srt", "vtt"), ("vtt", "ass"), ("ass", "vtt")]
)
def test_ffmpeg_makes_one_of_the_other(
    name: FileFormat, to: str, program: str, tmp_path: Path
) -> None:
    result = golden_files.result()
    once = read_by_ffmpeg(program, tmp_path, name, written(result, name), to)
    twice = subtitles(read_by_ffmpeg(program, tmp_path, to, once))
    cues = cut(result, SubtitleRules())
    assert [(start, end) for start, end, _ in twice] == [(cue.start_cs, cue.end_cs) for cue in cues]


@programs
def test_a_day_is_not_too_long(program: str, tmp_path: Path) -> None:
    late = LabelledWord("Late.", 86_000.0, 86_001.5, 1.0, None, None)
    for name in ("srt", "vtt", "ass"):
        text = files.write(talks.result_of([late]), (name,), SubtitleRules(), RECORDING)[name]
        read = subtitles(read_by_ffmpeg(program, tmp_path, name, text))
        assert read == [(8_600_000, 8_600_150, ["Late."])]


@programs
@results
def test_ffmpeg_reads_song_texts(result: Result, program: str, tmp_path: Path) -> None:
    read = subtitles(read_by_ffmpeg(program, tmp_path, "lrc", written(result, "lrc")))
    segments = [one for one in result.segments if seen(letters(one.text))]
    for (start, _, lines), one in zip(read, segments, strict=True):
        assert start == max(0, round(one.start_s * 100))
        assert letters("".join(lines)).endswith(letters(visible(one.text)))


@results
def test_words_of_vtt_are_lit_when_they_are_spoken(result: Result) -> None:
    text = written(result, "vtt", SubtitleRules(highlight_words=True))
    cues = cut(result, SubtitleRules())
    blocks = [block for block in text.split("\n\n") if "-->" in block]
    for block, cue in zip(blocks, cues, strict=True):
        times = [hundredths(time) for time in re.findall(r"<(\d[\d:.]+)>", block)]
        assert times == sorted(set(times))
        assert all(cue.start_cs < time < cue.end_cs for time in times)
        pieces = [start for line in cue.lines for _, start in line]
        assert set(times) == {start for start in pieces if cue.start_cs < start < cue.end_cs}
        assert block.count("<c>") == block.count("</c>") == len(pieces)
        assert block.count("<v ") == (cue.speaker is not None)


@results
def test_karaoke_lasts_as_long_as_the_subtitle(result: Result) -> None:
    text = written(result, "ass", SubtitleRules(highlight_words=True))
    events = [line for line in text.splitlines() if line.startswith("Dialogue:")]
    for event, cue in zip(events, cut(result, SubtitleRules()), strict=True):
        times = [int(time) for time in re.findall(r"\{\\k(\d+)\}", event)]
        assert sum(times) == cue.end_cs - cue.start_cs


def test_speakers_have_colours_that_differ() -> None:
    text = written(golden_files.result(), "ass")
    styles = {
        fields[0]: fields[3]
        for line in text.splitlines()
        if line.startswith("Style: Speaker")
        for fields in [line.removeprefix("Style: ").split(",")]
    }
    assert len(styles) == len(set(styles.values())) == 3
    for line in text.splitlines():
        if line.startswith("Dialogue:"):
            _, _, _, style, name, *_ = line.split(",")
            assert style in styles
            assert name in {speaker.id for speaker in golden_files.result().speakers}
