"""Whatever a converter does, the worker starts: with the original where it must."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import machines
from tests.environments import ROOT
from tests.fast_models import CONVERTER, DEADLINE_S, runs, write_order
from tests.worker_process import wait_for
from volume import fast_model, publish
from volume.conversion import Converter
from volume.homes import Homes
from volume.models import Model
from volume.provide_models import provide_fast_model
from volume.publish import Manifest, Place
from volume.steps import Step

STAND_IN = Converter(CONVERTER, stall_s=DEADLINE_S)


def own(checkpoint: Path) -> Model:
    return Model("speech", str(checkpoint), "", 0)


def place_of(home: Path, checkpoint: Path) -> Place:
    name = fast_model.name_of(own(checkpoint))
    assert name is not None
    return fast_model.place(home, name)


def made(
    home: Path,
    checkpoint: Path,
    converter: Converter = STAND_IN,
    python: Path = Path(sys.executable),
) -> tuple[Path | None, list[Step]]:
    """What a worker is given, and the steps that it was told."""
    steps: list[Step] = []
    fast = provide_fast_model(
        Homes(home), own(checkpoint), checkpoint, python, steps.append, converter=converter
    )
    return fast, steps


def published(home: Path, checkpoint: Path) -> Manifest | None:
    """The manifest of what is there; nothing else is left of its making."""
    place = place_of(home, checkpoint)
    names = [path.name for path in place.install.iterdir()]
    assert not any(publish.is_leaving(name) for name in names), names
    assert "tries.json" not in names
    return publish.manifest(place.folder)


def failure_of(home: Path, checkpoint: Path) -> str:
    """Why none was made; that nothing is published, and that nobody tries again at once."""
    assert made(home, checkpoint)[0] is None
    failure = publish.last_failure(place_of(home, checkpoint))
    assert failure is not None
    assert failure.retryable
    assert published(home, checkpoint) is None
    before = runs(checkpoint)
    assert made(home, checkpoint)[0] is None
    assert runs(checkpoint) == before
    return failure.message


def test_what_was_made_says_how(tmp_path: Path) -> None:
    checkpoint = write_order(tmp_path / "own.nemo")
    fast, steps = made(tmp_path / "home", checkpoint)
    assert fast == place_of(tmp_path / "home", checkpoint).folder
    manifest = published(tmp_path / "home", checkpoint)
    assert manifest is not None
    assert set(manifest["files"]) == {"model.safetensors", "model.json"}
    assert manifest["model"] == "own.nemo"
    assert [step.fraction for step in steps] == [0.0, 0.0, 0.4]


def answer(code: str, *, retryable: bool) -> dict[str, object]:
    return {"code": code, "message": "no tokenizer in it", "retryable": retryable}


def test_an_error_that_will_come_again_is_remembered(tmp_path: Path) -> None:
    error = answer("model_unavailable", retryable=False)
    checkpoint = write_order(tmp_path / "own.nemo", error=error)
    for _ in range(2):
        assert made(tmp_path / "home", checkpoint)[0] is None
    assert len(runs(checkpoint)) == 1
    manifest = published(tmp_path / "home", checkpoint)
    assert manifest is not None
    assert (manifest["usable"], manifest["reason"]) == (False, "no tokenizer in it")
    folder = place_of(tmp_path / "home", checkpoint).folder
    assert [path.name for path in folder.iterdir()] == [publish.READY]


@pytest.mark.parametrize(
    "error",
    [answer("engine_out_of_memory", retryable=True), answer("volume_full", retryable=False)],
)
def test_an_error_that_may_pass_is_not(tmp_path: Path, error: dict[str, object]) -> None:
    checkpoint = write_order(tmp_path / "own.nemo", error=error)
    assert failure_of(tmp_path / "home", checkpoint) == "no tokenizer in it"


@pytest.mark.parametrize(
    "line",
    [
        "Loading...",
        "[]",
        "3",
        json.dumps({"type": "progress"}),
        json.dumps({"type": "progress", "step": "a", "fraction": "half"}),
        json.dumps({"type": "done"}),
        json.dumps({"type": "done", "usable": "yes"}),
        json.dumps({"type": "done", "usable": True, "precision": "bf16", "files": {}}),
        json.dumps({"type": "done", "usable": False}),
        json.dumps({"type": "error", "message": "none"}),
        json.dumps({"type": "else"}),
    ],
)
def test_an_answer_that_is_none_is_a_failure(tmp_path: Path, line: str) -> None:
    checkpoint = write_order(tmp_path / "own.nemo", say=line)
    assert "answer" in failure_of(tmp_path / "home", checkpoint)


def test_files_that_are_not_there_are_a_failure(tmp_path: Path) -> None:
    checkpoint = write_order(tmp_path / "own.nemo", lie=1)
    assert "told of other files than it made" in failure_of(tmp_path / "home", checkpoint)


def test_an_original_that_changes_meanwhile_is_a_failure(tmp_path: Path) -> None:
    checkpoint = write_order(tmp_path / "own.nemo", change=True)
    before = place_of(tmp_path / "home", checkpoint)
    assert made(tmp_path / "home", checkpoint)[0] is None
    assert publish.manifest(before.folder) is None
    assert place_of(tmp_path / "home", checkpoint) != before
    assert made(tmp_path / "home", checkpoint)[0] is not None


@pytest.mark.parametrize("order", [{"wait_for": "/nothing"}, {"repeat": True}])
def test_a_converter_that_hangs_is_ended(tmp_path: Path, order: dict[str, Any]) -> None:
    checkpoint = write_order(tmp_path / "own.nemo", **order)
    # Long enough for it to begin, on a busy machine too.
    fast, steps = made(tmp_path / "home", checkpoint, replace(STAND_IN, stall_s=5.0))
    assert fast is None
    assert steps[-1].fraction == 0.4
    (process,) = runs(checkpoint)
    wait_for("its end", lambda: not psutil.pid_exists(process), DEADLINE_S)
    failure = publish.last_failure(place_of(tmp_path / "home", checkpoint))
    assert failure is not None
    assert failure.message == "its making stood still for 5 s"
    assert published(tmp_path / "home", checkpoint) is None


@pytest.mark.parametrize("python", ["/bin/false", "/nothing/python", "/bin/true"])
def test_an_environment_that_does_not_run_is_a_failure(tmp_path: Path, python: str) -> None:
    checkpoint = write_order(tmp_path / "own.nemo")
    assert made(tmp_path / "home", checkpoint, python=Path(python))[0] is None
    failure = publish.last_failure(place_of(tmp_path / "home", checkpoint))
    assert failure is not None
    assert "ended without an answer, with status" in failure.message


def test_a_volume_without_room_is_seen_beforehand(tmp_path: Path) -> None:
    checkpoint = write_order(tmp_path / "own.nemo")
    os.truncate(checkpoint, 2 << 20)
    with machines.mounted("tmpfs", tmp_path / "volume", "size=1m") as volume:
        assert made(volume / "home", checkpoint)[0] is None
        failure = publish.last_failure(place_of(volume / "home", checkpoint))
        assert failure is not None
        assert failure.code == "volume_full"
    assert runs(checkpoint) == []


END = f"""
import sys, threading; sys.path[:0] = [{str(ROOT)!r}]
from pathlib import Path
from tests.test_conversion import made
from volume import errors, programs
def make():
    try:
        made(Path(sys.argv[1]), Path(sys.argv[2]))
    except errors.EndingError:
        print("ended", flush=True)
thread = threading.Thread(target=make)
thread.start()
sys.stdin.readline()
programs.end_all()
thread.join()
"""


def test_a_worker_that_is_to_end_has_not_failed(tmp_path: Path) -> None:
    checkpoint = write_order(tmp_path / "own.nemo", wait_for=str(tmp_path / "go-on"))
    command = [sys.executable, "-c", END, str(tmp_path / "home"), str(checkpoint)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        wait_for("the converter", lambda: runs(checkpoint), DEADLINE_S)
        assert process.communicate("\n", timeout=DEADLINE_S)[0] == "ended\n"
    assert published(tmp_path / "home", checkpoint) is None
    assert publish.last_failure(place_of(tmp_path / "home", checkpoint)) is None
    (tmp_path / "go-on").touch()
    assert made(tmp_path / "home", checkpoint)[0] is not None, "and the next one goes on at once"
