"""Which diarizers are put on a volume; with the hub's own library."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.bootstraps import PATIENT
from tests.environments import ROOT
from tests.hub import COMMIT, Hub, nemo_archive
from tests.small_environment import Machine
from tests.two_models_hub import TOKEN, two_models, variables

PROVIDE = f"""
import json, sys; sys.path.insert(0, {str(ROOT)!r})
import launching; from speech import protocol
from volume.provide import Provider
settings = launching.engine_settings(Provider().provide(lambda step: None))
print(json.dumps(protocol.settings_to_dict(settings)))
"""
DEADLINE_S = 300.0
PYANNOTE, SORTFORMER = f"someone--gated-{COMMIT}", f"someone--open-{COMMIT}/some.nemo"


def provided(folder: Path, hub: Hub, **more: str) -> dict[str, Any]:
    """What the engine of a worker with an empty volume is told."""
    (folder / "volume").mkdir(parents=True)
    machine = Machine(
        folder / "volume",
        folder / "disk",
        folder / "no-lock",
        {**variables(hub), **PATIENT, "PARAKEET_ENGINE_PYTHON": sys.executable, **more},
    )
    printed = subprocess.run(
        [sys.executable, "-c", PROVIDE],
        env=machine.variables,
        stdout=subprocess.PIPE,
        check=True,
        timeout=DEADLINE_S,
    ).stdout
    settings: dict[str, Any] = json.loads(printed)
    return settings


def below_models(path: str | None) -> str | None:
    return None if path is None else path.rpartition("/models/")[2]


def test_sortformer_is_had_where_pyannote_cannot_be_and_where_it_is_asked_for(
    tmp_path: Path,
) -> None:
    cases = {
        "no token": ({}, None, SORTFORMER),
        "a token": ({"HF_TOKEN": TOKEN}, PYANNOTE, None),
        "both": ({"HF_TOKEN": TOKEN, "PARAKEET_DIARIZER": "both"}, PYANNOTE, SORTFORMER),
        "sortformer": ({"HF_TOKEN": TOKEN, "PARAKEET_DIARIZER": "sortformer"}, None, SORTFORMER),
        "pyannote": ({"PARAKEET_DIARIZER": "pyannote"}, None, None),
    }
    with two_models(nemo_archive()) as (gated, _), ThreadPoolExecutor(2) as pool:
        told = {
            name: pool.submit(provided, tmp_path / name, gated, **more)
            for name, (more, _, _) in cases.items()
        }
    for name, (_, pyannote, sortformer) in cases.items():
        settings = told[name].result()
        assert below_models(settings["diarization_model"]) == pyannote, name
        assert below_models(settings["sortformer_model"]) == sortformer, name
        for kind, path in (("diarization", pyannote), ("sortformer", sortformer)):
            problem = settings[f"{kind}_problem"]
            assert (problem is None) == (path is not None), name
            assert problem is None or problem["code"] == "diarization_unavailable"
        assert settings["sortformer_name"] == "someone/open@01234567"
    assert "set HF_TOKEN" in told["no token"].result()["diarization_problem"]["message"]
    assert "PARAKEET_DIARIZER to both" in told["a token"].result()["sortformer_problem"]["message"]


def test_where_neither_can_be_had_both_reasons_are_told(tmp_path: Path) -> None:
    with two_models(b"no checkpoint") as (gated, _):
        settings = provided(tmp_path, gated)
    problems = settings["diarization_problem"], settings["sortformer_problem"]
    assert {problem["code"] for problem in problems} == {"diarization_unavailable"}
    assert "set HF_TOKEN" in problems[0]["message"]
    assert "some.nemo is no NeMo checkpoint" in problems[1]["message"]


@pytest.mark.parametrize("value", ["Both", "none"])
def test_a_wrong_choice_of_diarizers_is_refused(value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import config"],
        cwd=ROOT,
        env={"PARAKEET_DIARIZER": value},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 1
    assert f"auto, pyannote, sortformer or both, not {value!r}" in done.stderr
