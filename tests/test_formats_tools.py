"""Annotations, tables and texts are read by programs that are not ours."""

from __future__ import annotations

import csv
import io
import json
import re
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
from speech import references
from speech.request import Reference, SubtitleRules
from speech.types import LabelledWord, Result, SpeakerTurn
from tests import golden_files, talks
from tests.subtitle_checker import letters
from tests.written_results import RECORDING, results, visible, written


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
