"""The speech model's configuration and tokenizer: Parakeet TDT 0.6B v3, in miniature."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sentencepiece
from omegaconf import DictConfig, OmegaConf, open_dict

from training import grammar
from training.espeak import SAMPLE_RATE_HZ
from training.speech_data import MEL_BANDS

FRAME_S = 0.08  # an encoder frame: hops of 10 ms, subsampled by 8
DURATIONS = (0, 1, 2, 3, 4)  # frames that a token may take
SIGMA = 0.02  # under-normalisation of the TDT loss, as in NeMo's recipes
WIDTH = 96
_LAYERS = 4
_PIECES = 320
# Short pieces, so that a long word has several tokens: the first one marks the word's start, and
# the last one, which takes 0.32 s at most, its end.
_PIECE_LENGTH = 4
_TOKENIZER_SENTENCES = 20_000


def train_tokenizer(directory: Path) -> None:
    """Write tokenizer.model and the vocab.txt that NeMo keeps beside it."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = random.Random(5)
    sentences: Iterator[str] = (grammar.sentence(rng) for _ in range(_TOKENIZER_SENTENCES))
    prefix = directory / "tokenizer"
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=sentences,
        model_prefix=str(prefix),
        vocab_size=_PIECES,
        model_type="bpe",
        max_sentencepiece_length=_PIECE_LENGTH,
        character_coverage=1.0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        unk_id=0,
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model")
    pieces = [model.id_to_piece(index) for index in range(1, model.get_piece_size())]
    lines = [piece[1:] if piece.startswith("▁") else "##" + piece for piece in pieces]
    (directory / "vocab.txt").write_text("\n".join(lines), encoding="utf-8")


def _front(asr: str) -> dict[str, Any]:
    return {
        "preprocessor": {
            "_target_": f"{asr}.AudioToMelSpectrogramPreprocessor",
            "sample_rate": SAMPLE_RATE_HZ,
            "normalize": "per_feature",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": MEL_BANDS,
            "n_fft": 512,
            "frame_splicing": 1,
            "dither": 1e-5,
            "pad_to": 0,
        },
        "spec_augment": {
            "_target_": f"{asr}.SpectrogramAugmentation",
            "freq_masks": 2,
            "time_masks": 2,
            "freq_width": 12,
            "time_width": 0.03,
        },
    }


def _encoder(asr: str) -> dict[str, Any]:
    return {
        "_target_": f"{asr}.ConformerEncoder",
        "feat_in": MEL_BANDS,
        "feat_out": -1,
        "n_layers": _LAYERS,
        "d_model": WIDTH,
        "use_bias": False,
        "subsampling": "dw_striding",
        "subsampling_factor": 8,
        "subsampling_conv_channels": 24,
        "causal_downsampling": False,
        "reduction": None,
        "reduction_position": None,
        "reduction_factor": 1,
        "ff_expansion_factor": 4,
        "self_attention_model": "rel_pos",
        "n_heads": 4,
        "att_context_size": [-1, -1],
        "att_context_style": "regular",
        "xscaling": False,
        "untie_biases": True,
        "pos_emb_max_len": 5000,
        "conv_kernel_size": 9,
        "conv_norm_type": "batch_norm",
        "conv_context_size": None,
        # Every clip of the training is new: there is nothing to overfit to.
        "dropout": 0.0,
        "dropout_pre_encoder": 0.0,
        "dropout_emb": 0.0,
        "dropout_att": 0.0,
        "stochastic_depth_drop_prob": 0.0,
    }


def _transducer(asr: str) -> dict[str, Any]:
    durations = list(DURATIONS)
    return {
        "decoder": {
            "_target_": f"{asr}.RNNTDecoder",
            "normalization_mode": None,
            "random_state_sampling": False,
            "blank_as_pad": True,
            "prednet": {"pred_hidden": WIDTH, "pred_rnn_layers": 1, "t_max": None, "dropout": 0.0},
        },
        "joint": {
            "_target_": f"{asr}.RNNTJoint",
            "log_softmax": None,
            "preserve_memory": False,
            "fuse_loss_wer": False,
            "fused_batch_size": None,
            "num_extra_outputs": len(durations),
            "jointnet": {"joint_hidden": WIDTH, "activation": "relu", "dropout": 0.0},
        },
        "decoding": {
            "strategy": "greedy_batch",
            "model_type": "tdt",
            "durations": durations,
            "greedy": {"max_symbols": 10},
            "beam": {"beam_size": 2, "return_best_hypothesis": False, "score_norm": True},
        },
        "loss": {
            "loss_name": "tdt",
            "tdt_kwargs": {
                "fastemit_lambda": 0.0,
                "clamp": -1.0,
                "durations": durations,
                "sigma": SIGMA,
                "omega": 0.1,
            },
        },
    }


def model_config(tokenizer: Path) -> DictConfig:
    """The configuration, with the keys of the published Parakeet TDT models.

    Args:
        tokenizer: Folder that ``train_tokenizer`` wrote.
    """
    asr = "nemo.collections.asr.modules"
    dataset = {"manifest_filepath": None, "sample_rate": SAMPLE_RATE_HZ, "batch_size": 8}
    return OmegaConf.create(
        {
            "sample_rate": SAMPLE_RATE_HZ,
            "compute_eval_loss": False,
            "log_prediction": False,
            "rnnt_reduction": "mean_volume",
            "skip_nan_grad": False,
            "model_defaults": {
                "enc_hidden": WIDTH,
                "pred_hidden": WIDTH,
                "joint_hidden": WIDTH,
                "tdt_durations": list(DURATIONS),
                "num_tdt_durations": len(DURATIONS),
            },
            "train_ds": {**dataset, "shuffle": True},
            # transcribe() reads use_start_end_token from it, and fails where it is null.
            "validation_ds": {**dataset, "shuffle": False, "use_start_end_token": False},
            "test_ds": None,
            "tokenizer": {"dir": str(tokenizer), "type": "bpe"},
            **_front(asr),
            "encoder": _encoder(asr),
            **_transducer(asr),
            "optim": {"name": "adamw", "lr": 3e-3, "betas": [0.9, 0.98], "weight_decay": 1e-3},
        }
    )


def build(tokenizer: Path) -> Any:
    """A model with random weights."""
    from nemo.collections.asr.models import EncDecRNNTBPEModel

    model = EncDecRNNTBPEModel(model_config(tokenizer))
    with open_dict(model.cfg):
        model.cfg.tokenizer.dir = "tokenizer"  # the archive names no folder of this machine
    return model


def save(model: Any, path: Path) -> None:
    """Write the ``.nemo`` file in one step: whoever reads it meets a whole one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.stem}.unfinished.nemo")
    model.save_to(str(unfinished))
    unfinished.replace(path)
