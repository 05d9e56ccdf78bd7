"""Which attention hears a recording, and the switch between the two kinds.

Full attention lets every frame see every other one: the best text, with memory that grows with the
square of the length. Local attention lets a frame see 256 frames (20 s) to either side and grows
linearly. Both use the same weights.

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

from speech.errors import EngineError
from speech.types import AttentionChoice, AttentionUsed

FULL_ATTENTION_MAX_S: Final = 24 * 60.0
"""What NVIDIA gives for one pass of full attention (on an A100 with 80 GB)."""
MAX_DURATION_S: Final = 3 * 3600.0
"""What NVIDIA gives for one pass of local attention."""
LOCAL_CONTEXT_FRAMES: Final = (256, 256)
"""Encoder frames that local attention sees before and after each frame."""

_NEMO_NAME: Final[dict[AttentionUsed, str]] = {"full": "rel_pos", "local": "rel_pos_local_attn"}
_CONTEXT_FRAMES: Final[dict[AttentionUsed, tuple[int, int]]] = {
    "full": (-1, -1),
    "local": LOCAL_CONTEXT_FRAMES,
}
_CLASSES: Final[dict[AttentionUsed, type]] = {
    "full": RelPositionMultiHeadAttention,
    "local": RelPositionMultiHeadAttentionLongformer,
}


def choose_attention(duration_s: float, choice: AttentionChoice) -> AttentionUsed:
    """The attention for a recording.

    ``auto`` takes full attention up to ``FULL_ATTENTION_MAX_S`` and local attention beyond. An
    explicit choice is obeyed; full attention beyond that length may run out of memory.

    Args:
        duration_s: Length of what is to be heard.
        choice: The request's option.

    Raises:
        EngineError: ``audio_too_long``, beyond ``MAX_DURATION_S``.
    """
    if duration_s > MAX_DURATION_S:
        raise EngineError(
            "audio_too_long",
            f"the recording lasts {duration_s:.0f} s, and at most {MAX_DURATION_S:.0f} s (3 hours)"
            " can be transcribed at once; send it in parts with start and end",
        )
    if choice != "auto":
        return choice
    return "full" if duration_s <= FULL_ATTENTION_MAX_S else "local"


def set_attention(model: Any, kind: AttentionUsed) -> None:
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


def _change_class(attention: Any, kind: AttentionUsed) -> None:
    """Give an attention layer the other class; the attributes below are all that the local adds."""
    attention.__class__ = _CLASSES[kind]
    attention.att_context_size = list(_CONTEXT_FRAMES[kind])
    attention.global_tokens = 0
    attention.global_tokens_spacing = 1
    attention.global_attn_separate = False


def _positions_like(old: Any, kind: AttentionUsed) -> Any:
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
    return LocalAttRelPositionalEncoding(list(LOCAL_CONTEXT_FRAMES), **settings)
