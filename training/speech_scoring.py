"""Word errors."""

from __future__ import annotations

import re
from collections.abc import Sequence


def edit_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Levenshtein distance in words: the least insertions, deletions and substitutions."""
    row = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, found in enumerate(hypothesis, 1):
            best = min(row[j] + 1, row[j - 1] + 1, diagonal + (expected != found))
            diagonal, row[j] = row[j], best
    return row[-1]


def plain(text: str) -> str:
    """Lower case without punctuation."""
    return re.sub(r"[^a-z ]", "", text.lower())


def word_error_rate(texts: Sequence[str], found: Sequence[str]) -> float:
    """Word errors in percent of the words of all texts; case and punctuation count."""
    pairs = [(text.split(), guess.split()) for text, guess in zip(texts, found, strict=True)]
    errors = sum(edit_distance(text, guess) for text, guess in pairs)
    return 100 * errors / sum(len(text) for text, _ in pairs)
