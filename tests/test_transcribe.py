"""``python -m transcribe``, as a person runs it: real processes, the demo models, real signals."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pysubs2
import pytest
import soundfile

from client import command_line, conversation, items
from client.console import Console
from client.files import Folder
from client.local import MAX_EMBEDDED_BYTES, describe
from speech.types import Progress
from tests import worker_process
from tests.control_plane import ENDPOINT_ID
from tests.control_plane_state import Rules
from tests.demo_worker import (
    DemoWorker,
    assert_all_ended,
    repeat_conversation,
    variables,
    work_files,
)
from tests.environments import CONVERSATION, ROOT, worker_python
from tests.s3_server import Bucket
from tests.scripted_worker import ANSWER, Job, ScriptedWorker, scripted_worker
from tests.worker_process import Endpoint
from tools import demo

TIMEOUT_S = 600


def shell() -> dict[str, str]:
    """What a shell would have."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**inherited, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}


def hear_ctrl_c() -> None:
    """As in a terminal: whoever runs the tests in the background lets them ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def started(
    directory: Path,
    *arguments: str | Path,
    more: Mapping[str, str] | None = None,
    stderr: int = subprocess.PIPE,
) -> Iterator[subprocess.Popen[str]]:
    """The command, in ``directory``; what it leaves running fails the test."""
    command = [str(worker_python()), "-m", "transcribe", *map(str, arguments)]
    with subprocess.Popen(
        command,
        cwd=directory,
        env={**shell(), **(more or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509  it takes no lock
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it said."""

    status: int
    out: list[str]
    err: list[str]


def ended(process: subprocess.Popen[str]) -> Ran:
    out, err = process.communicate(timeout=TIMEOUT_S)
    return Ran(process.returncode, out.splitlines(), (err or "").splitlines())


def run(directory: Path, *arguments: str | Path, more: Mapping[str, str] | None = None) -> Ran:
    with started(directory, *arguments, more=more) as process:
        return ended(process)


def clip(path: Path, seconds: float) -> Path:
    """The beginning of the demo conversation."""
    samples, rate_hz = soundfile.read(CONVERSATION, dtype="int16")
    soundfile.write(path, samples[: int(seconds * rate_hz)], rate_hz)
    return path


# ---------------------------------------------------------------- this machine


