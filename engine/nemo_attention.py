"""The switch between full and local attention in a NeMo model.

NeMo's own ``change_attention_model()`` is not used. NeMo 3.0.0 rebuilds every attention layer with
biases, so a model without them (Parakeet v2 and v3) gets random ones that stay, and leaves the new
layers in training mode. Here nothing is rebuilt: the local class is a subclass of the full one
with the same parameters, so the layers change their class and the weights are never touched.
"""

from __future__ import annotations

from typing import Any, Final

from nemo.collections.asr.parts.submodules.multi_head_attention import (
    LocalAttRelPositionalEncoding,
    RelPositionalEncoding,
    RelPositionMultiHeadAttention,
    RelPositionMultiHeadAttentionLongformer,
)

from engine.attention import LOCAL_CONTEXT_FRAMES, Reach
from speech.errors import EngineError

_NEMO_NAME: Final[dict[Reach, str]] = {"full": "rel_pos", "local": "rel_pos_local_attn"}
_CONTEXT_FRAMES: Final[dict[Reach, tuple[int, int]]] = {
    "full": (-1, -1),
    "local": (LOCAL_CONTEXT_FRAMES, LOCAL_CONTEXT_FRAMES),
}
_CLASSES: Final[dict[Reach, type]] = {
    "full": RelPositionMultiHeadAttention,
    "local": RelPositionMultiHeadAttentionLongformer,
}


def set_attention(model: Any, kind: Reach) -> None:
    """Let a NeMo model with a FastConformer encoder use this attention. Cheap, and free if it does.

    The model's configuration is left alone: it describes the checkpoint.

    Args:
        model: An ``EncDecRNNTBPEModel``, or anything with such an ``encoder``.
        kind: The attention to use from now on.

    Raises:
        EngineError: ``engine_failed``, if the encoder has another kind of attention, or if the
            parameters' names changed by the switch.
    """
    encoder = model.encoder
    if encoder.self_attention_model not in _NEMO_NAME.values():
        raise EngineError(
            "engine_failed",
            f"the encoder's attention is {encoder.self_attention_model!r}; full and local attention"
            " exist only for relative positions (rel_pos)",
        )
    context = list(_CONTEXT_FRAMES[kind])
    if encoder.self_attention_model == _NEMO_NAME[kind] and encoder.att_context_size == context:
        return
    names = model.state_dict().keys()
    for layer in encoder.layers:
        _change_class(layer.self_attn, kind)
        layer.self_attention_model = _NEMO_NAME[kind]
    encoder.pos_enc = _positions_like(encoder.pos_enc, kind)
    encoder.self_attention_model = _NEMO_NAME[kind]
    encoder.att_context_size = context
    # A long recording raises this limit, and full attention would then not extend its new, shorter
    # table of positions: back to the start, which also fills the table.
    encoder.set_max_audio_length(encoder.pos_emb_max_len)
    model.eval()
    if model.state_dict().keys() != names:
        raise EngineError("engine_failed", "switching the attention changed the model's parameters")


def _change_class(attention: Any, kind: Reach) -> None:
    """Give an attention layer the other class; the attributes below are all that the local adds."""
    attention.__class__ = _CLASSES[kind]
    attention.att_context_size = list(_CONTEXT_FRAMES[kind])
    attention.global_tokens = 0
    attention.global_tokens_spacing = 1
    attention.global_attn_separate = False


def _positions_like(old: Any, kind: Reach) -> Any:
    """Positional encodings of this kind with the settings of ``old``, without a table yet."""
    settings = {
        "d_model": old.d_model,
        "dropout_rate": old.dropout.p,
        "max_len": old.max_len,
        "xscale": old.xscale,
        "dropout_rate_emb": old.dropout_emb.p if old.dropout_emb else 0.0,
    }
    if kind == "full":
        return RelPositionalEncoding(**settings)
    return LocalAttRelPositionalEncoding(list(_CONTEXT_FRAMES[kind]), **settings)
