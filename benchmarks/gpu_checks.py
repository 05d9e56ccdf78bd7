"""What must be equal before anything is timed: the fast way, batches and stacked masks."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks import embedding_stage, recordings, under_test
from benchmarks.recordings import Samples
from benchmarks.true_size import ModelPaths

if TYPE_CHECKING:
    from engine.fast_model import FastModel
    from engine.nemo_model import NemoModel

Said = Sequence[tuple[int, int, int]]
"""Token, frame and duration of all that is said."""

LENGTHS_S = (9.0, 4.0, 12.5, 2.0, 7.3, 15.0)
"""Of a batch: each other length pads the rest differently."""
FP32, BF16 = 1e-4, 0.05
"""Relative errors (L2). In fp32 the two ways differ by 4e-7 on a CPU; bf16 keeps eight bits."""
BATCH_FP32, BATCH_BF16 = 1e-4, 0.03
"""Libraries choose other kernels for other batches, which round in another order."""
TOKENS_BF16 = 0.05
"""Share of tokens: random weights are nearer to a doubt than trained ones, and a frame that is a
blank in one rounding is a token in another. In fp32 every token is the same."""
EMBEDDING = 1e-4


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was compared."""

    what: str
    found: float
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether they are equal enough. Not a number is not."""
        return self.found <= self.allowed

    def line(self) -> str:
        """For the terminal."""
        verdict = "equal" if self.holds else "DIFFERS"
        return f"{self.what:<72} {self.found:>9.2g}  allowed {self.allowed:<8.2g} {verdict}"


def checks(models: ModelPaths, fast: Path | None, device: str, folder: Path) -> Iterator[Check]:
    """All of them.

    Args:
        models: The stand-ins.
        fast: The fast checkpoint, if the engine made one.
        device: ``cuda`` or ``cpu``.
        folder: For a recording.
    """
    exact = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    clips = [
        recordings.conversation(length, seed, start_s=5.0 * seed)
        for seed, length in enumerate(LENGTHS_S)
    ]
    nemo = under_test.reference(models, device)
    ours = under_test.same_weights(nemo)
    yield from against_nemo(ours, nemo, clips)
    del nemo
    if fast is not None:
        yield from served(under_test.as_served(fast, device), ours, clips)
    del ours
    torch.backends.cudnn.allow_tf32 = exact
    yield from embeddings(models, device, folder)
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()  # the engine plans by what is free


def against_nemo(ours: FastModel, nemo: NemoModel, clips: Sequence[Samples]) -> Iterator[Check]:
    """The engine's network beside NeMo's, both in fp32, and its batches beside single clips."""
    for reach in under_test.REACHES:
        found, expected = (under_test.encoded(model, clips[:1], reach) for model in (ours, nemo))
        what = f"fast encoder against NeMo's, fp32, {reach} attention: relative error"
        yield Check(what, worst(found, expected), FP32)
    differing = count_differing(
        [under_test.emitted(ours, [clip])[0] for clip in clips],
        [under_test.emitted(nemo, [clip])[0] for clip in clips],
    )
    yield Check("clips with other tokens, frames or durations than NeMo's, fp32", differing, 0)
    yield from batched(ours, clips, BATCH_FP32)


def served(model: FastModel, exact: FastModel, clips: Sequence[Samples]) -> Iterator[Check]:
    """The network as it is served, beside fp32, in batches, and with CUDA graphs."""
    name = f"as served ({str(next(model.encoder.parameters()).dtype).removeprefix('torch.')})"
    found, expected = (
        [under_test.encoded(one, [clip])[0] for clip in clips] for one in (model, exact)
    )
    alone, wanted = (
        [under_test.emitted(one, [clip])[0] for clip in clips] for one in (model, exact)
    )
    yield Check(f"{name} against fp32: relative error", worst(found, expected), BF16)
    yield Check(f"{name} against fp32: share of other tokens", other(alone, wanted), TOKENS_BF16)
    together, said = under_test.encoded(model, clips), under_test.emitted(model, clips)
    yield Check(f"a batch against each clip alone, {name}: relative error",
                worst(together, found), BATCH_BF16)  # fmt: skip
    yield Check(f"a batch against each clip alone, {name}: share of other tokens",
                other(said, alone), TOKENS_BF16)  # fmt: skip
    if model.device.type != "cuda":
        return
    with under_test.graphs(model, on=False):
        plain = under_test.emitted(model, clips)
    with under_test.graphs(model, on=True) as used:
        captured = under_test.emitted(model, clips)
    yield Check("CUDA graphs could not be used", float(not used), 0)
    yield Check("clips that CUDA graphs decode differently", count_differing(captured, plain), 0)


def batched(model: FastModel, clips: Sequence[Samples], allowed: float) -> Iterator[Check]:
    """A batch of an fp32 model beside each of its clips alone."""
    alone = [under_test.encoded(model, [clip])[0] for clip in clips]
    yield Check("a batch against each clip alone, fp32: relative error",
                worst(under_test.encoded(model, clips), alone), allowed)  # fmt: skip
    said = [under_test.emitted(model, [clip])[0] for clip in clips]
    differing = count_differing(under_test.emitted(model, clips), said)
    yield Check("clips with other tokens or times in a batch, fp32", differing, 0)


def embeddings(models: ModelPaths, device: str, folder: Path) -> Iterator[Check]:
    """The embedding stage beside pyannote's own."""
    audio = recordings.long(LENGTHS_S[-1], folder)
    report = embedding_stage.compare(models.speakers, audio, 1, device)
    for way in embedding_stage.WAYS:
        named = f"embeddings, {way.replace('_', ' ')}, against pyannote's: of their length"
        found = report[way]["of_length"] if report[way] else float("nan")
        yield Check(named, found, EMBEDDING if way == "exact" else BF16)


def worst(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float:
    """The largest relative error (L2) of all recordings."""
    return max(
        float((a.cpu() - b.cpu()).norm() / b.cpu().norm())
        for a, b in zip(found, expected, strict=True)
    )


def count_differing(found: Sequence[object], expected: Sequence[object]) -> float:
    """How many are not the same."""
    return float(sum(a != b for a, b in zip(found, expected, strict=True)))


def other(found: Sequence[Said], expected: Sequence[Said]) -> float:
    """The largest share of a clip's tokens that are not in both, in the same order."""
    return max(
        1 - SequenceMatcher(None, [one[0] for one in a], [one[0] for one in b], False).ratio()
        for a, b in zip(found, expected, strict=True)
    )
