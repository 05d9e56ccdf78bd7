"""Train the miniature Parakeet TDT on the clips of ``training.speech_data``.

    python -m training.speech_data SHARDS &
    python -m training.speech_train SHARDS OUT.nemo [--budget-s 3300] [--checkpoint RUN.pt]

Two losses share the encoder: the TDT loss along the known alignment, and the word spoken in every
frame with cross-entropy, on a layer that is thrown away. Saved are averaged weights.
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from training import speech_model, tdt_loss
from training.espeak import Espeak
from training.speech_examples import DevelopmentSet, Example, Pool, normalised, pad
from training.speech_targets import WORD_CLASSES, constraints, frame_classes

_WARM_UP_STEPS = 100
_FLAT_SHARE = 0.3  # of the budget at the full learning rate
_AVERAGE_STEPS = 400  # time constant of the averaged weights
_WORD_WEIGHT = 0.5  # of the frame cross-entropy
_LARGEST_GRADIENT = 2.0  # norm to clip to
_REPORT_S = 300.0
_REPORT_STEPS = 50
_USABLE_WER = 15.0  # percent; a model below it replaces the file
_DEVELOPMENT_CLIPS = 75  # of each kind
# A quarter of the batches hears 5 s to either side only, so that a long recording, of which local
# attention hears as little, is nothing new.
_ATTENTION_CONTEXTS = {(-1, -1): 0.75, (64, 64): 0.25}


def _word_loss(
    word_head: torch.nn.Module, encoded: torch.Tensor, batch: list[Example], frames: list[int]
) -> torch.Tensor:
    """Cross-entropy of the word spoken in each frame."""
    classes = torch.full(encoded.shape[:2], -100)
    for row, (item, count) in enumerate(zip(batch, frames, strict=True)):
        classes[row, :count] = frame_classes(item.words, count)
    return torch.nn.functional.cross_entropy(
        word_head(encoded).flatten(0, 1), classes.flatten(), ignore_index=-100
    )


def losses(
    model: Any, word_head: torch.nn.Module, batch: list[Example], mels: list[torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The losses of one batch.

    Args:
        model: The NeMo model.
        word_head: The layer that names the word of a frame.
        batch: The examples.
        mels: Their normalised features.

    Returns:
        ``tdt`` in nats for each token, ``word`` in nats for each frame, and ``dropped``, the share
        of clips whose words are too close for the alignment to be possible.
    """
    mel, lengths = pad(mels)
    encoded, encoded_lengths = model.encoder(audio_signal=mel, length=lengths)
    encoded = encoded.transpose(1, 2)
    frames = encoded_lengths.tolist()
    rules = [constraints(item.tokens, count) for item, count in zip(batch, frames, strict=True)]
    layout = tdt_loss.cells(rules, encoded_lengths.numpy())
    tokens = [torch.tensor([token.piece for token in item.tokens]) for item in batch]
    counts = torch.tensor([len(item) for item in tokens])
    labels = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
    predicted, _, _ = model.decoder(targets=labels, target_length=counts)
    heard = model.joint.project_encoder(encoded)
    said = model.joint.project_prednet(predicted.transpose(1, 2))
    heard_rows = layout.clip * heard.shape[1] + layout.frame
    said_rows = layout.clip * said.shape[1] + layout.column
    found = tdt_loss.tdt_loss(
        model.joint.joint_net(
            heard.flatten(0, 1).index_select(0, heard_rows)
            + said.flatten(0, 1).index_select(0, said_rows)
        ),
        labels,
        layout,
        rules,
        encoded_lengths.numpy(),
        speech_model.DURATIONS,
        speech_model.SIGMA,
    )
    possible = torch.isfinite(found)
    return {
        "tdt": found[possible].sum() / max(int(counts[possible].sum()), 1),
        "word": _word_loss(word_head, encoded, batch, frames),
        "dropped": (~possible).float().mean(),
    }


def learning_rate(peak: float, step: int, done: float) -> float:
    """Warm-up, flat, then half a cosine down to 1 %; ``done`` is the share of the budget spent."""
    falling = max(0.0, (done - _FLAT_SHARE) / (1 - _FLAT_SHARE))
    shape = max(0.01, 0.5 * (1 + math.cos(math.pi * min(falling, 1.0))))
    return peak * min(1.0, (step + 1) / _WARM_UP_STEPS) * shape


