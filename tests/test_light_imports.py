"""The light import of pyannote, in processes of the models' own Python.

Each process tells what it saw as JSON, because what an import does to a process cannot be undone.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any, Final

import pytest

from tests.environments import CONVERSATION, DIARIZATION_MODEL, ROOT, engine_python

NEVER_CALLED: Final = ("nemo.collections.asr", "torchmetrics.functional", "transformers", "librosa")

# What every process starts with. `tell` prints the answer: libraries print on stdout too.
PRELUDE: Final = f"""
import importlib, importlib.util, json, os, sys, threading
from pathlib import Path
from engine import light_imports

def tell(**what):
    print("TOLD " + json.dumps(what), flush=True)
    os._exit(0)

NEVER_CALLED = {NEVER_CALLED}

def loaded(*names):
    return [name for name in names if name in sys.modules]

def strangers():
    return [type(finder).__name__ for finder in sys.meta_path
            if type(finder).__module__ == "engine.light_imports"]

def turns():
    import soundfile
    from engine.diarizer import Diarizer
    samples, rate = soundfile.read({str(CONVERSATION)!r}, dtype="float32")
    diarizer = Diarizer.load(Path({str(DIARIZATION_MODEL)!r}), "cpu")
    found = [diarizer.diarize(samples[: 20 * rate], num_speakers=n)[0] for n in (None, 3)]
    return [[(t.speaker, t.start_s, t.end_s) for t in d.turns + d.exclusive_turns] for d in found]

def agglomerated():
    import numpy as np
    from pyannote.audio.pipelines.clustering import AgglomerativeClustering
    clustering = AgglomerativeClustering().instantiate(
        {{"method": "centroid", "threshold": 0.9, "min_cluster_size": 2}})
    noise = np.random.default_rng(0).standard_normal((40, 8))
    embeddings = noise + 3 * np.eye(8)[np.arange(40) % 4]
    return clustering.cluster(embeddings, min_clusters=1, max_clusters=9).tolist()
"""

# A finder that fails an import, once or always, as a changed version of a library might.
FAULT: Final = """
class Fault:
    def __init__(self, name, times):
        self.name, self.times = name, times
    def find_spec(self, fullname, path=None, target=None):
        if fullname == self.name and self.times:
            self.times -= 1
            raise ImportError("injected")
sys.meta_path.insert(0, Fault({name!r}, {times}))
"""


def told(code: str) -> dict[str, Any]:
    """Run code after the prelude in a fresh process; what it told."""
    process = subprocess.run(
        [str(engine_python()), "-c", PRELUDE + code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYANNOTE_METRICS_ENABLED": "false"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    lines = [line for line in process.stdout.splitlines() if line.startswith("TOLD ")]
    assert len(lines) == 1, process.stdout + process.stderr
    answer: dict[str, Any] = json.loads(lines[0].removeprefix("TOLD "))
    return answer


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    return told(
        """
import pyannote.audio.pipelines
tell(loaded=loaded(*NEVER_CALLED), turns=turns(), agglomerated=agglomerated())
"""
    )


@pytest.fixture(scope="module")
def light() -> dict[str, Any]:
    """Light, then diarization, then everything that was left out, in another thread."""
    return told(
        """
package = light_imports.import_pyannote()
after_import = loaded(*NEVER_CALLED, "torchmetrics")
results = dict(turns=turns(), agglomerated=agglomerated())
after_work = loaded(*NEVER_CALLED)
meta_path = strangers()

def fall_back():
    import nemo.collections.asr.models
    import lightning.pytorch.core.module
    import torchmetrics
    results["nemo"] = nemo.collections.asr.models.EncDecRNNTBPEModel.__name__
    results["one_class"] = (
        torchmetrics.Metric is lightning.pytorch.core.module.Metric is torchmetrics.metric.Metric)
    results["whole"] = (callable(torchmetrics.functional.word_error_rate)
        and sys.modules["torchmetrics.utilities"] is torchmetrics.utilities)

