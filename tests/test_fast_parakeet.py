"""The fast model against NeMo's: the same features, frames, tokens, times and confidences."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from engine import fast_model, fastconformer, mel, nemo_weights, relative_attention
from engine.attention import Reach
from engine.convert import DiffersError, compare_exactly, convert, probe, relative
from engine.fast_model import FastModel
from engine.nemo_attention import set_attention
from engine.nemo_model import NemoModel
from engine.parakeet import Parakeet, Samples
from engine.tdt import Emission, decode
from engine.tdt_steps import StepSearch
from speech.errors import EngineError
from tests.models import (
    RATE_HZ,
    ROOT,
    SPEECH_MODEL,
    build_wide,
    noise,
    read_conversation,
    restore_demo,
)

BOTH: tuple[Reach, ...] = ("full", "local")
ROUNDING = 2e-6
"""Relative, of an encoder in fp32 whose sums are taken in another order."""


def fast_of(nemo: NemoModel) -> FastModel:
    shape = nemo_weights.shape_of(nemo.model.cfg)
    model = fast_model.build(shape, nemo_weights.weights_of(nemo.model.state_dict(), shape))
    model.pieces = tuple(nemo.pieces)
    return model


@pytest.fixture(scope="module")
def demo() -> NemoModel:
    return NemoModel(restore_demo())


@pytest.fixture(scope="module")
def fast(demo: NemoModel) -> FastModel:
    return fast_of(demo)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> NemoModel:
    """Two layers of Parakeet's true width, random weights, statistics of normalisation too."""
    model = build_wide(tmp_path_factory.mktemp("wide"))
    generator = torch.Generator().manual_seed(1)
    for layer in model.encoder.layers:
        norm = layer.conv.batch_norm
        norm.running_mean.normal_(generator=generator)
        norm.running_var.uniform_(0.5, 2.0, generator=generator)
        for parameter in (layer.self_attn.pos_bias_u, layer.self_attn.pos_bias_v):
            parameter.data.normal_(generator=generator)
    return NemoModel(model)


@pytest.fixture(scope="module")
def speech() -> Samples:
    return read_conversation()[: 45 * RATE_HZ]


def batch_of(*recordings: Samples) -> tuple[torch.Tensor, torch.Tensor]:
    batch = torch.zeros(len(recordings), max(r.size for r in recordings))
    for row, recording in zip(batch, recordings, strict=True):
        row[: recording.size] = torch.from_numpy(recording)
    return batch, torch.tensor([r.size for r in recordings])


def facts(emissions: list[Emission]) -> list[tuple[int, int, int]]:
    return [(e.token, e.frame, e.frames) for e in emissions]


