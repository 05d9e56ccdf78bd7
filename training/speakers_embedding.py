"""Training of the embedding network: which of the pool's speakers a voice in a mixture is."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from engine.small_resnet import SmallResNet
from training.speakers_data import Batch, Speaker, batch
from training.speakers_models import EMBEDDING_DIMENSION, embedding_network
from training.speakers_plda import fit_lda, fit_plda

_LEARNING_RATE = 3e-3
_SCALE, _MARGIN = 30.0, 0.2  # of the additive angular margin, as WeSpeaker trains with
_LEAST_FRAMES = 25  # of a speaker alone, about 0.85 s
_SPEAKERS = 400  # of the pool: more classes take longer to learn than they help
_LARGEST_GRADIENT = 5.0
_SECONDS_BETWEEN_REPORTS = 20.0


def masks(examples: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """What the pipeline gives to the network, from the truth.

    Args:
        examples: Chunks.

    Returns:
        Weights (batch, speakers, frames), 1.0 where only that speaker speaks, and whether a
        speaker speaks alone for long enough (batch, speakers).
    """
    alone = examples.activity * (examples.activity.sum(-1, keepdim=True) < 2)
    weights = alone.transpose(1, 2).contiguous()
    long_enough = weights.sum(-1) >= _LEAST_FRAMES
    # An empty mask has no deviation, and the gradient of its square root is not finite.
    return torch.where(long_enough[..., None], weights, torch.ones(())), long_enough


def halve(examples: Batch) -> Batch:
    """The first half of every chunk: twice as many examples in the same time."""
    samples, frames = examples.audio.shape[-1] // 2, examples.activity.shape[1] // 2
    return Batch(examples.audio[..., :samples], examples.activity[:, :frames], examples.speakers)


def statistics(network: SmallResNet, examples: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation, over the frames where they speak alone, of everybody who speaks.

    Args:
        network: Its convolutions are what is averaged.
        examples: Chunks with truth.

    Returns:
        (count, statistics), and (count,) the speakers' pool indices.
    """
    weights, long_enough = masks(examples)
    frames = network.resnet.forward_frames(network.compute_fbank(examples.audio))
    if network.training:
        # The deviation of a channel that is zero throughout has an infinite gradient.
        frames = frames + 1e-3 * torch.randn_like(frames)
    pooled = network.resnet.pool(frames, weights=weights)
    return pooled[long_enough], examples.speakers[long_enough]


class AngularMargin(nn.Module):
    """Additive angular margin softmax (ArcFace, Deng et al. 2019) over the training speakers."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(classes, EMBEDDING_DIMENSION))

    def forward(
        self, vectors: torch.Tensor, classes: torch.Tensor, margin: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean loss and the share of right answers; ``margin`` in radians."""
        cosines = F.linear(F.normalize(vectors), F.normalize(self.centres)).clamp(
            -1 + 1e-6, 1 - 1e-6
        )
        own = cosines.gather(1, classes[:, None])
        harder = own * math.cos(margin) - (1 - own.square()).sqrt() * math.sin(margin)
        logits = cosines.scatter(1, classes[:, None], harder)
        right = (cosines.argmax(1) == classes).float().mean()
        return F.cross_entropy(_SCALE * logits, classes), right


def train_embedding(
    pool: Sequence[Speaker],
    frames_s: npt.NDArray[np.float64],
    *,
    seconds: float,
    seed: int,
    batch_size: int = 24,
    start: SmallResNet | None = None,
) -> SmallResNet:
    """Train for a fixed time; the margin grows over the first third of it.

    Args:
        pool: The training speakers.
        frames_s: Centres of the segmentation network's frames in seconds.
        seconds: How long to train.
        seed: Of the weights and of the mixtures.
        batch_size: Chunks a step, of two or three speakers each.
        start: A network to continue with; None begins with random weights.

    Returns:
        The network, in evaluation mode.
    """
    torch.manual_seed(seed)
    rng, pool = random.Random(seed), pool[:_SPEAKERS]
    network, head = (start or embedding_network()).train(), AngularMargin(len(pool))
    weights = [*network.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=_LEARNING_RATE, weight_decay=1e-2)
    begun = reported = time.monotonic()
    step, recent = 0, []
    while (share := (time.monotonic() - begun) / seconds) < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * min(share / 0.03, 0.5 + 0.5 * np.cos(np.pi * share))
        examples = halve(batch(rng, pool, frames_s, batch_size))
        pooled, classes = statistics(network, examples)
        vectors = network.resnet.seg_1(pooled)
        loss, right = head(vectors, classes, _MARGIN * min(1.0, 3 * share))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, _LARGEST_GRADIENT)
        optimizer.step()
        step += 1
        recent.append((loss.item(), right.item()))
        if time.monotonic() - reported > _SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            mean_loss, mean_right = np.mean(recent, axis=0)
            print(
                f"embedding {reported - begun:5.0f} s, step {step}: loss {mean_loss:.3f}, "
                f"right {mean_right:.1%}",
                flush=True,
            )
            recent = []
    return network.eval()


@torch.inference_mode()
def calibrate(
    network: SmallResNet,
    pool: Sequence[Speaker],
    frames_s: npt.NDArray[np.float64],
    *,
    chunks: int,
    seed: int,
) -> dict[str, npt.NDArray[np.float64]]:
    """Replace the last layer by a discriminant analysis, which needs no steps, and fit the PLDA.

    Args:
        network: In evaluation mode; its last layer is changed.
        pool: The training speakers.
        frames_s: Centres of the segmentation network's frames in seconds.
        chunks: How many fresh mixtures to take.
        seed: Of the mixtures.

    Returns:
        The PLDA of the new embeddings.
    """
    rng, pool = random.Random(seed), pool[:_SPEAKERS]
    parts = [statistics(network, batch(rng, pool, frames_s, 16)) for _ in range(0, chunks, 16)]
    pooled = torch.cat([part for part, _ in parts]).double().numpy()
    classes = torch.cat([indices for _, indices in parts]).numpy()
    projection, offset = fit_lda(pooled, classes, EMBEDDING_DIMENSION)
    network.resnet.seg_1.weight.copy_(torch.from_numpy(projection.T))
    network.resnet.seg_1.bias.copy_(torch.from_numpy(offset))
    return fit_plda(pooled @ projection + offset, classes)
