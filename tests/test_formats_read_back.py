"""Each file is read by a program that is not ours, and says there what was said."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Literal

import meeteval
import pytest
from markdown_it import MarkdownIt
from pyannote.database.util import load_rttm

from formats import files
from formats.cues import Cue, cut
from speech import references
from speech.request import FileFormat, Reference, SubtitleRules
from speech.types import LabelledWord, Recording, Result, SpeakerTurn
from tests import golden_files, talks
from tests.media import ffmpeg_programs
from tests.subtitle_checker import letters, seen

RECORDING = Recording(name="meeting-1.wav", title="</v><b> {\\an8} [Events]\nDialogue: 0")
RESULTS = {
    "meeting": golden_files.result(),
    **{f"talk {seed}": talks.talk(seed) for seed in (3, 13, 23)},
    **{f"hostile {seed}": talks.hostile(seed) for seed in range(8)},
}
"""Of the talks one has no speakers."""

results = pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
# Older ones than the wheel's lose what is in braces, however it is escaped.
programs = pytest.mark.parametrize("program", ffmpeg_programs()[-1:])


def written(result: Result, name: FileFormat, rules: SubtitleRules | None = None) -> str:
    return files.write(result, (name,), rules or SubtitleRules(), RECORDING)[name]


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


def visible(text: str) -> str:
    r"""Without what nobody sees; ffmpeg keeps and writes ``\{{}`` for a brace."""
    text = text.replace("\\{{}", "{").replace("\uff5b", "{").replace("\uff5d", "}")
    return re.sub("[\u2060\u200b\u202e]", "", text).strip()


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


# ---------------------------------------------------------------- tools of science


@results
def test_meeteval_reads_words(result: Result, tmp_path: Path) -> None:
    (tmp_path / "a.ctm").write_text(written(result, "ctm"))
    read = meeteval.io.CTM.load(tmp_path / "a.ctm", parse_float=float).lines
    said = sorted(
        (word for word in result.words if letters(word.text)), key=lambda one: one.start_s
    )
    assert [letters(line.word).replace("_", "") for line in read] == [
        letters(one.text) for one in said
    ]
    for line, word in zip(read, said, strict=True):
        assert line.filename == RECORDING.name
        assert line.begin_time == pytest.approx(word.start_s, abs=0.0006)
        assert line.duration == pytest.approx(max(0, word.end_s - word.start_s), abs=0.0011)
        assert float(line.confidence) == pytest.approx(word.confidence, abs=0.0001)


@results
def test_meeteval_reads_segments(result: Result, tmp_path: Path) -> None:
    (tmp_path / "a.stm").write_text(written(result, "stm"))
    # Its own reader of this format wants simplejson, which it does not depend on.
    listed = meeteval.io.SegLST(json.loads(written(result, "seglst")))
    expected = [one for one in result.segments if letters(one.text)]
    for read, segments in (
        (meeteval.io.STM.load(tmp_path / "a.stm").to_seglst(), expected),
        (listed, result.segments),
    ):
        for got, one in zip(read, segments, strict=True):
            assert got["session_id"] == RECORDING.name
            assert float(got["start_time"]) == pytest.approx(one.start_s, abs=0.0006)
            assert float(got["end_time"]) == pytest.approx(one.end_s, abs=0.0006)
            assert letters(visible(got["words"])) == letters(visible(one.text))
        speakers = Counter(one.speaker for one in segments)
        found = Counter(str(got.get("speaker", "unknown")) for got in read)
        assert sorted(found.values()) == sorted(speakers.values())


def test_meeteval_scores_a_result_against_itself(tmp_path: Path) -> None:
    (tmp_path / "a.stm").write_text(written(golden_files.result(), "stm"))
    listed = meeteval.io.SegLST(json.loads(written(golden_files.result(), "seglst")))
    found = meeteval.wer.cpwer(meeteval.io.STM.load(tmp_path / "a.stm"), listed)
    assert {rate.errors for rate in found.values()} == {0}


@results
def test_pyannote_reads_turns(result: Result, tmp_path: Path) -> None:
    (tmp_path / "a.rttm").write_text(text := written(result, "rttm"))
    if not result.turns:
        assert text == ""
        return
    read = load_rttm(tmp_path / "a.rttm")[RECORDING.name]
    assert len(read.labels()) == len({turn.speaker for turn in result.turns})
    # pyannote.core leaves out what lasts no time.
    lasting = [turn for turn in result.turns if round(turn.end_s - turn.start_s, 3) > 0]
    tracks = sorted((segment.start, segment.end) for segment, _ in read.itertracks())
    for track, turn in zip(
        tracks, sorted((one.start_s, one.end_s) for one in lasting), strict=True
    ):
        assert track == pytest.approx(turn, abs=0.0011)


def test_names_that_a_tool_could_mistake_stay_apart(tmp_path: Path) -> None:
    names = ["A B", "A_B", "A\tB", '"', "NA", "null", "None", "<NA>", "", ";; x", "nan"]
    turns = [SpeakerTurn(name, 2.0 * at, 2.0 * at + 1) for at, name in enumerate(names)]
    result = replace(golden_files.result(), turns=tuple(turns))
    (tmp_path / "a.rttm").write_text(written(result, "rttm"))
    read = load_rttm(tmp_path / "a.rttm")[RECORDING.name]
    assert len(read.labels()) == len(names)


@results
@pytest.mark.parametrize("name", ["stm", "ctm", "rttm", "seglst"])
def test_the_worker_itself_takes_them_for_references(
    name: Literal["stm", "ctm", "rttm", "seglst"], result: Result
) -> None:
    read = references.parse(Reference(name, written(result, name)))
    if name == "rttm":
        assert len(read.turns or ()) == len(result.turns)
    elif name != "ctm":
        texts = [one.text for one in read.utterances or ()]
        said = [one.text for one in result.segments if letters(one.text) or name == "seglst"]
        assert [letters(visible(text)) for text in texts] == [letters(visible(t)) for t in said]


# ---------------------------------------------------------------- tables and texts


@results
def test_markdown_takes_nothing_for_markup(result: Result) -> None:
    text = files.write(result, ("md",), SubtitleRules(), RECORDING)["md"]
    read = MarkdownIt("commonmark").enable("table").parse(text)
    inline = [token for token in read if token.type == "inline"]
    kinds = {child.type for token in inline for child in token.children or ()}
    assert kinds <= {"text", "text_special", "strong_open", "strong_close"}
    assert {token.tag for token in read} <= {
        "h1",
        "p",
        "table",
        "thead",
        "tbody",
        *("tr", "th", "td"),
        "",
    }
    shown = ["".join(child.content for child in token.children or ()) for token in inline]
    assert shown[0] == "</v><b> {\\an8} [Events] Dialogue: 0"
    cells = [token for token in read if token.type == "td_open"]
    assert len(cells) == 3 * len(result.speakers)
    said = letters("".join(shown[1 + (3 if cells else 0) + len(cells) :]))
    for one in result.segments:
        assert letters(one.text) in said


@results
def test_a_paragraph_is_what_one_says_in_one_go(result: Result) -> None:
    parts = written(result, "txt").rstrip("\n").split("\n\n")
    turns = [
        (speaker, letters("".join(one.text for one in group)))
        for speaker, group in groupby(result.segments, key=lambda one: one.speaker)
    ]
    assert letters("".join(text for _, text in turns)) in letters("".join(parts)) or result.speakers
    found = {letters(part).replace("\ue000", "") for part in parts}
    # Where nobody is known to speak, pauses part them.
    assert found >= {f"{letters(who)}:{text}" for who, text in turns if text and who is not None}


def unguarded(text: str) -> str:
    return text[1:] if re.match(r"'[=+\-@]", text) else text


@results
def test_tables_are_read(result: Result) -> None:
    rows = list(csv.reader(io.StringIO(written(result, "csv")), strict=True))
    assert rows[0] == ["start", "end", "speaker", "text"]
    tabs = [line.split("\t") for line in written(result, "tsv").split("\n")[1:-1]]
    same: Sequence[tuple[list[str], list[str]]] = list(zip(rows[1:], tabs, strict=True))
    assert len(same) == len(result.segments)
    for (cells, fields), one in zip(same, result.segments, strict=True):
        start, end, speaker, text = cells
        assert [float(start), float(end)] == pytest.approx([one.start_s, one.end_s], abs=0.0006)
        assert [int(fields[0]) / 1000, int(fields[1]) / 1000] == [float(start), float(end)]
        assert letters(unguarded(text)) == letters(fields[3]) == letters(one.text)
        assert letters(unguarded(speaker)) == letters(fields[2]) == letters(one.speaker or "")


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\n-1"])
def test_a_table_holds_no_formulas(formula: str) -> None:
    word = LabelledWord(formula, 0.0, 1.0, 1.0, formula, 1.0)
    (row,) = csv.DictReader(io.StringIO(written(talks.result_of([word]), "csv")))
    assert row["text"] == row["speaker"] == "'" + formula.strip()
