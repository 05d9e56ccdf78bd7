"""From a NeMo model to the shape and the weights of the fast one."""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import Tensor

from engine.shape import Shape

NORMALISATION_GUARD: Final = 1e-5
"""The epsilon of torch's BatchNorm1d, which NeMo leaves as it is."""


class UnsupportedError(Exception):
    """The model has something that the fast one does not know."""


_EXPECTED: Final = {
    "preprocessor.normalize": "per_feature",
    "preprocessor.window": "hann",
    "preprocessor.frame_splicing": 1,
    "preprocessor.log": True,
    "preprocessor.log_zero_guard_type": "add",
    "preprocessor.exact_pad": False,
    "preprocessor.mag_power": 2.0,
    "encoder.subsampling": "dw_striding",
    "encoder.causal_downsampling": False,
    "encoder.reduction": None,
    "encoder.self_attention_model": "rel_pos",
    "encoder.att_context_style": "regular",
    "encoder.conv_norm_type": "batch_norm",
    "encoder.conv_context_size": None,
    "decoder.blank_as_pad": True,
    "decoder.normalization_mode": None,
    "joint.jointnet.activation": "relu",
}
"""What the fast model takes for granted. A setting that a configuration leaves out has this value
by NeMo's defaults."""


def shape_of(config: Any) -> Shape:
    """Read a model's configuration.

    Args:
        config: The ``cfg`` of an ``EncDecRNNTBPEModel``.

    Raises:
        UnsupportedError: Something in it is unknown here; the message names it.
    """
    for name, expected in _EXPECTED.items():
        found = _setting(config, name, expected)
        if found != expected:
            raise UnsupportedError(f"{name} is {found!r} and not {expected!r}")
    if list(_setting(config, "encoder.att_context_size", [-1, -1])) != [-1, -1]:
        raise UnsupportedError("the encoder was trained with a limited attention context")
    sound, encoder, decoder, joint = (
        config.preprocessor, config.encoder, config.decoder, config.joint
    )  # fmt: skip
    rate_hz = int(sound.sample_rate)
    width = int(encoder.d_model)
    return Shape(
        sample_rate_hz=rate_hz,
        window_samples=int(sound.window_size * rate_hz),
        stride_samples=int(sound.window_stride * rate_hz),
        fft_samples=int(sound.n_fft),
        mel_bands=int(sound.features),
        preemphasis=float(_setting(config, "preprocessor.preemph", 0.97)),
        log_guard=float(_setting(config, "preprocessor.log_zero_guard_value", 2**-24)),
        layers=int(encoder.n_layers),
        width=width,
        heads=int(encoder.n_heads),
        feed_forward_width=width * int(encoder.ff_expansion_factor),
        conv_kernel=int(encoder.conv_kernel_size),
        subsampling=int(encoder.subsampling_factor),
        subsampling_channels=int(encoder.subsampling_conv_channels),
        bias=bool(_setting(config, "encoder.use_bias", True)),
        input_scale=math.sqrt(width) if _setting(config, "encoder.xscaling", True) else 1.0,
        prediction_width=int(decoder.prednet.pred_hidden),
        prediction_layers=int(decoder.prednet.pred_rnn_layers),
        joint_width=int(joint.jointnet.joint_hidden),
        vocabulary=int(joint.num_classes),
        durations=tuple(int(duration) for duration in config.decoding.durations),
        max_symbols=int(_setting(config, "decoding.greedy.max_symbols", None) or 10),
    )


def _setting(config: Any, name: str, default: object) -> Any:
    for part in name.split("."):
        if config is None or part not in config:
            return default
        config = config[part]
    return config


def weights_of(state: dict[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """The fast model's weights, in fp32.

    Args:
        state: The NeMo model's ``state_dict``.
        shape: Its shape.

    Raises:
        UnsupportedError: A weight is missing, or one is left over.
    """
    left = {name: value for name, value in state.items() if not name.startswith("loss.")}
    left.pop("encoder.pos_bias_u", None)  # tied ones stand with each layer too
    left.pop("encoder.pos_bias_v", None)
    try:
        weights = {
            "mel.window": left.pop("preprocessor.featurizer.window"),
            "mel.fb": left.pop("preprocessor.featurizer.fb"),
            "transducer.embed.weight": left.pop("decoder.prediction.embed.weight"),
        }
        for index in range(shape.layers):
            _fold(left, f"encoder.layers.{index}.conv.")
        for index in range(shape.prediction_layers):
            lstm, cell = "decoder.prediction.dec_rnn.lstm.{}_{}_l{}", f"transducer.cells.{index}."
            halves = [left.pop(lstm.format("weight", side, index)) for side in ("ih", "hh")]
            weights[cell + "weight"] = torch.cat(halves, 1)
            biases = [left.pop(lstm.format("bias", side, index)) for side in ("ih", "hh")]
            weights[cell + "bias"] = biases[0] + biases[1]
        for name in [name for name in left if name.startswith("joint.joint_net.")]:
            weights["transducer.joint." + name.rpartition(".")[2]] = left.pop(name)
    except KeyError as error:
        raise UnsupportedError(f"it has no weight {error}") from error
    for name, value in left.items():
        pointwise = ".pointwise_conv" in name and value.ndim == 3
        weights[name.replace("joint.", "transducer.")] = value.squeeze(2) if pointwise else value
    return {name: value.detach().float().contiguous() for name, value in weights.items()}


def _fold(state: dict[str, Tensor], conv: str) -> None:
    """Put a layer's batch normalisation into the depthwise convolution before it."""
    norm, depthwise = f"{conv}batch_norm.", f"{conv}depthwise_conv."
    state.pop(f"{norm}num_batches_tracked", None)
    variance = state.pop(f"{norm}running_var").double()
    scale = state.pop(f"{norm}weight").double() / torch.sqrt(variance + NORMALISATION_GUARD)
    shift = state.pop(f"{norm}bias").double() - state.pop(f"{norm}running_mean").double() * scale
    weight = state[f"{depthwise}weight"].double()
    bias = state.pop(f"{depthwise}bias", None)
    state[f"{depthwise}weight"] = (weight * scale[:, None, None]).float()
    state[f"{depthwise}bias"] = (shift if bias is None else shift + bias.double() * scale).float()