@torch.inference_mode()
def encoded_by_both(
    nemo: NemoModel, model: FastModel, recordings: list[Samples], reach: Reach
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(ours, NeMo's) for each recording, without padding; each shape (frames, width)."""
    samples, lengths = batch_of(*recordings)
    set_attention(nemo.model, reach)
    theirs, frames = nemo.model(input_signal=samples, input_signal_length=lengths)
    ours, counts = model.encode(samples, lengths, reach)
    assert frames.tolist() == counts.tolist()
    return [(ours[i, :n], theirs[i].mT[:n]) for i, n in enumerate(frames.tolist())]


def test_the_features_are_nemos(demo: NemoModel, fast: FastModel, speech: Samples) -> None:
    samples, lengths = batch_of(speech, speech[: 7 * RATE_HZ + 123])
    theirs, frames = demo.model.preprocessor(input_signal=samples, length=lengths)
    ours, counts = fast.mel(samples, lengths)
    assert frames.tolist() == counts.tolist()
    assert float((theirs.mT - ours).abs().max()) < 1e-4


@pytest.mark.parametrize("reach", BOTH)
@pytest.mark.parametrize("size", ["demo", "wide"])
def test_the_encoder_is_nemos(
    size: str, reach: Reach, request: pytest.FixtureRequest, speech: Samples
) -> None:
    """Longer than the window of local attention, and a shorter one padded beside it."""
    nemo: NemoModel = request.getfixturevalue(size)
    for ours, theirs in encoded_by_both(
        nemo, fast_of(nemo), [speech, speech[: 9 * RATE_HZ + 5]], reach
    ):
        assert relative(ours, theirs) < ROUNDING


@pytest.mark.parametrize("reach", BOTH)
def test_the_tokens_are_nemos(
    demo: NemoModel, fast: FastModel, speech: Samples, reach: Reach
) -> None:
    samples, lengths = batch_of(speech, speech[: 10 * RATE_HZ], noise(4.0))
    for theirs, ours in zip(
        demo.hear(samples, lengths, reach), fast.hear(samples, lengths, reach), strict=True
    ):
        assert facts(ours) == facts(theirs)
        assert [e.confidence for e in ours] == pytest.approx(
            [e.confidence for e in theirs], abs=1e-4
        )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.lists(st.integers(0, 30), min_size=1, max_size=20))
def test_the_search_is_nemos_on_anything(
    seed: int, rows: list[int], demo: NemoModel, fast: FastModel
) -> None:
    """Random frames say a lot at one frame, skip far, and say nothing: every way through."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor(rows)
    frames = 3 * torch.randn(len(rows), max(1, *rows), 96, generator=generator)
    with torch.inference_mode():
        ours = decode(fast.transducer, frames, lengths)
        for found, row, length in zip(ours, frames, rows, strict=True):
            if not length:
                assert not found
                continue
            (expected,) = demo.model.decoding.rnnt_decoder_predictions_tensor(
                row[None].mT, torch.tensor([length]), return_hypotheses=True
            )
            assert [e.token for e in found] == list(map(int, expected.y_sequence))
            assert [e.frame for e in found] == list(map(int, expected.timestamp))
            assert [e.frames for e in found] == [int(n) for n in expected.token_duration]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.lists(st.integers(0, 30), min_size=1, max_size=8))
def test_steps_find_what_the_search_does(seed: int, rows: list[int], fast: FastModel) -> None:
    """What a CUDA graph holds, run without one; a batch smaller than its room."""
    generator = torch.Generator().manual_seed(seed)
    frames = 3 * torch.randn(len(rows), max(1, *rows), 96, generator=generator)
    lengths = torch.tensor(rows)
    steps = StepSearch(fast.transducer, batch=8, rows=8 * 30)
    for _ in range(2):  # what the first leaves behind does not disturb the second
        found = steps.decode(frames, lengths)
        with torch.inference_mode():
            expected = decode(fast.transducer, frames, lengths)
        assert [facts(stream) for stream in found] == [facts(stream) for stream in expected]
        for ours, theirs in zip(found, expected, strict=True):
            assert [e.confidence for e in ours] == pytest.approx(
                [e.confidence for e in theirs], abs=1e-5
            )


def test_without_cuda_graphs_the_plain_search_stays(fast: FastModel, speech: Samples) -> None:
    """Where the probe fails, which it does on a machine without a GPU, nothing else changes."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    samples, lengths = batch_of(speech[: 5 * RATE_HZ])
    before = fast.hear(samples, lengths, "full")
    fast.search.probe()
    assert not fast.search.uses_graphs
    assert fast.hear(samples, lengths, "full") == before


@pytest.mark.parametrize("reach", BOTH)
def test_slices_change_nothing(
    fast: FastModel, speech: Samples, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, lengths = batch_of(speech, speech[: 31 * RATE_HZ])
    with torch.inference_mode():
        whole, frames = fast.encode(samples, lengths, reach)
        monkeypatch.setattr(mel, "MEL_SLICE_FRAMES", 700)
        monkeypatch.setattr(fastconformer, "SUBSAMPLING_SLICE_FRAMES", 100)
        monkeypatch.setattr(relative_attention, "BIAS_BYTES", 1 << 18)
        sliced, _ = fast.encode(samples, lengths, reach)
    for i, n in enumerate(frames.tolist()):
        assert relative(sliced[i, :n], whole[i, :n]) < ROUNDING


def test_a_batch_hears_what_each_recording_says_alone(fast: FastModel, speech: Samples) -> None:
    clips = [speech[i * RATE_HZ : (i + n) * RATE_HZ] for i, n in ((0, 5), (7, 3), (12, 9), (20, 2))]
    together = Parakeet(fast).transcribe_all(clips, "full")
    for clip, transcript in zip(clips, together, strict=True):
        alone = Parakeet(fast).transcribe(clip, "full")
        assert alone.words
        assert transcript.text == alone.text
        for found, expected in zip(transcript.words, alone.words, strict=True):
            assert (found.start_s, found.end_s) == (expected.start_s, expected.end_s)
            assert found.confidence == pytest.approx(expected.confidence, abs=1e-4)


def test_a_converted_checkpoint_hears_what_the_original_does(
    tmp_path: Path, demo: NemoModel, speech: Samples
) -> None:
    steps: list[tuple[str, float]] = []
    done = convert(SPEECH_MODEL, tmp_path, lambda *step: steps.append(step))
    assert done["usable"]
    assert done["precision"] == "bf16"
    assert done["report"]["full_error"] < ROUNDING
    assert [fraction for _, fraction in steps] == sorted(fraction for _, fraction in steps)
    loaded = Parakeet.load(tmp_path, "cpu")
    assert loaded.transcribe(speech, "full").text == Parakeet(demo).transcribe(speech, "full").text


def test_loading_imports_no_nemo(tmp_path: Path, fast: FastModel) -> None:
    """Its import takes longer than everything else of a start."""
    fast_model.save(tmp_path, fast, torch.bfloat16)
    program = (
        "import sys; from pathlib import Path; from engine.parakeet import Parakeet;"
        f"Parakeet.load(Path({str(tmp_path)!r}), 'cpu');"
        "print([m for m in ('nemo', 'lightning', 'transformers', 'omegaconf') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("weight", "named"),
    [
        ("encoder.layers.2.self_attn.pos_bias_v", "the full encoder"),
        ("mel.fb", "the features"),
        ("transducer.joint.bias", "the tokens"),
    ],
)
def test_a_model_that_differs_is_not_converted(demo: NemoModel, weight: str, named: str) -> None:
    """As one whose attention, features or search NeMo computes otherwise than we do."""
    shape = nemo_weights.shape_of(demo.model.cfg)
    weights = nemo_weights.weights_of(demo.model.state_dict(), shape)
    generator = torch.Generator().manual_seed(0)
    weights[weight] = weights[weight] + 20 * torch.rand(weights[weight].shape, generator=generator)
    with pytest.raises(DiffersError, match=f"{named} differ"):
        compare_exactly(demo, fast_model.build(shape, weights), *probe())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"encoder": {"self_attention_model": "abs_pos"}}, "self_attention_model"),
        ({"encoder": {"conv_norm_type": "layer_norm"}}, "conv_norm_type"),
        ({"encoder": {"att_context_size": [64, 64]}}, "attention context"),
        ({"preprocessor": {"normalize": "all_features"}}, "normalize"),
        ({"joint": {"jointnet": {"activation": "tanh"}}}, "activation"),
    ],
)
def test_a_model_of_another_kind_is_refused_by_name(
    demo: NemoModel, change: dict[str, Any], named: str
) -> None:
    config = OmegaConf.merge(OmegaConf.create(OmegaConf.to_container(demo.model.cfg)), change)
    with pytest.raises(nemo_weights.UnsupportedError, match=named):
        nemo_weights.shape_of(config)


