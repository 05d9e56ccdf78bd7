"""Which recordings go through a network together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MAX_PADDING: Final = 1.25
"""Padding costs as much as speech: a batch may be so many times longer than what is in it."""


def cut(lengths_s: Sequence[float], max_batch_s: float) -> list[list[int]]:
    """Divide recordings into batches, from the shortest to the longest.

    Every recording is in one batch. A batch is as long as its longest recording for each of them:
    that is at most ``max_batch_s``, but for a recording that is longer by itself, which is alone,
    and at most ``MAX_PADDING`` of what it holds.

    Args:
        lengths_s: Of the recordings.
        max_batch_s: What there is memory for.

    Returns:
        Batches of indices.
    """
    batches: list[list[int]] = []
    held_s = 0.0
    for index in sorted(range(len(lengths_s)), key=lambda i: (lengths_s[i], i)):
        length_s = lengths_s[index]
        held_s += length_s
        size_s = (len(batches[-1]) + 1) * length_s if batches else 0.0
        if batches and size_s <= max_batch_s and size_s <= MAX_PADDING * held_s:
            batches[-1].append(index)
        else:
            batches.append([index])
            held_s = length_s
    return batches
