"""The TDT lattice of one clip, compiled: probabilities of arriving, and their gradients.

``scores`` and ``gradients`` are (blank [N], label [N], duration [N, D]) over the clip's cells,
``rules`` the arrays of ``tdt_loss.Constraints``, ``columns`` (first frame, last frame, place of the
first cell) of each column, the places with that of the end, N, behind them.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

IMPOSSIBLE = -1e30


@numba.njit(cache=True)
def _logaddexp(a: float, b: float) -> float:
    if a < b:
        a, b = b, a
    if b <= IMPOSSIBLE / 2:
        return a
    return a + np.log1p(np.exp(b - a))


@numba.njit(cache=True)
def _after_blank(u: int, t: int, d: int, frames: int, columns: Any) -> int:
    """The cell that a blank of duration d leads to from (t, u), or -1."""
    first, last, offset = columns
    if d == 0:
        return -1
    if t + d <= last[u]:
        return int(offset[u] + t + d - first[u])
    at_end = u == len(offset) - 2 and t + d == frames
    return int(offset[-1]) if at_end else -1


@numba.njit(cache=True)
def _after_token(u: int, t: int, d: int, longest: Any, columns: Any) -> int:
    """The cell that token u with duration d leads to from (t, u), or -1."""
    first, last, offset = columns
    if u == len(longest) or d > longest[u] or t + d < first[u + 1] or t + d > last[u + 1]:
        return -1
    return int(offset[u + 1] + t + d - first[u + 1])


@numba.njit(cache=True)
def forward(scores: Any, rules: Any, columns: Any, frames: int, durations: Any) -> Any:
    """The log-probability of arriving in each cell; the last value is that of the end."""
    blank, label, duration = scores
    cost_at, cost_to, longest = rules
    first, last, offset = columns
    alpha = np.full(len(blank) + 1, IMPOSSIBLE)
    alpha[0] = 0.0
    for u in range(len(longest) + 1):
        for t in range(first[u], last[u] + 1):
            cell = offset[u] + t - first[u]
            for i in range(len(durations)):
                arrived = alpha[cell] + duration[cell, i]
                target = _after_blank(u, t, durations[i], frames, columns)
                if target >= 0:
                    alpha[target] = _logaddexp(alpha[target], arrived + blank[cell])
                target = _after_token(u, t, durations[i], longest, columns)
                if target >= 0:
                    cost = cost_at[u, t] + cost_to[u, t + durations[i]]
                    alpha[target] = _logaddexp(alpha[target], arrived + label[cell] + cost)
    return alpha


@numba.njit(cache=True)
def backward(
    scores: Any, rules: Any, columns: Any, frames: int, durations: Any, alpha: Any, gradients: Any
) -> None:
    """Subtract each arc's share of the probability from the gradients of what it used."""
    blank, label, duration = scores
    cost_at, cost_to, longest = rules
    first, last, offset = columns
    d_blank, d_label, d_duration = gradients
    beta = np.full(len(alpha), IMPOSSIBLE)
    beta[-1] = 0.0
    for u in range(len(longest), -1, -1):
        for t in range(last[u], first[u] - 1, -1):
            cell = offset[u] + t - first[u]
            for i in range(len(durations)):
                target = _after_blank(u, t, durations[i], frames, columns)
                if target >= 0:
                    arc = blank[cell] + duration[cell, i] + beta[target]
                    beta[cell] = _logaddexp(beta[cell], arc)
                    share = np.exp(min(alpha[cell] + arc - alpha[-1], 0.0))
                    d_blank[cell] -= share
                    d_duration[cell, i] -= share
                target = _after_token(u, t, durations[i], longest, columns)
                if target >= 0:
                    cost = cost_at[u, t] + cost_to[u, t + durations[i]]
                    arc = label[cell] + duration[cell, i] + cost + beta[target]
                    beta[cell] = _logaddexp(beta[cell], arc)
                    share = np.exp(min(alpha[cell] + arc - alpha[-1], 0.0))
                    d_label[cell] -= share
                    d_duration[cell, i] -= share