def test_a_weight_that_is_missing_or_left_over_is_refused(demo: NemoModel) -> None:
    shape = nemo_weights.shape_of(demo.model.cfg)
    state = dict(demo.model.state_dict())
    del state["encoder.layers.1.conv.batch_norm.weight"]
    with pytest.raises(nemo_weights.UnsupportedError, match="batch_norm"):
        nemo_weights.weights_of(state, shape)
    more = {**demo.model.state_dict(), "encoder.adapter.weight": torch.zeros(1)}
    with pytest.raises(ValueError, match="another shape"):
        fast_model.build(shape, nemo_weights.weights_of(more, shape))


@pytest.mark.parametrize("damage", ["no weights", "cut", "no description", "another release"])
def test_a_damaged_checkpoint_is_an_error_of_ours(
    tmp_path: Path, fast: FastModel, damage: str
) -> None:
    fast_model.save(tmp_path, fast, torch.bfloat16)
    weights, description = tmp_path / fast_model.WEIGHTS, tmp_path / fast_model.DESCRIPTION
    if damage == "no weights":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "no description":
        description.unlink()
    else:
        told = json.loads(description.read_text())
        description.write_text(json.dumps({**told, "shape": {**told["shape"], "rotary": True}}))
    with pytest.raises(EngineError, match="no fast checkpoint") as caught:
        Parakeet.load(tmp_path, "cpu")
    assert caught.value.code == "model_unavailable"


def test_building_leaves_the_initialisers_alone(demo: NemoModel) -> None:
    fast_of(demo)
    fresh = torch.nn.Linear(64, 64)
    assert float(fresh.weight.detach().std()) > 0.01


def test_the_program_that_converts(tmp_path: Path) -> None:
    """As the bootstrap runs it; a file that is no checkpoint is an answer too."""
    broken = tmp_path / "broken.nemo"
    shutil.copy(ROOT / "README.md", broken)
    command = [sys.executable, "-I", "-u", str(ROOT / "engine" / "convert.py")]
    request = json.dumps({"checkpoint": str(broken), "folder": str(tmp_path)})
    done = subprocess.run(command, input=request, capture_output=True, text=True, check=True)
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["type"], last["code"]) == ("error", "model_unavailable")
    folder = tmp_path / "fast"
    folder.mkdir()
    request = json.dumps({"checkpoint": str(SPEECH_MODEL), "folder": str(folder)})
    done = subprocess.run(command, input=request, capture_output=True, text=True, check=True)
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["usable"]
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert {name: file["bytes"] for name, file in last["files"].items()} == sizes
