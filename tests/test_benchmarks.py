"""The measurements run, and say what they should; no time is asserted here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks import (
    agreement,
    engine_run,
    lengths,
    plots,
    processes,
    recordings,
    rows,
    speed_worker,
    true_size,
    under_test,
)
from benchmarks.plots import Line, Panel
from benchmarks.rows import Row
from tests.environments import ROOT, engine_python

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def gpu_report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """``make bench-gpu`` with small models on the CPU: every part of it."""
    out = tmp_path_factory.mktemp("gpu")
    subprocess.run(
        [engine_python(), "-m", "benchmarks.gpu", "--device", "cpu", "--small", "--out", out],
        cwd=ROOT,
        check=True,
        timeout=900,
        capture_output=True,
    )
    assert ET.parse(out / "gpu-cpu.svg").getroot().tag == f"{SVG}svg"
    report: dict[str, Any] = json.loads((out / "gpu-cpu.json").read_text())
    return report


def row_named(report: dict[str, Any], part: str) -> dict[str, Any]:
    (found,) = (row for row in report["rows"] if part in row["what"])
    return dict(found)


def test_everything_that_must_be_equal_is(gpu_report: dict[str, Any]) -> None:
    checks = {check["what"]: check for check in gpu_report["checks"]}
    assert [what for what, check in checks.items() if not check["holds"]] == []
    for part in ("against NeMo's", "as served", "in a batch", "embeddings"):
        assert any(part in what for what in checks), part


def test_no_part_of_the_gpu_suite_is_left_out(gpu_report: dict[str, Any]) -> None:
    assert gpu_report["left_out"] == gpu_report["failed"] == []
    for part in ("copy on the card", "both models", "at once", "mixed", "in one batch"):
        assert any(part in row["what"] for row in gpu_report["rows"]), part
    assert all(value >= 0 for row in gpu_report["rows"] for value in row["values"])


def test_the_engine_hears_what_the_baseline_hears(gpu_report: dict[str, Any]) -> None:
    assert row_named(gpu_report, "words as the baseline's")["values"] == [100.0]
    assert row_named(gpu_report, "same people speak")["values"][0] > 95


def test_rows_beside_the_baseline_have_a_ratio(gpu_report: dict[str, Any]) -> None:
    row = row_named(gpu_report, "start to first transcript, files")
    assert row["times_better"] == pytest.approx(row["baseline"][0] / row["values"][0])


def test_a_stand_in_talks_as_much_as_people_do() -> None:
    models = true_size.stand_ins(engine_python(), small=True)
    speech = recordings.conversation(40.0, seed=3)
    (said,) = under_test.emitted(under_test.reference(models, "cpu"), [speech])
    assert 2 < len(said) / 40 < 4
    assert len({token for token, _frame, _frames in said}) > 20


def test_a_stand_in_tells_the_speakers_of_the_demo_apart() -> None:
    from engine.diarizer import Diarizer

    models = true_size.stand_ins(engine_python(), small=True)
    speech = recordings.conversation(53.0, seed=3)
    found, _warnings = Diarizer.load(models.speakers, "cpu").diarize(speech)
    truth = json.loads((ROOT / "demo" / "conversation.json").read_text())["turns"]
    turns = [(turn["speaker"], turn["start_s"], turn["end_s"]) for turn in truth]
    heard = [(turn.speaker, turn.start_s, turn.end_s) for turn in found.turns]
    assert agreement.speaking(heard, turns, 53.0) > 0.6


def test_an_engine_that_cannot_load_says_why(tmp_path: Path) -> None:
    nowhere = true_size.ModelPaths(tmp_path / "none.nemo", tmp_path)
    settings = under_test.settings(nowhere, None, device="cpu")
    with (
        engine_run.running(engine_python(), settings) as engine,
        pytest.raises(engine_run.EngineFailedError, match="model_unavailable"),
    ):
        engine.ready()


def test_the_wheels_of_a_gpu_machine_are_those_of_the_lock() -> None:
    wheels = read_pins(ROOT / "benchmarks" / "gpu_wheels.txt")
    lock = read_pins(ROOT / "requirements.txt")
    for name in ("nemo-toolkit", "pyannote-audio", "lightning", "lhotse", "soundfile"):
        assert wheels[name] == lock[name], name


def read_pins(path: Path) -> dict[str, str]:
    pins = re.findall(r"^([\w.-]+)==([^\s;\\]+)", path.read_text(), re.MULTILINE)
    return {name.lower().replace("_", "-").replace(".", "-"): version for name, version in pins}


def test_times_better_knows_what_is_good() -> None:
    assert Row("time", (2.0, 1.0, 3.0), "s", baseline=(8.0,)).times_better == 4
    assert Row("speed", (8.0,), "x", baseline=(2.0,), more_is_better=True).times_better == 4
    assert Row("alone", (8.0,), "x").times_better is None


def test_a_row_is_kept_without_what_it_does_not_have() -> None:
    assert rows.as_json(Row("alone", (8.0,), "x")) == {
        "what": "alone",
        "values": (8.0,),
        "unit": "x",
        "target": "",
    }


def test_the_handlers_own_share_is_what_nothing_else_took() -> None:
    whole = {"total": 10.0, "download": 1.0, "decode": 1.0, "queue": 0.5, "label": 0.2}
    in_turn = {**whole, "transcribe": 3.0, "diarize": 4.0}
    assert speed_worker.own_s(in_turn) == pytest.approx(1.0)
    together = {**whole, "transcribe": 6.0, "diarize": 7.5}
    assert speed_worker.own_s(together) == pytest.approx(0.5)


def test_words_that_differ_count_once() -> None:
    assert agreement.words("a b c d", "a b c d") == 1
    assert agreement.words("a b c d", "a b x d") == 0.75
    assert agreement.words("", "") == 1


def test_speakers_may_have_other_names() -> None:
    ours = [("B", 0.0, 4.0), ("A", 4.0, 10.0)]
    theirs = [("x", 0.0, 5.0), ("y", 5.0, 10.0)]
    assert agreement.speaking(ours, ours, 10.0) == 1
    assert agreement.speaking(ours, theirs, 10.0) == pytest.approx(0.9)
    assert agreement.speaking(ours, [], 10.0) == 0
    assert agreement.speaking([*ours, ("C", 0.0, 1.0)], ours, 10.0) == pytest.approx(0.9)


def test_lengths_are_drawn_with_their_baseline() -> None:
    measured = [
        Row(lengths.NAME.format(minutes=minutes, what=what), (2.0 * minutes,), "s", "", baseline)
        for minutes, baseline in ((1, (9.0,)), (10, (80.0,)), (60, ()))
        for what in ("time", "memory")
    ]
    ours, theirs = lengths.series(measured, "time")
    assert ours == ((1, 2.0), (10, 20.0), (60, 120.0))
    assert theirs == ((1, 9.0), (10, 80.0))
    drawn = ET.fromstring(lengths.plot(measured))
    assert len(drawn.findall(f".//{SVG}polyline")) == 4


def test_a_plot_is_logarithmic() -> None:
    line = Line("a < b", ((1.0, 1.0), (10.0, 10.0), (100.0, 100.0)))
    drawn = ET.fromstring(plots.log_log([Panel("title", "x", (line,))]))
    xs = [float(circle.attrib["cx"]) for circle in drawn.iter(f"{SVG}circle")]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)
    assert "a < b" in [text.text for text in drawn.iter(f"{SVG}text")]


def test_bars_grow_with_the_ratio() -> None:
    measured = [
        Row("twice", (1.0,), "s", baseline=(2.0,), wanted_times=4),
        Row("slower", (2.0,), "s", baseline=(1.0,)),
        Row("nothing beside it", (2.0,), "s"),
    ]
    drawn = ET.fromstring(plots.bars(measured, "speed"))
    bars = [bar for bar in drawn.iter(f"{SVG}rect") if "y" in bar.attrib]
    assert len(bars) == 2
    assert float(bars[0].attrib["x"]) > float(bars[1].attrib["x"])


def test_a_process_and_its_children_are_seen() -> None:
    code = "import sys; x = bytearray(50_000_000); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in processes.children("self")
        assert processes.peak_mb(child.pid) > 50
        assert processes.cpu_s(child.pid) >= 0
        assert 0 < processes.age_s(child.pid) < processes.age_s()
        child.communicate()