@dataclass(frozen=True, slots=True)
class Here:
    """Two commands at once, in one folder."""

    directory: Path
    several: Ran
    beside: Ran


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of all that the commands keep."""
    return tmp_path_factory.mktemp("machine")


@pytest.fixture(scope="module")
def models(machine: Path) -> dict[str, str]:
    """The environment in which the demo models hear."""
    return variables(machine)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, models: dict[str, str]) -> Here:
    directory = tmp_path_factory.mktemp("here")
    clip(directory / "Gespräch eins.wav", 5)
    clip(directory / "-two.wav", 4)
    (directory / "notes.mp3").write_text("These are notes, and no sound.")
    (directory / "empty.wav").touch()
    several = (
        *("missing.wav", "Gespräch eins.wav", "notes.mp3", ".", "empty.wav", "-f", "srt,json,html"),
        *("-f", "stm", "-o", "out", "--num-speakers", "1", "--", "-two.wav"),
    )
    with (
        started(directory, *several, more=models) as first,
        started(directory, "Gespräch eins.wav", "-f", "srt", "-o", "out", more=models) as second,
    ):
        return Here(directory, ended(first), ended(second))


def test_each_recording_becomes_its_files_and_the_others_a_line_with_their_code(here: Here) -> None:
    assert here.several.status == 1, here.several.err
    errors = [line.split(": ")[:2] for line in here.several.err if line.count(": ") >= 2]
    assert errors == [
        ["missing.wav", "source_not_found"],
        ["notes.mp3", "not_media"],
        [".", "source_not_found"],
        ["empty.wav", "source_empty"],
    ]
    paths = [here.directory / line for line in here.several.out]
    assert sorted(path.suffix for path in paths) == 2 * [".html"] + 2 * [".json"] + 2 * [
        ".srt"
    ] + 2 * [".stm"]
    for path in paths:
        assert path.stat().st_size > 0
    answer = json.loads((here.directory / "out" / "-two.json").read_text())
    assert answer["success"] is True
    assert answer["duration"] == pytest.approx(4, abs=0.05)
    assert len(answer["speakers"]) == 1
    assert "formats" not in answer
    subtitles = pysubs2.load(str(here.directory / "out" / "-two.srt"))
    assert " ".join(cue.plaintext.replace("\n", " ") for cue in subtitles) == answer["text"]


def test_two_commands_at_once_do_not_write_over_each_other(here: Here) -> None:
    written = sorted((here.directory / "out").glob("Gespräch eins*.srt"))
    if here.beside.status:  # it came when the other was through
        assert any("output_exists" in line for line in here.beside.err)
        assert len(written) == 1
    else:
        assert len(written) == 2
    assert all(pysubs2.load(str(path)) for path in written)


def test_the_recordings_stay_and_nothing_else_does(here: Here, machine: Path) -> None:
    assert soundfile.info(here.directory / "Gespräch eins.wav").duration == pytest.approx(5)
    assert soundfile.info(here.directory / "-two.wav").duration == pytest.approx(4)
    assert not list((here.directory / "out").glob(".*"))
    assert work_files(machine) == []
    assert_all_ended(machine)


def test_the_page_has_the_sound_in_it(here: Here) -> None:
    page = (here.directory / "out" / "-two.html").read_text()
    sound = base64.b64encode((here.directory / "-two.wav").read_bytes()).decode()
    assert sound[:1000] in page


def test_what_is_no_terminal_gets_a_line_for_each_stage(here: Here) -> None:
    stages = [line for line in here.several.err if line.startswith("Gespräch eins.wav: ")]
    assert "Gespräch eins.wav: transcribe" in stages
    assert len(stages) == len(set(stages))
    assert not any("\x1b" in line or "%" in line for line in here.several.err)


def test_ctrl_c_in_the_middle_leaves_nothing(
    tmp_path: Path, machine: Path, models: dict[str, str]
) -> None:
    repeat_conversation(tmp_path / "long.flac", times=12)
    with started(tmp_path, "long.flac", "-f", "srt", "-o", "out", more=models) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line == "long.flac: transcribe\n":
                break
        process.send_signal(signal.SIGINT)
        ran = ended(process)
    assert ran.status == 130
    assert ran.err[-1] == "interrupted"
    assert_all_ended(machine)
    assert work_files(machine) == []
    assert list((tmp_path / "out").iterdir()) == []


def test_an_odd_file_is_told_of_in_one_line_while_the_engine_still_starts(
    tmp_path: Path, models: dict[str, str]
) -> None:
    (tmp_path / "notes.mp3").write_text("These are notes.")
    ran = run(tmp_path, "notes.mp3", "-q", more=models)
    assert (ran.status, ran.out) == (1, [])
    (line,) = ran.err
    assert line.startswith("notes.mp3: not_media: ")


def test_an_earlier_result_is_written_anew_without_an_engine(tmp_path: Path) -> None:
    (tmp_path / "talk.json").write_text(json.dumps(ANSWER))
    (tmp_path / "broken.json").write_text("{")
    no_engine = {"PARAKEET_ENGINE_PYTHON": "/no/such/python"}
    ran = run(tmp_path, "talk.json", "broken.json", "-f", "vtt", more=no_engine)
    assert (ran.status, ran.out) == (1, ["talk.vtt"])
    assert ran.err[-1].startswith("broken.json: invalid_input: ")
    assert "Can we meet?" in (tmp_path / "talk.vtt").read_text()
    # Files that are there are kept, unless it is said otherwise.
    before = (tmp_path / "talk.vtt").stat().st_ino
    names = '--option=speaker_names={"SPEAKER_00": "Anna"}'
    ran = run(tmp_path, "talk.json", "-f", "vtt", names, more=no_engine)
    assert (ran.status, ran.out) == (1, [])
    assert "output_exists" in ran.err[0]
    assert (tmp_path / "talk.vtt").stat().st_ino == before
    ran = run(tmp_path, "talk.json", "-f", "vtt", names, "--force", more=no_engine)
    assert (ran.status, ran.out) == (0, ["talk.vtt"])
    assert "Anna" in (tmp_path / "talk.vtt").read_text()
    ran = run(tmp_path, "talk.json", "-f", "vtt", "-o", "-", names, more=no_engine)
    assert ran.out == (tmp_path / "talk.vtt").read_text().splitlines()
    ran = run(tmp_path, "talk.json", more=no_engine)
    assert ran == Ran(0, list(conversation.lines(ANSWER)), [])


# ---------------------------------------------------------------- the command line itself


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.wav", "--no-such-flag"], "--no-such-flag"),
        ([], "FILE"),
        (["a.wav", "-f", "srt,doc"], "the formats are srt"),
        (["a.wav", "--num-speakers", "0"], "num_speakers must be"),
        (["a.wav", "--num-speakers", "2", "--no-diarize"], "diarize is false"),
        (["a.wav", "--start", "5", "--end", "2"], "end must be greater"),
        (["a.wav", "--language", "tlh"], "language must be one of"),
        (["a.wav", "--option", "atention=full"], "did you mean attention"),
        (["a.wav", "--option", "attention"], "NAME=JSON"),
        (["a.wav", "--option", "language=de", "--language", "de"], "given twice"),
        (["a.wav", "--option", "audio_url=https://host.example/a"], "given already"),
        (["a.wav", "--option", "formats=[]"], "-f"),
        (["a.wav", "--option", 'output={"s3_key": "a"}'], "--endpoint"),
        (["a.wav", "--endpoint", "abc"], "RUNPOD_API_KEY"),
        (["a.wav", "--timeout", "5"], "--endpoint"),
        (["a.wav", "--log", "/no/such/folder/log"], "No such file"),
        (["a.wav", "-o", "-"], "one format"),
        (["a.wav", "b.wav", "-f", "srt", "-o", "-"], "one file"),
    ],
)
def test_a_wrong_command_line_is_status_2(
    arguments: Sequence[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    with pytest.raises(SystemExit) as end:
        command_line.run(arguments)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_options_become_the_fields_of_the_request() -> None:
    plan = command_line.read(
        [
            *("a.wav", "--language", "de", "--min-speakers", "2", "--hotword", "Nemo"),
            *("--hotword", "Riva", "--start", "1.5", "--channels", "mix", "--end", "9"),
            *("--option", "attention=local", "--option", 'subtitles={"max_lines": 1}'),
            *("--option", "timestamps=false", "-f", "srt,json", "-f", "SRT"),
        ]
    )
    assert plan.fields == {
        "language": "de",
        "min_speakers": 2,
        "hotwords": ["Nemo", "Riva"],
        "start": 1.5,
        "end": 9.0,
        "channels": "mix",
        "attention": "local",
        "subtitles": {"max_lines": 1},
        "timestamps": False,
        "formats": ["srt"],
    }
    assert plan.formats == ("srt", "json")


def test_no_two_recordings_share_a_name_and_no_url_is_shown_whole() -> None:
    url = "https://host.example/b/a%20b.mp3?X-Amz-Signature=secret"
    found = items.read(["x/a b.wav", "y/a b.flac", url, "https://host.example/"])
    assert [item.stem for item in found] == ["a b", "a b-2", "a b-3", "recording"]
    assert [item.about for item in found][2:] == ["a b.mp3", "recording"]


def test_a_file_that_came_in_between_is_kept(tmp_path: Path) -> None:
    folder = Folder(tmp_path, force=False)
    folder.check("talk.v1", ["srt", "seglst"])
    (tmp_path / "talk.v1.srt").write_text("somebody else's")
    written = list(folder.write("talk.v1", {"srt": "ours", "seglst": "[]"}))
    assert [path.name for path in written] == ["talk.v1-2.srt", "talk.v1.seglst.json"]
    assert (tmp_path / "talk.v1.srt").read_text() == "somebody else's"
    assert (tmp_path / "talk.v1-2.srt").read_text() == "ours"
    usual = tmp_path / "usual"
    usual.touch()
    assert written[0].stat().st_mode == usual.stat().st_mode


def test_a_folder_that_is_none_is_found_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "talk.json").write_text(json.dumps(ANSWER))
    ran = run(tmp_path, "talk.json", "-f", "srt", "-o", "file/folder")
    assert ran.status == 1
    assert "output_failed" in ran.err[0]


def test_a_page_takes_no_recording_that_is_large(tmp_path: Path) -> None:
    for size_bytes, expected in ((MAX_EMBEDDED_BYTES, True), (MAX_EMBEDDED_BYTES + 1, False)):
        (tmp_path / "a.wav").write_bytes(bytes(size_bytes))
        (item,) = items.read([str(tmp_path / "a.wav")])
        assert bool(describe(item, wanted=True).audio_src) == expected
        assert describe(item, wanted=False).audio_src is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            ANSWER,
            [
                "00:00.2  SPEAKER_00  Good morning.",
                "00:01.5  SPEAKER_01  Can we meet?",
            ],
        ),
        ({"text": "a\x1b[31mb\nc"}, ["a [31mb c"]),
        ({"text": "", "timestamps": {"segment": []}}, [""]),
        ({"results": {}}, ['{\n  "results": {}\n}']),
    ],
)
def test_the_conversation_is_what_the_answer_holds(
    answer: dict[str, Any], expected: list[str]
) -> None:
    assert list(conversation.lines(answer)) == expected


def test_times_carry_over() -> None:
    times = [conversation.clock(seconds) for seconds in (0, 59.96, 3599.96, 7325.25)]
    assert times == ["00:00.0", "01:00.0", "1:00:00.0", "2:02:05.2"]


def test_the_demo_writes_a_page_and_says_where_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {**ANSWER, "models": {"asr": "a"}, "formats": {"html": "<p>", "srt": "1\n"}}
    demo.show(answer, 6.5, tmp_path)
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == list(conversation.lines(ANSWER))
    for name, text in (("html", "<p>"), ("srt", "1\n")):
        assert (tmp_path / f"result.{name}").read_text() == text
        assert any(line.endswith(f"result.{name}") for line in said)
    assert json.loads((tmp_path / "result.json").read_text())["text"] == ANSWER["text"]


def test_a_terminal_gets_a_bar_that_never_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    terminal, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream, Console(stream).progress("[a].mp3") as report:
        for fraction in (0.42, 0.17):
            report(Progress("diarize", fraction, remaining_s=17))
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        shown = b""
        with contextlib.suppress(OSError):  # Linux: the other side has closed
            while piece := screen.read(4096):
                shown += piece
    for part in (b"[a].mp3", b"diarize", b"42 %", b"about 17 s left"):
        assert part in shown
    assert b"17 %" not in shown


# ---------------------------------------------------------------- an endpoint


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with worker_process.endpoint(Rules(lease_s=120, poll_s=0.1)) as endpoint:
        yield endpoint


@pytest.fixture
def worker(endpoint: Endpoint) -> Iterator[ScriptedWorker]:
    with scripted_worker(endpoint) as worker:
        yield worker


def there(endpoint: Endpoint) -> dict[str, str]:
    return {"RUNPOD_ENDPOINT_BASE_URL": f"{endpoint.url}/v2", "RUNPOD_API_KEY": "any"}


def test_an_endpoint_gives_the_same_files_and_codes(
    endpoint: Endpoint, worker: ScriptedWorker, tmp_path: Path
) -> None:
    failure = {"success": False, "error_code": "no_audio", "message": "silent", "retryable": False}

    def script(job: Job) -> None:
        if job.input.get("audio_url"):
            job.done(failure, "silent")
        else:
            job.done({**ANSWER, "formats": {"srt": "1\n"}, "warnings": ["a warning"]})

    worker.script = script
    (tmp_path / "talk.wav").write_bytes(b"sound")
    (tmp_path / "large.wav").write_bytes(bytes(8_000_000))
    ran = run(
        tmp_path,
        *("https://host.example/silent.mp3?key=secret", "large.wav", "none.wav", "talk.wav"),
        *("--endpoint", ENDPOINT_ID, "-f", "srt,json", "--no-diarize"),
        more=there(endpoint),
    )
    assert (ran.status, ran.out) == (1, ["talk.srt", "talk.json"])
    assert [line.split(": ")[:2] for line in ran.err if line.count(": ") >= 2] == [
        ["silent.mp3", "no_audio"],
        ["large.wav", "recording_too_large"],
        ["none.wav", "source_not_found"],
        ["talk.wav", "warning"],
    ]
    assert not any("secret" in line for line in ran.err)
    assert worker.inputs[1] == {
        "audio_base64": base64.b64encode(b"sound").decode(),
        "diarize": False,
        "formats": ["srt"],
    }
    assert (tmp_path / "talk.srt").read_text() == "1\n"
    assert json.loads((tmp_path / "talk.json").read_text()) == {
        **ANSWER,
        "warnings": ["a warning"],
    }


def test_a_signal_cancels_the_job_at_the_endpoint(
    endpoint: Endpoint, worker: ScriptedWorker, tmp_path: Path
) -> None:
    worker.script = Job.hang
    arguments = ("https://host.example/a.mp3", "--endpoint", ENDPOINT_ID, "-q")
    before = len(endpoint.events("given"))
    with started(tmp_path, *arguments, more=there(endpoint)) as process:
        given = worker_process.wait_for(
            "the job", lambda: endpoint.events("given")[before:], TIMEOUT_S
        )
        process.terminate()  # SIGINT goes the same way
        assert ended(process).status == 143
    assert endpoint.event("final", job=given[0]["job"])["status"] == "CANCELLED"


def test_a_real_worker_is_given_the_recording_by_the_bucket(
    shared_worker: DemoWorker, bucket: Bucket, tmp_path: Path
) -> None:
    clip(tmp_path / "talk.flac", 6)
    more = {**there(shared_worker.endpoint), **bucket.worker_variables()}
    arguments = ("talk.flac", "--endpoint", ENDPOINT_ID, "-f", "srt,rttm")
    ran = run(tmp_path, *arguments, more=more)
    assert (ran.status, ran.out) == (0, ["talk.srt", "talk.rttm"]), ran.err
    assert pysubs2.load(str(tmp_path / "talk.srt"))
    assert (tmp_path / "talk.rttm").read_text().startswith("SPEAKER ")
    kept = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix="parakeet-uploads/")
    assert kept["KeyCount"] == 0
