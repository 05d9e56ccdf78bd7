"""Token-and-duration transducer (TDT) loss along a known alignment, for the CPU.

The loss of Xu et al., "Efficient Sequence Transduction by Jointly Predicting Tokens and Durations"
(2023), sums over every path through the lattice of (frame, tokens emitted). Here the synthesiser
says when each word is spoken, so only paths that agree with it are summed: a token may be emitted
in certain frames only, and may be told where its duration has to lead. Two things follow. The
model learns word starts and ends that are true, and learns them without first having to find an
alignment; and only the few cells of the lattice that a path may visit need the joint network.
With nothing forbidden it is NeMo's loss: see tests/test_tdt_loss.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from training.tdt_lattice import IMPOSSIBLE, backward, forward


@dataclass(frozen=True, slots=True)
class Constraints:
    """When the U tokens of one clip of T frames may be emitted.

    Attributes:
        cost_at: [U, T] added to the log-probability of emitting a token in a frame.
        cost_to: [U, T] added for the frame that emission plus duration leads to. Values of
            minus infinity forbid.
        longest: [U] the longest duration allowed.
    """

    cost_at: npt.NDArray[np.float32]
    cost_to: npt.NDArray[np.float32]
    longest: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells that allowed paths of a batch may visit, in flat order.

    Attributes:
        first, last: [B, U+1] the first and last frame of each lattice column.
        offset: [B, U+1] where the column begins in the flat order.
        clip, frame, column: [N] the cell's place, for gathering the joint network's inputs.
    """

    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    clip: torch.Tensor
    frame: torch.Tensor
    column: torch.Tensor


def cells(constraints: list[Constraints], frames: npt.NDArray[np.int64]) -> Cells:
    """Lay out the cells that a path may visit.

    Args:
        constraints: One for each clip, for its number of frames.
        frames: [B] encoder frames of each clip.
    """
    columns = max(len(item.longest) for item in constraints) + 1
    first = np.zeros((len(constraints), columns), np.int64)
    last = np.full((len(constraints), columns), -1, np.int64)
    for index, item in enumerate(constraints):
        count = len(item.longest)
        for u in range(count):
            allowed = np.flatnonzero(np.isfinite(item.cost_at[u]))
            reached = np.flatnonzero(np.isfinite(item.cost_to[u]))
            last[index, u] = allowed[-1]
            first[index, u + 1] = max(allowed[0], reached[0])
        last[index, count] = frames[index] - 1
    sizes = np.maximum(last - first + 1, 0)
    offset = (np.cumsum(sizes) - sizes.ravel()).reshape(sizes.shape)
    column = np.repeat(np.arange(sizes.size), sizes.ravel())
    frame = np.arange(len(column)) - offset.ravel()[column] + first.ravel()[column]
    return Cells(
        first,
        last,
        offset,
        torch.from_numpy(column // columns),
        torch.from_numpy(frame),
        torch.from_numpy(column % columns),
    )


def _clip(
    scores: list[npt.NDArray[np.float64]],
    rules: Constraints,
    columns: tuple[npt.NDArray[np.int64], ...],
    frames: int,
    durations: npt.NDArray[np.int64],
    gradients: list[npt.NDArray[np.float64]],
) -> float:
    """The loss of one clip; adds its gradient. Infinity, and no gradient, without a path.

    From (t, u) a blank of duration d > 0 leads to (t + d, u), a token to (t + d, u + 1). The last
    blank has to reach the end exactly.
    """
    first, last, offset = columns
    # The end, behind the last cell, has the place of one more column.
    columns = (first, last, np.append(offset, len(scores[0])))
    costs = (rules.cost_at, rules.cost_to, rules.longest)
    if first[0] > last[0]:
        return float("inf")
    alpha = forward(tuple(scores), costs, columns, frames, durations)
    if alpha[-1] <= IMPOSSIBLE / 2:
        return float("inf")
    backward(tuple(scores), costs, columns, frames, durations, alpha, tuple(gradients))
    return -float(alpha[-1])


class _Lattice(torch.autograd.Function):
    """The sum over paths, with the gradient that the forward pass has already found."""

    @staticmethod
    def forward(
        ctx: Any,
        blank: torch.Tensor,
        label: torch.Tensor,
        duration: torch.Tensor,
        layout: Cells,
        constraints: list[Constraints],
        frames: npt.NDArray[np.int64],
        durations: npt.NDArray[np.int64],
    ) -> torch.Tensor:
        scores = [x.detach().double().contiguous().numpy() for x in (blank, label, duration)]
        gradients = [np.zeros(x.shape) for x in scores]
        losses = np.zeros(len(constraints))
        bounds = np.append(layout.offset[:, 0], len(scores[0]))
        for index, item in enumerate(constraints):
            begin, end = bounds[index], bounds[index + 1]
            used = slice(len(item.longest) + 1)  # the clip's own columns, without the padding
            losses[index] = _clip(
                [x[begin:end] for x in scores],
                item,
                (
                    layout.first[index, used],
                    layout.last[index, used],
                    layout.offset[index, used] - begin,
                ),
                int(frames[index]),
                durations,
                [x[begin:end] for x in gradients],
            )
        ctx.save_for_backward(*[torch.from_numpy(x).float() for x in gradients])
        ctx.clip = layout.clip
        return torch.from_numpy(losses).float()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        blank, label, duration = ctx.saved_tensors
        scale = grad[ctx.clip]
        return scale * blank, scale * label, scale[:, None] * duration, None, None, None, None


def tdt_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    layout: Cells,
    constraints: list[Constraints],
    frames: npt.NDArray[np.int64],
    durations: tuple[int, ...],
    sigma: float = 0.0,
) -> torch.Tensor:
    """Negative log-likelihood of each clip over the allowed paths.

    Args:
        logits: [N, V+1+D] joint network outputs of the cells: vocabulary, blank, durations.
        labels: [B, U] tokens, padded with any token.
        layout: The cells, from ``cells``.
        constraints: The same that the cells were laid out with.
        frames: [B] encoder frames of each clip.
        durations: The D durations, in frames.
        sigma: Subtracted from every token's and blank's log-probability (under-normalisation).

    Returns:
        [B] losses in nats; infinite, without gradient, where no path is allowed.
    """
    count = len(durations)
    vocabulary, duration = logits[:, :-count], logits[:, -count:]
    norm = torch.logsumexp(vocabulary, -1) + sigma
    padded = torch.nn.functional.pad(labels, (0, 1))
    label = vocabulary.gather(1, padded[layout.clip, layout.column][:, None])[:, 0] - norm
    losses: torch.Tensor = _Lattice.apply(  # type: ignore[no-untyped-call] # torch has no type
        vocabulary[:, -1] - norm,
        label,
        torch.log_softmax(duration, -1),
        layout,
        constraints,
        frames,
        np.array(durations, dtype=np.int64),
    )
    return losses
