"""The training's TDT loss against NeMo's own, and the paths that constraints leave."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from training.tdt_loss import Constraints, cells, tdt_loss

_DURATIONS = (0, 1, 2, 3, 4)
_SIGMA = 0.02


def _free(tokens: int, frames: int) -> Constraints:
    """Constraints that forbid nothing."""
    return Constraints(
        np.zeros((tokens, frames), np.float32),
        np.zeros((tokens, frames), np.float32),
        np.full(tokens, _DURATIONS[-1], np.int64),
    )


def _loss(
    logits: torch.Tensor, labels: torch.Tensor, rules: list[Constraints], frames: list[int]
) -> torch.Tensor:
    """The loss for joint outputs given for the whole lattice."""
    counts = np.array(frames)
    layout = cells(rules, counts)
    chosen = logits[layout.clip, layout.frame, layout.column]
    return tdt_loss(chosen, labels, layout, rules, counts, _DURATIONS, _SIGMA)


def test_without_constraints_it_is_nemos_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    from nemo.collections.asr.losses.rnnt_pytorch import TDTLossPytorch

    # NeMo's reference moves its work to a GPU, which its arithmetic does not need.
    monkeypatch.setattr(torch.Tensor, "cuda", lambda self, *_, **__: self)
    torch.manual_seed(0)
    vocabulary, frames, tokens = 11, [9, 7, 8], [4, 3, 2]
    logits = torch.randn(3, 9, 5, vocabulary + 1 + len(_DURATIONS), requires_grad=True)
    labels = torch.randint(0, vocabulary, (3, 4))

    reference = TDTLossPytorch(
        blank=vocabulary, durations=list(_DURATIONS), reduction="none", sigma=_SIGMA
    )(logits, labels, torch.tensor(frames), torch.tensor(tokens))
    found = _loss(
        logits, labels, [_free(u, t) for u, t in zip(tokens, frames, strict=True)], frames
    )

    assert torch.allclose(found, reference.float(), atol=1e-4)
    (expected,) = torch.autograd.grad(reference.sum(), logits)
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    assert torch.allclose(gradient, expected, atol=1e-5)


def _paths_by_hand(logits: torch.Tensor, labels: list[int], rules: Constraints) -> float:
    """The loss of one clip by walking every allowed path."""
    count = len(_DURATIONS)
    frames, tokens = logits.shape[0], len(labels)
    words = torch.log_softmax(logits[..., :-count], -1) - _SIGMA
    times = torch.log_softmax(logits[..., -count:], -1)

    def walk(t: int, u: int) -> list[float]:
        scores = []
        for (index, d), is_token in product(enumerate(_DURATIONS), (False, True)):
            n, time = t + d, float(times[t, u, index])
            if is_token and u < tokens and n < frames and d <= rules.longest[u]:
                cost = float(rules.cost_at[u, t] + rules.cost_to[u, n])
                here = float(words[t, u, labels[u]]) + time + cost
                scores += [here + rest for rest in walk(n, u + 1)] if np.isfinite(cost) else []
            if not is_token and d > 0 and n <= frames:
                here = float(words[t, u, -1]) + time
                if n == frames:
                    scores += [here] if u == tokens else []
                else:
                    scores += [here + rest for rest in walk(n, u)]
        return scores

    return -float(torch.logsumexp(torch.tensor(walk(0, 0), dtype=torch.float64), 0))


def test_constraints_leave_exactly_the_allowed_paths() -> None:
    torch.manual_seed(1)
    frames, labels = 7, [3, 1, 4]
    rules = _free(len(labels), frames)
    rules.cost_at[0, [0, 3, 4, 5, 6]] = -np.inf  # in frame 1 or 2,
    rules.cost_at[0, 2] = -0.7  # rather in 1
    rules.cost_to[1, [0, 1, 2, 3, 6]] = -np.inf  # leads to frame 4 or 5
    rules.longest[2] = 0
    logits = torch.randn(1, frames, len(labels) + 1, 6 + 1 + len(_DURATIONS))

    found = _loss(logits, torch.tensor([labels]), [rules], [frames])

    assert float(found[0]) == pytest.approx(_paths_by_hand(logits[0], labels, rules), abs=1e-4)


def test_a_clip_without_a_path_has_infinite_loss_and_no_gradient() -> None:
    torch.manual_seed(2)
    rules = _free(2, 5)
    rules.cost_at[0, :4] = -np.inf  # the first token in the last frame,
    rules.cost_at[1, 3:] = -np.inf  # the second before it
    logits = torch.randn(1, 5, 3, 6 + 1 + len(_DURATIONS), requires_grad=True)

    found = _loss(logits, torch.tensor([[1, 2]]), [rules], [5])

    assert torch.isinf(found).all()
    possible = torch.isfinite(found)
    found[possible].sum().backward()
    assert logits.grad is None or not logits.grad.any()
