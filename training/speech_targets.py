"""What the speech model has to learn from a clip: tokens, when they may be emitted, frame classes.

A word's first token belongs to the frame in which the word starts, its last token's duration leads
to the frame in which it ends, and its punctuation is emitted there with duration 0. That is how
NeMo reads a word's times from a TDT hypothesis: the start is the first token's frame, the end the
last token's frame plus its duration, and punctuation takes no time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from training import grammar
from training.espeak import SpokenWord
from training.speech_model import DURATIONS, FRAME_S
from training.tdt_loss import Constraints

WORD_CLASSES = {word.lower(): index + 1 for index, word in enumerate(grammar.LEXICON)}
_TOLERANCE = 1.0  # frames that a word's start or end may be off
_STRICTNESS = 1.5  # nats per squared frame off: of two frames allowed, the nearer one
_PUNCTUATION = ".,?"


@dataclass(frozen=True, slots=True)
class Token:
    """One token and the frames, real numbers, that it is tied to.

    Attributes:
        piece: Index in the vocabulary.
        at: Frame to emit it in, with the usual tolerance; None where ``between`` says it.
        to: Frame that its duration leads to; None where that is free.
        between: First and last frame to emit it in.
        instant: Whether its duration is 0.
    """

    piece: int
    at: float | None
    to: float | None
    between: tuple[float, float]
    instant: bool = False


def word_tokens(word: SpokenWord, encode: Callable[[str], list[int]]) -> list[Token]:
    """The tokens of one word with its punctuation.

    Args:
        word: The word and when it is spoken.
        encode: The tokenizer.
    """
    pieces = encode(word.text)
    start, end = word.start_s / FRAME_S, word.end_s / FRAME_S
    marked = word.text[-1] in _PUNCTUATION
    spoken = pieces[:-1] if marked else pieces
    if len(spoken) == 1:
        end = min(end, start + DURATIONS[-1])  # one token cannot reach further
    tokens = [
        Token(
            piece,
            at=start if index == 0 else None,
            to=end if index == len(spoken) - 1 else None,
            between=(start, end),
        )
        for index, piece in enumerate(spoken)
    ]
    if marked:
        tokens.append(Token(pieces[-1], at=end, to=None, between=(end, end), instant=True))
    return tokens


def constraints(tokens: Sequence[Token], frames: int) -> Constraints:
    """The frames that each token of a clip is allowed, near the frames it is tied to.

    Args:
        tokens: The clip's tokens.
        frames: The clip's encoder frames.
    """
    number = np.arange(frames, dtype=np.float32)
    last = frames - 1

    def near(frame: float | None) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        if frame is None:
            return np.zeros(frames, np.float32)
        off = number - min(frame, last)
        return np.where(np.abs(off) <= _TOLERANCE, -_STRICTNESS * off**2, -np.inf)

    cost_at = np.zeros((len(tokens), frames), np.float32)
    cost_to = np.zeros((len(tokens), frames), np.float32)
    for index, token in enumerate(tokens):
        low, high = (min(bound, last) for bound in token.between)
        inside = (number >= low - _TOLERANCE) & (number <= high + _TOLERANCE)
        cost_at[index] = np.where(inside, near(token.at), -np.inf)
        cost_to[index] = near(token.to)
    longest = np.array([0 if token.instant else DURATIONS[-1] for token in tokens], np.int64)
    return Constraints(cost_at, cost_to, longest)


def frame_classes(words: Sequence[SpokenWord], frames: int) -> torch.Tensor:
    """[frames] the class of the word spoken in each frame, 0 where none is."""
    classes = torch.zeros(frames, dtype=torch.long)
    for word in words:
        first = round(word.start_s / FRAME_S)
        last = max(round(word.end_s / FRAME_S), first + 1)
        classes[first:last] = WORD_CLASSES[re.sub("[^a-z]", "", word.text.lower())]
    return classes
