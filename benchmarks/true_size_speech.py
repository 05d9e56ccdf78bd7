"""A Parakeet TDT 0.6B v3 of true size with random weights, for measurements without the model hub.

Time and memory depend on the shapes, which are the published ones, and on how many tokens come out.
Random weights as they come say one token for ever, or none; and where they say many, each follows
from so small a difference that bf16 says others than fp32. So a few layers are set from one
recording of speech (``calibrate``):

1. Each layer of the subsampling gives mean 0 and variance 1, so that what the encoder hears is the
   audio and not its own offsets, which would drown it in bf16.
2. Half of the joint's hidden units see the encoder only, half the prediction network only. Blank is
   the encoder's: fitted by least squares to say whether anybody speaks, which is far from being
   doubtful in nearly every frame. Tokens and durations are the prediction network's, each with mean
   0 and variance 1: what follows depends on what was said, and every token wins about as often.
   Full stops and commas get a bonus, so that there are sentences.
3. The bias of the longest duration is found by bisection, so that as many tokens a second come out
   as of a person who talks: three.

Texts are nonsense, then, but they are as long as the speech, stop where it stops, and are the same
in every precision.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import sentencepiece
import torch
from nemo.collections.asr.models import EncDecRNNTBPEModel
from omegaconf import DictConfig, open_dict

from benchmarks.least_squares import least_squares

ROOT: Final = Path(__file__).resolve().parent.parent
DEMO_MODEL: Final = ROOT / "demo" / "models" / "speech.nemo"
RATE_HZ: Final = 16000
TOKENS_A_SECOND: Final = 3.0
MARK_SHORT_OF_BEST: Final = 1.75
"""How far, in deviations, a mark stays behind the best token on average: one in 20 wins."""
RARE: Final = -3.0
BISECTIONS: Final = 10
SILENT_POWER: Final = 1e-3
"""Of the loudest frame's: 30 dB below it."""
LIVELY: Final = 3.0
"""Of the LSTM's input weights: else it dwells on what it has said, and says it again."""
RIDGE: Final = 1e-2
AROUND: Final = 2
"""Frames: a word's own pauses are no silence."""
SURE: Final = 20.0
"""Of the blank's logit, between a silent and a spoken frame. Tokens differ by one or two."""
HISTORIES: Final = 8
HISTORY_TOKENS: Final = 64


@dataclass(frozen=True, slots=True)
class SpeechSize:
    """The shapes of a model."""

    layers: int
    width: int
    heads: int
    channels: int
    predictor: int
    """Width of the prediction network's LSTM and of the joint."""
    pieces: int
    mel_bands: int
    parameters: int | None
    """How many there must be in all, where that is known."""


TRUE: Final = SpeechSize(24, 1024, 8, 256, 640, 8192, 128, 627_008_134)
SMALL: Final = SpeechSize(2, 256, 4, 64, 128, 512, 128, None)


def build(size: SpeechSize, samples: np.ndarray, path: Path) -> None:
    """Make a model from a seed, and write it as a ``.nemo`` file.

    Args:
        size: Its shapes.
        samples: Speech to calibrate on, mono at 16 kHz; 20 s will do.
        path: Of the file. The tokenizer is written to a folder beside it.
    """
    tokenizer = path.with_name("tokenizer")
    marks = write_tokenizer(size.pieces, tokenizer)
    torch.manual_seed(0)
    model: Any = EncDecRNNTBPEModel(cfg=model_config(size, tokenizer)).eval()
    count = sum(parameter.numel() for parameter in model.parameters())
    assert size.parameters in {None, count}, f"{count} parameters instead of {size.parameters}"
    calibrate(model, samples, marks)
    model.save_to(str(path))


def write_tokenizer(pieces: int, folder: Path) -> list[int]:
    """Train SentencePiece on invented words; the numbers of the punctuation marks."""
    folder.mkdir(parents=True, exist_ok=True)
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=invented_sentences(),
        model_writer=written,
        vocab_size=pieces,
        model_type="bpe",
        character_coverage=1.0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        unk_id=0,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(written.getvalue())
    model = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    spelled = [model.id_to_piece(number) for number in range(model.get_piece_size())]
    lines = [piece[1:] if piece.startswith("▁") else "##" + piece for piece in spelled[1:]]
    (folder / "vocab.txt").write_text("\n".join(lines), encoding="utf-8")
    return [number for number, piece in enumerate(spelled) if piece in {".", ",", "?"}]


def invented_sentences() -> Iterator[str]:
    """Sentences of twelve words of one to four syllables."""
    rng = random.Random(0)
    begins = (*"bcdfghjklmnprstvwz", "ch", "sh", "th", "st", "tr", "pl")
    ends = ("", "n", "r", "s", "t", "l", "m", "ng")
    vowels = (*"aeiou", "ai", "ea", "oo")
    syllables = [begin + vowel + end for begin in begins for vowel in vowels for end in ends]
    words = [
        "".join(rng.choice(syllables) for _ in range(rng.choice((1, 1, 2, 2, 2, 3, 4))))
        for _ in range(20_000)
    ]
    for _ in range(4000):
        first, *rest = (rng.choice(words) for _ in range(12))
        rest[5] += ","
        yield " ".join((first.capitalize(), *rest)) + rng.choice((".", "?"))


