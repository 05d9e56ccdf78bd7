"""Hotwords: phrases that are to be heard rather than what sounds like them.

A recording's phrases become a tree of tokens. While the search says what is on a way through it,
the tokens that go on get a bonus; at the end of a phrase the bonus is kept, and where the phrase
breaks off it is taken back. This is NeMo's boosting tree with its scores (``GPUBoostingTreeModel``
in NeMo 3.0.0, after the context graph of Icefall), an Aho-Corasick automaton. As in NeMo's greedy
search the bonus chooses among tokens only: where the model hears nothing, nothing is put in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor

WEIGHT: Final = 1.0
"""Of the bonus against the scores of the model, which are logarithms of odds (NeMo's alpha)."""
FIRST_SCORE: Final = 1.0
"""Bonus of a phrase's first token (NeMo's ``context_score``)."""
NEXT_SCORE: Final = 2.0
"""Bonus of each later token; the logarithm of its place is added (NeMo's ``depth_scaling`` times
``context_score``). The values are NeMo's for transducers."""
ROWS_KEPT: Final = 128
"""Of states that a search was in; 4 MB with a vocabulary of 8192."""
TREES_KEPT: Final = 8
"""Of the last jobs: the windows of a long recording follow each other."""


def written(phrases: Iterable[str]) -> list[str]:
    """The ways in which phrases may stand in a text, each once.

    As given, and with the first letter as at the beginning of a sentence or in the middle of one. A
    first word with a pattern of its own ("iPhone", "NASA") stays as it is.
    """
    ways: dict[str, None] = {}
    for phrase in phrases:
        ways[phrase] = None
        first, rest = phrase[:1], phrase[1:]
        if not rest.partition(" ")[0] or rest.partition(" ")[0].islower():
            ways[first.upper() + rest] = None
            ways[first.lower() + rest] = None
    return list(ways)


def choose(scores: Tensor, own: Tensor, bonuses: Mapping[int, Tensor]) -> Tensor:
    """The best tokens of a batch of recordings, some of which have hotwords.

    Whether it is a token or the blank is the model's own choice.

    Args:
        scores: The model's, shape (recordings, frames, tokens); the blank is the last.
        own: Its best, shape (recordings, frames).
        bonuses: Of the tokens, shape (tokens but for the blank,), by the row of the recording.
    """
    if not bonuses:
        return own
    rows = torch.tensor(list(bonuses), device=own.device)
    bonus, blank = torch.stack([*bonuses.values()]), scores.shape[-1] - 1
    liked = (scores[rows, :, :blank] + bonus[:, None]).max(-1).indices
    best = own.clone()
    best[rows] = torch.where(own[rows] == blank, blank, liked)
    return best


class Speller:
    """Phrases to tokens, as the model was taught to write them.

    Args:
        tokenizer: A SentencePiece model, as in its file.
    """

    def __init__(self, tokenizer: bytes) -> None:
        from sentencepiece import SentencePieceProcessor  # 50 ms that only hotwords pay

        self._processor = SentencePieceProcessor(model_proto=tokenizer)

    def spelled(self, text: str) -> list[int]:
        """The tokens of a text; none where it has a letter that none of the model's pieces has."""
        tokens: list[int] = self._processor.encode(text)
        return [] if self._processor.unk_id() in tokens else tokens

    def spellings(self, phrases: Iterable[str]) -> list[list[int]]:
        """The tokens of each way to write each phrase, but for those that cannot be written."""
        return [tokens for way in written(phrases) if (tokens := self.spelled(way))]


@dataclass(slots=True)
class _Node:
    """What has been said of a phrase; NeMo's ``ContextState``."""

    bonus: float = 0.0
    """Of its last token."""
    total: float = 0.0
    """Of all its tokens."""
    depth: int = 0
    whole: bool = False
    """It is a phrase."""
    next: dict[int, int] = field(default_factory=dict)
    shorter: int = 0
    """The longest other node that what has been said ends with."""
    lost: float = 0.0
    """Bonus of going on from the shorter node instead: what is taken back, so not above 0."""


class Hotwords:
    """The phrases of one recording. A search begins in state 0.

    Args:
        spellings: The tokens of each phrase.
        vocabulary: The model's number of tokens, without the blank.
        device: Where the bonuses are wanted.
    """

    def __init__(
        self, spellings: Iterable[Sequence[int]], vocabulary: int, device: torch.device
    ) -> None:
        self._nodes = _tree(spellings)
        self._vocabulary, self._device = vocabulary, device
        self._rows: dict[int, Tensor] = {}

    def bonus(self, state: int) -> Tensor:
        """What is added to the score of each token, shape (vocabulary,), in fp32."""
        row = self._rows.get(state)
        if row is None:
            if len(self._rows) >= ROWS_KEPT:
                self._rows.clear()
            found, lost = self._bonuses(state)
            row = torch.full((self._vocabulary,), WEIGHT * lost)
            row[list(found)] = WEIGHT * torch.tensor(list(found.values()))
            row = self._rows[state] = row.to(self._device)
        return row

    def _bonuses(self, state: int) -> tuple[dict[int, float], float]:
        """By token, and that of all other tokens."""
        found: dict[int, float] = {}
        lost = 0.0
        while True:
            node = self._nodes[state]
            for token, child in node.next.items():
                found.setdefault(token, lost + self._nodes[child].bonus)
            if state == 0:
                return found, lost
            lost += node.lost
            state = node.shorter

    def after(self, state: int, token: int) -> int:
        """The state once a token has been said."""
        return _after(self._nodes, state, token)


class Listening:
    """Phrases to what a search listens for.

    Args:
        tokenizer: A SentencePiece model, as in its file.
        vocabulary: The model's number of tokens, without the blank.
        device: Where the search is.
    """

    def __init__(self, tokenizer: bytes, vocabulary: int, device: torch.device) -> None:
        self._speller = Speller(tokenizer)
        self._vocabulary, self._device = vocabulary, device
        self._kept = lru_cache(maxsize=TREES_KEPT)(self._make)

    def __call__(self, hotwords: Sequence[Sequence[str]]) -> list[Hotwords | None] | None:
        """The trees of some recordings; None where there is nothing to listen for in any."""
        trees = [self._kept(tuple(phrases)) for phrases in hotwords]
        return trees if any(tree is not None for tree in trees) else None

    def _make(self, phrases: tuple[str, ...]) -> Hotwords | None:
        spellings = self._speller.spellings(phrases)
        return Hotwords(spellings, self._vocabulary, self._device) if spellings else None


def _tree(spellings: Iterable[Sequence[int]]) -> list[_Node]:
    """The automaton's nodes; the first has nothing said yet."""
    nodes = [_Node()]
    for tokens in spellings:
        state = 0
        for token in tokens:
            node = nodes[state]
            if token not in node.next:
                depth = node.depth + 1
                bonus = FIRST_SCORE if depth == 1 else NEXT_SCORE + math.log(depth)
                node.next[token] = len(nodes)
                nodes.append(_Node(bonus, node.total + bonus, depth))
            state = node.next[token]
        nodes[state].whole = state != 0
    for node in sorted(nodes, key=lambda node: node.depth):  # what is shorter is complete
        for token, child in node.next.items():
            ahead = nodes[child]
            ahead.shorter = _after(nodes, node.shorter, token) if node.depth else 0
            ahead.lost = 0.0 if ahead.whole else nodes[ahead.shorter].total - ahead.total
    return nodes


def _after(nodes: list[_Node], state: int, token: int) -> int:
    while True:
        node = nodes[state]
        if token in node.next:
            return node.next[token]
        if state == 0:
            return 0
        state = node.shorter
