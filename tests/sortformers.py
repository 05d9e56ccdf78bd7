"""A small streaming Sortformer with random weights, built from its own configuration.

The configuration is that of NVIDIA's model (streaming_sortformer_diarizer_4spk-v2.yaml in NeMo's
repository), with smaller numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from nemo.collections.asr.models import SortformerEncLabelModel
from omegaconf import OmegaConf

from engine.sortformer_model import Streaming

SPEAKERS: Final = 4
SHORT: Final = Streaming(
    chunk_len=25,
    chunk_left_context=1,
    chunk_right_context=5,
    fifo_len=10,
    spkcache_update_period=20,
    spkcache_len=24,
)
"""Chunks of 2 s: a short recording has many, and fills the cache again and again."""

_ASR: Final = "nemo.collections.asr"
_WIDTH, _HIDDEN = 32, 16
_CONFIG: Final = {
    "sample_rate": 16000,
    "pil_weight": 0.5,
    "ats_weight": 0.5,
    "max_num_of_spks": SPEAKERS,
    "streaming_mode": True,
    "model_defaults": {"fc_d_model": _WIDTH, "tf_d_model": _HIDDEN},
    "preprocessor": {
        "_target_": f"{_ASR}.modules.AudioToMelSpectrogramPreprocessor",
        "normalize": "NA",
        "window_size": 0.025,
        "sample_rate": 16000,
        "window_stride": 0.01,
        "window": "hann",
        "features": 128,
        "n_fft": 512,
        "frame_splicing": 1,
        "dither": 0.00001,
    },
    "sortformer_modules": {
        "_target_": f"{_ASR}.modules.sortformer_modules.SortformerModules",
        "num_spks": SPEAKERS,
        "dropout_rate": 0.5,
        "fc_d_model": _WIDTH,
        "tf_d_model": _HIDDEN,
        "spkcache_len": 188,
        "fifo_len": 0,
        "chunk_len": 188,
        "spkcache_update_period": 188,
        "chunk_left_context": 1,
        "chunk_right_context": 1,
        "spkcache_sil_frames_per_spk": 3,
    },
    "encoder": {
        "_target_": f"{_ASR}.modules.ConformerEncoder",
        "feat_in": 128,
        "feat_out": -1,
        "n_layers": 1,
        "d_model": _WIDTH,
        "subsampling": "dw_striding",
        "subsampling_factor": 8,
        "subsampling_conv_channels": 16,
        "self_attention_model": "rel_pos",
        "n_heads": 4,
        "att_context_size": [-1, -1],
        "xscaling": True,
        "untie_biases": True,
        "conv_kernel_size": 9,
        "conv_norm_type": "batch_norm",
    },
    "transformer_encoder": {
        "_target_": f"{_ASR}.modules.transformer.transformer_encoders.TransformerEncoder",
        "num_layers": 1,
        "hidden_size": _HIDDEN,
        "inner_size": 32,
        "num_attention_heads": 4,
        "hidden_act": "relu",
        "pre_ln": False,
        "pre_ln_final_layer_norm": True,
    },
    "loss": {"_target_": f"{_ASR}.losses.bce_loss.BCELoss", "weight": None, "reduction": "mean"},
}


def build(**changes: Any) -> Any:
    """The model, whose probabilities go up and down with what it hears."""
    torch.manual_seed(0)
    model = SortformerEncLabelModel(cfg=OmegaConf.create({**_CONFIG, **changes})).eval()
    with torch.no_grad():
        last = model.sortformer_modules.single_hidden_to_spks
        last.weight.mul_(60.0)
        last.bias.zero_()
    return model


def save(path: Path, **changes: Any) -> Path:
    """Its checkpoint."""
    build(**changes).save_to(str(path))
    return path
