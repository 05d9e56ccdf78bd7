"""Fitting a linear layer without training it."""

from __future__ import annotations

import torch


def least_squares(
    inputs: torch.Tensor, outputs: torch.Tensor, ridge: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The linear layer that comes nearest to these outputs: ridge regression, in closed form.

    Args:
        inputs: (count, features).
        outputs: (count, size).
        ridge: Of the inputs' mean variance. More of it follows the outputs less closely, and is
            less moved by rounding in the inputs.

    Returns:
        Its weight (size, features) and bias (size,).
    """
    inputs, outputs = inputs.double(), outputs.double()
    centre, mean = inputs.mean(dim=0), outputs.mean(dim=0)
    rest, wanted = inputs - centre, outputs - mean
    damping = ridge * rest.square().mean() * len(rest)
    if len(rest) > rest.shape[1]:
        gram = rest.T @ rest
        weight = torch.linalg.solve(gram + damping * torch.eye(len(gram)), rest.T @ wanted).T
    else:
        gram = rest @ rest.T
        weight = torch.linalg.solve(gram + damping * torch.eye(len(gram)), wanted).T @ rest
    return weight.float(), (mean - weight @ centre).float()