other = threading.Thread(target=fall_back)
other.start()
other.join()
tell(package=package.__name__, after_import=after_import, after_work=after_work,
     strangers=[meta_path, strangers()], **results)
"""
    )


def test_what_diarization_never_calls_is_not_loaded(
    plain: dict[str, Any], light: dict[str, Any]
) -> None:
    assert plain["loaded"] == list(NEVER_CALLED)  # else it would prove nothing
    assert light["package"] == "pyannote.audio"
    assert light["after_import"] == []
    assert light["after_work"] == []


def test_the_results_are_those_of_the_plain_import(
    plain: dict[str, Any], light: dict[str, Any]
) -> None:
    assert plain["turns"][0]
    assert light["turns"] == plain["turns"]
    assert len(set(light["agglomerated"])) == 4
    assert light["agglomerated"] == plain["agglomerated"]


def test_everything_can_be_imported_afterwards_from_any_thread(light: dict[str, Any]) -> None:
    assert light["nemo"] == "EncDecRNNTBPEModel"
    assert light["one_class"]
    assert light["whole"]
    assert light["strangers"] == [["_LightFinder"], []]


def test_nothing_of_ours_imports_pyannote_before() -> None:
    answer = told(
        """
import engine.diarizer
tell(loaded=loaded("pyannote.audio", "lightning", "nemo"))
"""
    )
    assert answer == {"loaded": []}


def test_other_threads_find_nemo_meanwhile() -> None:
    answer = told(
        """
def found():
    try:
        return importlib.util.find_spec("nemo.collections.asr") is not None
    except ModuleNotFoundError:
        return False

seen = {}
with light_imports.light():
    other = threading.Thread(target=lambda: seen.update(other=found()))
    other.start()
    other.join()
    seen["own"] = found()
seen["afterwards"] = found()
tell(strangers=strangers(), **seen)
"""
    )
    assert answer == {"other": True, "own": False, "afterwards": True, "strangers": []}


def test_all_of_torchmetrics_is_there_for_whoever_asks_for_more() -> None:
    answer = told(
        """
import gc
with light_imports.light():
    resting = not gc.isenabled()
    import torchmetrics as early
    from torchmetrics import Metric
    deferred = "torchmetrics.functional" not in sys.modules
    from torchmetrics import Accuracy  # more than the two classes: its body runs now
import torchmetrics
tell(deferred=deferred, resting=resting, awake=gc.isenabled(), strangers=strangers(),
     same=torchmetrics.Accuracy is Accuracy is early.Accuracy and torchmetrics.Metric is Metric,
     missing=hasattr(early, "no_such_thing"))
"""
    )
    assert answer == {
        "deferred": True,
        "resting": True,
        "awake": True,
        "strangers": [],
        "same": True,
        "missing": False,
    }


def test_where_the_light_import_fails_the_plain_one_is_used(plain: dict[str, Any]) -> None:
    answer = told(
        FAULT.format(name="torchmetrics.collections", times=1)
        + """
import logging
records = []
handler = logging.Handler()
handler.emit = lambda record: records.append(record.getMessage())
light_imports.log.addHandler(handler)
light_imports.import_pyannote()
import torchmetrics, lightning.pytorch.core.module as core
import pyannote.audio.core.model as model
tell(said=records, loaded=loaded(*NEVER_CALLED), turns=turns(), strangers=strangers(),
     one_class=core.Metric is torchmetrics.Metric,
     one_lightning=issubclass(model.Model, core.LightningModule))
"""
    )
    assert answer["said"] == ["pyannote is imported plainly: ImportError: injected"]
    assert answer["loaded"] == list(NEVER_CALLED)
    assert answer["turns"] == plain["turns"]
    assert answer["one_class"]
    assert answer["one_lightning"]
    assert answer["strangers"] == []


def test_what_cannot_be_imported_at_all_is_said() -> None:
    answer = told(
        FAULT.format(name="pyannote.audio.core.inference", times=2)
        + """
try:
    light_imports.import_pyannote()
except ImportError as error:
    tell(error=str(error))
"""
    )
    assert answer == {"error": "injected"}