def model_config(size: SpeechSize, tokenizer: Path) -> DictConfig:
    """Parakeet's configuration: the demo model's, which has its keys, in these shapes."""
    cfg: DictConfig = EncDecRNNTBPEModel.restore_from(str(DEMO_MODEL), return_config=True)
    with open_dict(cfg):
        cfg.tokenizer = {"dir": str(tokenizer), "type": "bpe"}
        cfg.labels = None  # both are filled in from the tokenizer
        cfg.joint.vocabulary = None
        cfg.preprocessor.features = size.mel_bands
        cfg.encoder.update(
            feat_in=size.mel_bands,
            n_layers=size.layers,
            d_model=size.width,
            n_heads=size.heads,
            subsampling_conv_channels=size.channels,
            use_bias=False,
            xscaling=False,
        )
        cfg.model_defaults.update(
            enc_hidden=size.width, pred_hidden=size.predictor, joint_hidden=size.predictor
        )
        cfg.decoder.prednet.update(pred_hidden=size.predictor, pred_rnn_layers=2)
        cfg.joint.jointnet.update(
            joint_hidden=size.predictor, encoder_hidden=size.width, pred_hidden=size.predictor
        )
    return cfg


@torch.inference_mode()
def calibrate(model: Any, samples: np.ndarray, marks: list[int]) -> float:
    """Make the model say about three tokens a second of this speech; how many they became."""
    model.freeze()
    model.preprocessor.featurizer.dither = 0.0
    signal, length = torch.from_numpy(samples)[None], torch.tensor([samples.size])
    features, frames = model.preprocessor(input_signal=signal, length=length)
    subsampling = model.encoder.pre_encode
    for layer in subsampling.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            standardise(layer, outputs_of(layer, lambda: subsampling(features.mT, frames)))
    encoded, encoded_length = model.encoder(audio_signal=features, length=frames)

    split_joint(model)
    outputs, blank = model.joint.joint_net[-1], model.decoder.blank_idx
    hidden = torch.relu(model.joint.enc(encoded[0].mT))
    best = NormalDist().inv_cdf(1 - 1 / blank)
    outputs.bias[marks] += best - MARK_SHORT_OF_BEST
    outputs.bias[blank + 1] += RARE  # the duration 0
    weight, bias = least_squares(hidden, silent(samples, len(hidden))[:, None], RIDGE)
    outputs.weight[blank] = SURE * weight[0]
    outputs.bias[blank] = best + SURE * (bias[0] - 0.5)

    longest = float(outputs.bias[-1])
    low, high = -3.0, 8.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        outputs.bias[-1] = longest + middle
        (hypothesis,) = model.decoding.rnnt_decoder_predictions_tensor(
            encoded, encoded_length, return_hypotheses=True
        )
        rate = len(hypothesis.y_sequence) * RATE_HZ / samples.size
        low, high = (middle, high) if rate > TOKENS_A_SECOND else (low, middle)
    return float(rate)


def outputs_of(layer: torch.nn.Module, run: Callable[[], object]) -> torch.Tensor:
    """What a layer gives while something runs, (count, channels)."""
    given: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda _layer, _inputs, output: given.append(output))
    run()
    hook.remove()
    channels_last = isinstance(layer, torch.nn.Linear)
    output = given[0] if channels_last else given[0].movedim(1, -1)
    return output.reshape(-1, output.shape[-1])


def standardise(layer: Any, outputs: torch.Tensor) -> None:
    """Change a layer so that each of these outputs of it has mean 0 and variance 1."""
    scale = outputs.std(dim=0) + 1e-6
    layer.weight /= scale.view(-1, *(1,) * (layer.weight.ndim - 1))
    layer.bias.copy_((layer.bias - outputs.mean(dim=0)) / scale)


def split_joint(model: Any) -> None:
    """Give the encoder and the prediction network hidden units of their own; see the module."""
    joint, blank = model.joint, model.decoder.blank_idx
    outputs = joint.joint_net[-1]
    half = outputs.in_features // 2
    for layer, others in ((joint.enc, slice(half, None)), (joint.pred, slice(half))):
        layer.weight[others] = 0.0
        layer.bias[others] = 0.0
    outputs.weight[:, :half] = 0.0
    for name, parameter in model.decoder.prediction.dec_rnn.named_parameters():
        if "weight_ih" in name:
            parameter.mul_(LIVELY)
    histories = torch.randint(blank, (HISTORIES, HISTORY_TOKENS))
    states, _ = model.decoder.predict(histories, state=None, add_sos=False)
    logits = outputs(torch.relu(joint.pred(states)))
    standardise(outputs, logits.reshape(-1, logits.shape[-1]))


def silent(samples: np.ndarray, frames: int) -> torch.Tensor:
    """1 for each frame around which nobody speaks, else 0."""
    edges = np.linspace(0, samples.size, frames + 1).astype(int)
    power = [float(np.mean(np.square(part))) for part in np.split(samples, edges[1:-1])]
    loud = torch.tensor(power) > max(power) * SILENT_POWER
    around = torch.nn.functional.max_pool1d(loud.float()[None], 2 * AROUND + 1, 1, AROUND)[0]
    return torch.ones_like(around) - around
