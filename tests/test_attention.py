"""Full and local attention, and the switch between them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from nemo.collections.asr.parts.submodules.multi_head_attention import (
    RelPositionMultiHeadAttention,
    RelPositionMultiHeadAttentionLongformer,
)

from engine.attention import (
    LOCAL_CONTEXT_FRAMES,
    Reach,
)
from engine.nemo_attention import set_attention
from speech.errors import EngineError
from tests.models import build_wide, encode, noise, relative_error, restore_demo

BOTH: tuple[Reach, ...] = ("local", "full")
SHORTER_THAN_WINDOW_S = 15.0
LONGER_THAN_WINDOW_S = 45.0


@pytest.fixture(scope="module", params=["wide", "demo"])
def build(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Any]:
    """Makes the model anew: NeMo's models cannot be copied."""
    if request.param == "wide":
        return partial(build_wide, tmp_path_factory.mktemp("tokenizer"))
    return restore_demo


@pytest.fixture(scope="module")
def kept_model(build: Callable[[], Any]) -> Any:
    return build()


@pytest.fixture
def model(kept_model: Any) -> Iterator[Any]:
    """The module's model, with full attention before and after each test."""
    yield kept_model
    set_attention(kept_model, "full")


def in_training(model: Any) -> list[str]:
    return [name for name, module in model.named_modules() if module.training]


def test_the_models_have_no_biases_in_their_attention(model: Any) -> None:
    assert not [
        name for name in model.state_dict() if "self_attn.linear" in name and "bias" in name
    ]


def test_local_equals_full_for_audio_within_the_window(model: Any) -> None:
    samples = noise(SHORTER_THAN_WINDOW_S)
    full = encode(model, samples)
    assert full.shape[2] <= LOCAL_CONTEXT_FRAMES
    set_attention(model, "local")
    assert relative_error(encode(model, samples), full) < 1e-5


def test_local_differs_from_full_for_audio_beyond_the_window(model: Any) -> None:
    samples = noise(LONGER_THAN_WINDOW_S)
    full = encode(model, samples)
    set_attention(model, "local")
    assert relative_error(encode(model, samples), full) > 1e-5


def test_back_to_full_is_bit_identical(model: Any) -> None:
    samples = noise(LONGER_THAN_WINDOW_S)
    full = encode(model, samples)
    set_attention(model, "local")
    local = encode(model, samples)
    set_attention(model, "full")
    assert torch.equal(encode(model, samples), full)
    set_attention(model, "local")
    assert torch.equal(encode(model, samples), local)


def test_full_hears_beyond_its_first_table_of_positions_after_local_did(model: Any) -> None:
    """NeMo's limit of the table counts feature frames: 5000 are 50 s."""
    samples = noise(60.0)
    full = encode(model, samples)
    set_attention(model, "local")
    encode(model, samples)
    set_attention(model, "full")
    assert relative_error(encode(model, samples), full) < 1e-6


def test_nothing_is_ever_in_training_mode(model: Any) -> None:
    assert in_training(model) == []
    set_attention(model, "local")
    assert in_training(model) == []
    set_attention(model, "full")
    assert in_training(model) == []


def test_the_attention_it_has_is_kept_as_it_is(model: Any) -> None:
    before = model.encoder.pos_enc
    set_attention(model, "full")
    assert model.encoder.pos_enc is before


def test_dtype_is_kept(build: Callable[[], Any]) -> None:
    half = build().to(torch.bfloat16)
    set_attention(half, "local")
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    assert half.encoder.pos_enc.pe.dtype == torch.bfloat16


def test_a_hundred_switches_leak_nothing_and_change_no_weight(model: Any) -> None:
    samples = noise(1.0)
    for kind in BOTH:  # what is made on first use
        set_attention(model, kind)
        encode(model, samples)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    identities = {name: id(parameter) for name, parameter in model.named_parameters()}
    before = census()
    for round_ in range(50):
        for kind in BOTH:
            set_attention(model, kind)
            if round_ % 10 == 0:
                encode(model, samples)
    assert census() == before
    assert {name: id(parameter) for name, parameter in model.named_parameters()} == identities
    after = model.state_dict()
    assert after.keys() == weights.keys()
    assert all(torch.equal(after[name], value) for name, value in weights.items())


def census() -> tuple[int, int]:
    """How many tensors and modules are alive."""
    gc.collect()
    alive = gc.get_objects()
    kinds = [type(thing) for thing in alive]  # isinstance() would wake lazy proxies
    tensors = sum(issubclass(kind, torch.Tensor) for kind in kinds)
    return tensors, sum(issubclass(kind, torch.nn.Module) for kind in kinds)


def test_a_switched_layer_has_all_that_a_layer_built_local_has(model: Any) -> None:
    built = RelPositionMultiHeadAttentionLongformer(
        n_head=4,
        n_feat=8,
        dropout_rate=0.0,
        pos_bias_u=None,
        pos_bias_v=None,
        att_context_size=[LOCAL_CONTEXT_FRAMES] * 2,
        use_bias=False,
    )
    set_attention(model, "local")
    for layer in model.encoder.layers:
        assert type(layer.self_attn) is RelPositionMultiHeadAttentionLongformer
        assert vars(built).keys() <= vars(layer.self_attn).keys()
        for name in ("att_context_size", "global_tokens", "global_tokens_spacing"):
            assert getattr(layer.self_attn, name) == getattr(built, name)
        assert layer.self_attn.global_attn_separate is built.global_attn_separate
    set_attention(model, "full")
    assert {type(layer.self_attn) for layer in model.encoder.layers} == {
        RelPositionMultiHeadAttention
    }


def test_nemos_own_switch_still_damages_the_model(build: Callable[[], Any]) -> None:
    """When this fails, NeMo is mended, and engine.attention may use change_attention_model()."""
    samples = noise(SHORTER_THAN_WINDOW_S)
    damaged = build()
    full = encode(damaged, samples)
    torch.manual_seed(0)
    damaged.change_attention_model("rel_pos_local_attn", [LOCAL_CONTEXT_FRAMES] * 2)
    damaged.eval()
    assert relative_error(encode(damaged, samples), full) > 1e-3
    damaged.change_attention_model("rel_pos", [-1, -1])
    damaged.eval()
    assert relative_error(encode(damaged, samples), full) > 1e-3


def test_absolute_positions_are_refused() -> None:
    other = SimpleNamespace(encoder=SimpleNamespace(self_attention_model="abs_pos"))
    with pytest.raises(EngineError, match="abs_pos"):
        set_attention(other, "local")