class Run:
    """A model in training, its averaged weights, and what is needed to continue."""

    def __init__(self, tokenizer: Path, peak: float, checkpoint: Path) -> None:
        self.model = speech_model.build(tokenizer)
        self.average = speech_model.build(tokenizer)
        self.average.load_state_dict(self.model.state_dict())
        self.word_head = torch.nn.Linear(speech_model.WIDTH, len(WORD_CLASSES) + 1)
        self.parameters = [*self.model.parameters(), *self.word_head.parameters()]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=peak, betas=(0.9, 0.98), weight_decay=1e-3, fused=True
        )
        self._peak, self._checkpoint = peak, checkpoint
        self.model.encoder.att_context_size_all = [list(size) for size in _ATTENTION_CONTEXTS]
        self.model.encoder.att_context_probs = list(_ATTENTION_CONTEXTS.values())
        self._values = list(self.model.state_dict().values())
        self._averages = list(self.average.state_dict().values())

    def _update_average(self, step: int) -> None:
        """Move the averaged weights and batch statistics towards the current ones."""
        share = max(1 / _AVERAGE_STEPS, 1 / (step / 10 + 1))
        pairs = list(zip(self._averages, self._values, strict=True))
        with torch.no_grad():
            torch._foreach_lerp_(  # one call in place of some 250
                [kept for kept, _ in pairs if kept.is_floating_point()],
                [value for _, value in pairs if value.is_floating_point()],
                share,
            )
            for kept, value in pairs:
                if not kept.is_floating_point():
                    kept.copy_(value)

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "average": self.average, "head": self.word_head}

    def save(self) -> None:
        """Write the checkpoint."""
        torch.save({name: x.state_dict() for name, x in self._parts().items()}, self._checkpoint)

    def continue_from(self, checkpoint: Path) -> None:
        """Take over the weights of an earlier run; the optimiser starts anew."""
        state = torch.load(checkpoint)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def step(self, step: int, done: float, batch: list[Example], mels: list[torch.Tensor]) -> Any:
        """One update; returns the losses."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self._peak, step, done)
        self.model.train()
        parts = losses(self.model, self.word_head, batch, mels)
        self.optimizer.zero_grad()
        (parts["tdt"] + _WORD_WEIGHT * parts["word"]).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, _LARGEST_GRADIENT)
        if torch.isfinite(norm):
            self.optimizer.step()
        self._update_average(step)
        return {name: float(loss.detach()) for name, loss in parts.items()}


def train(args: argparse.Namespace, tokenizer: Path) -> None:
    """Train for the budget, saving the model whenever it is usable."""
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    rng, espeak = random.Random(args.seed), Espeak()
    run = Run(tokenizer, args.lr, args.checkpoint)
    if args.init:
        run.continue_from(args.init)
    development = {
        "held out": DevelopmentSet(espeak, 11, _DEVELOPMENT_CLIPS, held_out=True),
        "seen": DevelopmentSet(espeak, 12, _DEVELOPMENT_CLIPS, held_out=False),
    }
    print(f"{sum(x.numel() for x in run.model.parameters())} parameters", flush=True)
    pool = Pool(args.shards, run.model.tokenizer)
    begin_s = reported_s = time.monotonic()
    means: dict[str, float] = {}
    heard_s = 0.0
    for step, batch in enumerate(pool.batches(rng, args.max_frames)):
        elapsed_s = time.monotonic() - begin_s
        mels = [normalised(item, rng, pool.examples) for item in batch]
        for name, value in run.step(step, elapsed_s / args.budget_s, batch, mels).items():
            means[name] = 0.98 * means.get(name, value) + 0.02 * value
        heard_s += sum(item.mel.shape[1] for item in batch) / 100
        if step % _REPORT_STEPS == 0:
            shown = " ".join(f"{name} {mean:.4f}" for name, mean in means.items())
            print(
                f"{elapsed_s:.0f} s step {step} {shown} heard {heard_s / 3600:.1f} h "
                f"pool {len(pool.examples)}",
                flush=True,
            )
        over = elapsed_s > args.budget_s
        if over or time.monotonic() - reported_s > _REPORT_S:
            reported_s = time.monotonic()
            rates = {name: item.word_error_rate(run.average) for name, item in development.items()}
            shown = ", ".join(f"{name} {rate:.2f} %" for name, rate in rates.items())
            print(f"{elapsed_s:.0f} s step {step}: raw word error rate {shown}", flush=True)
            if max(rates.values()) < _USABLE_WER:
                speech_model.save(run.average, args.out)
            run.save()
        if over:
            return


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path)
    parser.add_argument("out", type=Path, help="the .nemo file to write")
    parser.add_argument("--checkpoint", type=Path, default=Path("speech.pt"))
    parser.add_argument("--init", type=Path, help="the checkpoint of an earlier run")
    parser.add_argument("--budget-s", type=float, default=3300.0)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--max-frames", type=int, default=5000, help="mel frames in a batch")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = Path(folder) / "tokenizer"
        speech_model.train_tokenizer(tokenizer)
        train(args, tokenizer)


if __name__ == "__main__":
    main()
