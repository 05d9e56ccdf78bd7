"""The one place where the measurements touch the engine's inside.

Everything else drives the engine through its protocol. What is here: its settings, its conversion
of a checkpoint, and, for the checks of equality, its models in this process.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.true_size import CACHE, ROOT, ModelPaths, quiet_environment
from speech import protocol

if TYPE_CHECKING:
    import torch

    from benchmarks.recordings import Samples
    from engine.attention import Reach
    from engine.diarization_stages import Arithmetic
    from engine.fast_model import FastModel
    from engine.nemo_model import NemoModel

    AnyModel = NemoModel | FastModel


def settings(
    models: ModelPaths, fast: Path | None, *, device: str, threads: int = 0
) -> dict[str, Any]:
    """The settings of the ``start`` message.

    Args:
        models: What to load.
        fast: The folder that ``fast_checkpoint`` made, or None to load the original.
        device: ``cpu`` or ``cuda``.
        threads: 0 lets the engine choose.
    """
    known: dict[str, Any] = {
        "asr_model": str(models.speech),
        "asr_name": "stand-in",
        "fast_model": None if fast is None else str(fast),
        "diarization_model": str(models.speakers),
        "diarization_name": "stand-in",
        "diarization_problem": None,
        "device": device,
        "threads": threads,
    }
    names = {field.name for field in dataclasses.fields(protocol.EngineSettings)}
    chosen = {name: value for name, value in known.items() if name in names}
    return protocol.settings_to_dict(protocol.EngineSettings(**chosen))


REACHES: Final[tuple[Reach, ...]] = ("full", "local")
"""What a frame may see."""
CONVERTER: Final = ROOT / "engine" / "convert.py"


def fast_checkpoint(python: Path, models: ModelPaths, *, isolated: bool = True) -> Path | None:
    """What the bootstrap makes of the speech model, once for each state of the engine's code.

    Returns:
        Its folder; None where the engine would use the original, which is said on stderr.
    """
    folder = CACHE / f"fast-{models.speech.parent.name}-{_digest(models.speech)}"
    if folder.is_dir():
        return folder
    for older in CACHE.glob(f"fast-{models.speech.parent.name}-*"):
        shutil.rmtree(older)
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    done = subprocess.run(
        [python, "-I" if isolated else "-P", CONVERTER],
        input=json.dumps({"checkpoint": str(models.speech), "folder": str(unfinished)}).encode(),
        stdout=subprocess.PIPE,
        env=quiet_environment(),
        check=True,
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    print(f"fast checkpoint of {models.speech.parent.name}: {answer}", file=sys.stderr)
    if not answer.get("usable"):
        shutil.rmtree(unfinished)
        return None
    unfinished.rename(folder)
    return folder


def _digest(speech: Path) -> str:
    """Of the code that makes a fast checkpoint, and of what it is made of."""
    digest = hashlib.sha256(f"{speech} {speech.stat().st_mtime_ns}".encode())
    for path in sorted((ROOT / "engine").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def embeddings(
    pipeline: Any, samples: Samples, active: np.ndarray, arithmetic: Arithmetic | None
) -> np.ndarray | None:
    """The embedding stage in the engine's way.

    Args:
        pipeline: A stock pyannote pipeline; it is not changed.
        samples: The recording.
        active: Who speaks in its chunks, (chunks, frames, speakers).
        arithmetic: "exact" for pyannote's own numbers; None for what the engine chooses.

    Returns:
        (chunks, speakers, dimension); None where the engine would leave the stage to pyannote.
    """
    from engine.chunks import Track
    from engine.diarization_stages import stages_of
    from engine.shared_passes import SharedPasses, choose_sizes

    stages = stages_of(pipeline, arithmetic)
    if stages is None:
        return None
    stage = stages.embeddings
    sizes = choose_sizes(stage.device)
    track = Track(lambda _step, _share: None)
    track.cut(samples, stages.segmentation.grid, stage.device)
    wanted = stage.wanted(active)
    found = SharedPasses(stage.device).run(
        "embeddings",
        {track: wanted},
        stage.forward({track: active}, sizes.embedded),
        sizes.gathered,
    )
    return stage.complete(active, wanted, found[track])


def reference(models: ModelPaths, device: str) -> NemoModel:
    """The speech model as NeMo restores it, in fp32."""
    import torch

    from engine import nemo_model

    return nemo_model.load(models.speech, torch.device(device))


def same_weights(model: NemoModel) -> FastModel:
    """The engine's own network with the weights of NeMo's, in fp32."""
    from engine import fast_model, nemo_weights

    shape = nemo_weights.shape_of(model.model.cfg)
    fast = fast_model.build(shape, nemo_weights.weights_of(model.model.state_dict(), shape))
    fast.pieces = tuple(model.pieces)
    return fast


def as_served(folder: Path, device: str) -> FastModel:
    """The engine's own network from its fast checkpoint."""
    import torch

    from engine import fast_model

    return fast_model.load(folder, torch.device(device))


def encoded(
    model: AnyModel, recordings: Sequence[Samples], reach: Reach = "full"
) -> list[torch.Tensor]:
    """The encoder's output of each recording of one batch, (frames, width), in fp32."""
    import torch

    from engine.fast_model import FastModel
    from engine.nemo_attention import set_attention

    samples, lengths = batch(recordings, model.device)
    with torch.inference_mode():
        if isinstance(model, FastModel):
            found, frames = model.encode(samples, lengths, reach)
        else:
            set_attention(model.model, reach)
            found, frames = model.model(input_signal=samples, input_signal_length=lengths)
            found = found.mT
    return [one[: int(count)].float() for one, count in zip(found, frames, strict=True)]


def emitted(
    model: AnyModel, recordings: Sequence[Samples], reach: Reach = "full"
) -> list[list[tuple[int, int, int]]]:
    """Token, frame and duration of all that is said in each recording of one batch."""
    heard = model.hear(*batch(recordings, model.device), reach)
    return [[(one.token, one.frame, one.frames) for one in said] for said in heard]


def batch(recordings: Sequence[Samples], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Recordings side by side, and their lengths."""
    import torch

    lengths = torch.tensor([len(samples) for samples in recordings])
    samples = torch.zeros(len(recordings), int(lengths.max()))
    for row, one in zip(samples, recordings, strict=True):
        row[: len(one)] = torch.from_numpy(one)
    return samples.to(device), lengths.to(device)


@contextmanager
def graphs(model: FastModel, *, on: bool) -> Iterator[bool]:
    """Search with or without CUDA graphs within; gives whether it is so."""
    if on:
        model.search.probe()
    before, model.search.uses_graphs = model.search.uses_graphs, on and model.search.uses_graphs
    try:
        yield model.search.uses_graphs == on
    finally:
        model.search.uses_graphs = before
