"""Training of the segmentation network: who of up to three speaks in each frame of ten seconds."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pyannote.audio import Model
from pyannote.audio.utils.powerset import Powerset
from torch import nn
from torch.nn import functional as F

from training.speakers_data import Speaker, batch
from training.speakers_models import AT_ONCE, CHUNK_S, LOCAL_SPEAKERS, segmentation_network

_LEARNING_RATE = 2.5e-3
_AFFINITY_DIMENSION = 24
_AFFINITY_WEIGHT = 1.0
_LARGEST_GRADIENT = 1.0
_SECONDS_BETWEEN_REPORTS = 20.0


def frame_centres_s(network: Any) -> npt.NDArray[np.float64]:
    """Times, in seconds from a chunk's start, that the network's frames stand for."""
    field = network.receptive_field
    count = network.num_frames(round(CHUNK_S * network.hparams.sample_rate))
    centres: npt.NDArray[np.float64] = (
        field.start + field.duration / 2 + field.step * np.arange(count, dtype=np.float64)
    )
    return centres


def permutation_free_loss(scores: torch.Tensor, activity: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over the powerset classes under the best assignment of speakers to outputs.

    Args:
        scores: (batch, frames, classes) log-probabilities.
        activity: (batch, frames, LOCAL_SPEAKERS), 0.0 or 1.0.

    Returns:
        The mean over batch and frames, a scalar.
    """
    powerset = Powerset(LOCAL_SPEAKERS, AT_ONCE)
    losses = []
    for order in permutations(range(LOCAL_SPEAKERS)):
        classes = powerset.to_powerset(activity[..., list(order)]).argmax(-1)
        losses.append(F.nll_loss(scores.flatten(0, 1), classes.flatten(), reduction="none"))
    per_chunk = torch.stack(losses).view(len(losses), *scores.shape[:2]).mean(-1)
    return per_chunk.min(dim=0).values.mean()


def affinity_loss(vectors: torch.Tensor, activity: torch.Tensor) -> torch.Tensor:
    """Deep clustering (Hershey et al. 2016): frames of one speaker alike, of two orthogonal.

    Without it the network takes long to find out that voices differ: the cross-entropy alone
    rewards telling speakers apart only once it can follow them through the whole chunk.

    Args:
        vectors: (batch, frames, dimension), of any length.
        activity: (batch, frames, LOCAL_SPEAKERS); frames without exactly one speaker are left out.

    Returns:
        The mean squared error of the frames' pairwise similarities, a scalar.
    """
    alone = activity * (activity.sum(-1, keepdim=True) == 1)
    units = F.normalize(vectors, dim=-1) * alone.sum(-1, keepdim=True)
    pairs = alone.sum((1, 2)).square().clamp(min=1.0)

    def energy(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return (left.transpose(1, 2) @ right).square().sum((1, 2)) / pairs

    return (energy(units, units) - 2 * energy(units, alone) + energy(alone, alone)).mean()


def train_segmentation(
    pool: Sequence[Speaker],
    *,
    seconds: float,
    seed: int,
    start: Model | None = None,
    batch_size: int = 16,
) -> Model:
    """Train for a fixed time, the learning rate warming up and then falling to zero with it.

    Args:
        pool: The training speakers.
        seconds: How long to train.
        seed: Of the weights and of the mixtures.
        start: A trained network to continue with; None begins with random weights.
        batch_size: Chunks a step.

    Returns:
        The network, in evaluation mode.
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)
    network: Any = (start or segmentation_network()).train()
    # Fixed band-pass filters: their gradient alone would take three quarters of a step.
    network.sincnet.conv1d[0].requires_grad_(requires_grad=False)
    network.sincnet.wav_norm1d.requires_grad_(requires_grad=False)
    frames_s = frame_centres_s(network)
    peak = _LEARNING_RATE if start is None else 0.6 * _LEARNING_RATE
    affinity = nn.Linear(2 * network.hparams.lstm["hidden_size"], _AFFINITY_DIMENSION)
    first_layer: list[torch.Tensor] = []
    hook = network.lstm[0].register_forward_hook(
        lambda _layer, _inputs, outputs: first_layer.append(outputs[0])
    )
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    weights += affinity.parameters()
    optimizer = torch.optim.AdamW(weights, lr=_LEARNING_RATE, weight_decay=1e-3)
    begun = reported = time.monotonic()
    step, recent = 0, []
    while (share := (time.monotonic() - begun) / seconds) < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = peak * min(share / 0.03, 0.5 + 0.5 * np.cos(np.pi * share))
        examples = batch(rng, pool, frames_s, batch_size)
        loss: Any = permutation_free_loss(network(examples.audio), examples.activity)
        alike = affinity_loss(affinity(first_layer.pop()), examples.activity)
        optimizer.zero_grad()
        (loss + _AFFINITY_WEIGHT * alike).backward()
        torch.nn.utils.clip_grad_norm_(weights, _LARGEST_GRADIENT)
        optimizer.step()
        step += 1
        recent.append((loss.item(), alike.item()))
        if time.monotonic() - reported > _SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            error, alike_error = np.mean(recent, axis=0)
            print(
                f"segmentation {reported - begun:5.0f} s, step {step}: loss {error:.4f}, "
                f"affinity {alike_error:.4f}",
                flush=True,
            )
            recent = []
    hook.remove()
    trained: Model = network.eval()
    return trained
