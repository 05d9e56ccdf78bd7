"""The token-and-duration transducer: encoder frames in, emissions out, by greedy search.

At a frame the joint network, given what has been said, tells a token (or a blank) and how many
frames to skip (Xu et al. 2023, https://arxiv.org/abs/2304.06795). A blank skips at least one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from engine.hotwords import Hotwords, choose
from engine.shape import Shape

AHEAD: Final = 4
"""Frames of a recording that are looked at together. What has been said changes only with a token,
so the scores of the frames up to the next one can be had at once, for one reading of the joint's
weights. A token comes every fourth frame or so."""
ROWS_AHEAD: Final = 16
"""Of a batch so many frames are looked at together: with more, the arithmetic costs more than the
reading (2 cores, Parakeet's size: 0.45 ms for 1 row, 0.9 for 4, 2.0 for 32, 9.4 for 256)."""


@dataclass(frozen=True, slots=True)
class Emission:
    """One token."""

    token: int
    frame: int
    """Where it was emitted."""
    frames: int
    """How many it skipped."""
    confidence: float
    """Its probability among tokens and blank, scaled so that a uniform guess is 0. A token that was
    chosen for its bonus has the probability that it had without."""


class Transducer(nn.Module):
    """The prediction and the joint network. The parameters have NeMo's names.

    Args:
        shape: The model's.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        tokens = shape.vocabulary + 1
        self.embed = nn.Embedding(tokens, shape.prediction_width)
        # torch's own LSTM takes seven times as long for a single step on a CPU.
        self.cells = nn.ModuleList(
            nn.Linear(2 * shape.prediction_width, 4 * shape.prediction_width)
            for _ in range(shape.prediction_layers)
        )
        self.pred = nn.Linear(shape.prediction_width, shape.joint_width)
        self.enc = nn.Linear(shape.width, shape.joint_width)
        self.joint = nn.Linear(shape.joint_width, tokens + len(shape.durations))

    def predict(
        self, tokens: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Hear one more token of each recording.

        Args:
            tokens: Shape (batch,).
            state: Two tensors of shape (layers, batch, prediction width).

        Returns:
            The joint's share of it, shape (batch, joint width), and the new state.
        """
        x = self.embed(tokens)
        hidden, memory = [], []
        for cell, before, kept in zip(self.cells, *state, strict=True):
            taken, forgotten, new, shown = cell(torch.cat((x, before), 1)).chunk(4, 1)
            memory.append(forgotten.sigmoid() * kept + taken.sigmoid() * new.tanh())
            x = shown.sigmoid() * memory[-1].tanh()
            hidden.append(x)
        return self.pred(x), (torch.stack(hidden), torch.stack(memory))

    def start(self, batch: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """What ``predict`` gives before anything was said: NeMo asks with the blank."""
        weight = self.pred.weight
        zeros = weight.new_zeros(len(self.cells), batch, self.shape.prediction_width)
        blanks = torch.full((batch,), self.shape.vocabulary, device=weight.device)
        return self.predict(blanks, (zeros, zeros))

    def scores(self, encoded: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
        """The joint: (..., joint width) each, to the scores of tokens and of durations."""
        out = self.joint(torch.relu(encoded + predicted))
        tokens = self.shape.vocabulary + 1
        return out[..., :tokens], out[..., tokens:]


def confidence(scores: Tensor, chosen: Tensor | None = None) -> Tensor:
    """The highest probability, scaled to 0 for a uniform guess (NeMo's ``max_prob``, alpha 1).

    Args:
        scores: Shape (..., tokens).
        chosen: Shape (...). Where it is given, the probability of these tokens is taken.
    """
    count = scores.shape[-1]
    logs = scores.float().log_softmax(-1)
    if chosen is None:
        return (logs.amax(-1).exp() * count - 1) / (count - 1)
    likely = logs.gather(-1, chosen[..., None])[..., 0].exp()
    return ((likely * count - 1) / (count - 1)).clamp_min(0)


@dataclass(slots=True)
class _Stream:
    """One recording on its way through its frames."""

    index: int
    frames: int
    emissions: list[Emission]
    frame: int = 0
    symbols: int = 0
    """Tokens in a row that were emitted at the frame of the last one."""
    hotwords: Hotwords | None = None
    state: int = 0
    """Where in the hotwords it is."""

    def emit(self, token: int, skipped: int, sure: float, max_symbols: int) -> None:
        last = self.emissions[-1].frame if self.emissions else -1
        self.symbols = self.symbols + 1 if self.frame == last else 1
        self.emissions.append(Emission(token, self.frame, skipped, sure))
        self.frame += skipped
        if skipped == 0 and self.symbols >= max_symbols:
            self.frame += 1  # else a model that is sure of itself never comes to an end
        if self.hotwords is not None:
            self.state = self.hotwords.after(self.state, token)


def decode(
    model: Transducer,
    encoded: Tensor,
    lengths: Tensor,
    hotwords: Sequence[Hotwords | None] | None = None,
) -> list[list[Emission]]:
    """Greedy search over a batch; every recording by itself gives the same.

    Args:
        model: The networks.
        encoded: Shape (batch, frames, width).
        lengths: Shape (batch,), in frames.
        hotwords: Of each recording; None where none has any.

    Returns:
        The emissions of each recording, in order.
    """
    projected = model.enc(encoded.to(model.enc.weight.dtype))
    streams = [_Stream(index, frames, []) for index, frames in enumerate(lengths.tolist())]
    for stream, own in zip(streams, hotwords or (), strict=False):
        stream.hotwords = own
    results = [stream.emissions for stream in streams]
    streams = [stream for stream in streams if stream.frames]
    if streams:
        _search(model, projected, streams, listens=hotwords is not None)
    return results


def _search(model: Transducer, projected: Tensor, streams: list[_Stream], *, listens: bool) -> None:
    """Go on until every stream is at its end; those that are, leave the batch.

    ``listens``: some have hotwords.
    """
    predicted, state = model.start(len(streams))
    while streams:
        ahead = max(1, min(AHEAD, ROWS_AHEAD // len(streams)))
        rows = torch.tensor([[stream.index] for stream in streams], device=projected.device)
        frames = torch.tensor(
            [[min(s.frame + k, s.frames - 1) for k in range(ahead)] for s in streams],
            device=projected.device,
        )
        tokens, durations = model.scores(projected[rows, frames], predicted[:, None])
        best, skips = tokens.max(-1).indices, durations.max(-1).indices
        if listens:
            best = choose(tokens, best, _bonuses(streams))
        found = _scan(model.shape, streams, best.tolist(), skips.tolist())
        _emit(model.shape, streams, found, tokens, listens=listens)
        goes_on = [i for i, stream in enumerate(streams) if stream.frame < stream.frames]
        if len(goes_on) < len(streams):
            keep = torch.tensor(goes_on, dtype=torch.long, device=projected.device)
            predicted, state = predicted[keep], (state[0][:, keep], state[1][:, keep])
            streams = [streams[i] for i in goes_on]
            found = [found[i] for i in goes_on]
        predicted, state = _hear(model, predicted, state, [token for token, _, _ in found])


def _bonuses(streams: list[_Stream]) -> dict[int, Tensor]:
    """Of the streams that have hotwords, by their row."""
    return {
        row: stream.hotwords.bonus(stream.state)
        for row, stream in enumerate(streams)
        if stream.hotwords is not None
    }


def _scan(
    shape: Shape, streams: list[_Stream], best: list[list[int]], skips: list[list[int]]
) -> list[tuple[int, int, int]]:
    """Follow the blanks of each stream up to its next token, within what was looked at.

    Returns:
        (token, how far ahead it was found, frames that it skips) for each stream; the blank for
        the token where there was none.
    """
    found = []
    for stream, tokens, choices in zip(streams, best, skips, strict=True):
        ahead, token, skip = 0, shape.vocabulary, 0
        while ahead < len(tokens) and stream.frame + ahead < stream.frames:
            token, skip = tokens[ahead], shape.durations[choices[ahead]]
            if token != shape.vocabulary:
                break
            ahead += max(1, skip)
        stream.frame += ahead
        found.append((token, ahead, skip))
    return found


def _emit(
    shape: Shape,
    streams: list[_Stream],
    found: list[tuple[int, int, int]],
    tokens: Tensor,
    *,
    listens: bool,
) -> None:
    """Note the tokens that were found."""
    spoken = [i for i, (token, _, _) in enumerate(found) if token != shape.vocabulary]
    if not spoken:
        return
    ahead = [found[i][1] for i in spoken]
    chosen = torch.tensor([found[i][0] for i in spoken], device=tokens.device) if listens else None
    for i, sure in zip(spoken, confidence(tokens[spoken, ahead], chosen).tolist(), strict=True):
        streams[i].emit(found[i][0], found[i][2], sure, shape.max_symbols)


def _hear(
    model: Transducer, predicted: Tensor, state: tuple[Tensor, Tensor], tokens: list[int]
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Tell the prediction network the tokens of those streams that have one."""
    spoken = [i for i, token in enumerate(tokens) if token != model.shape.vocabulary]
    if not spoken:
        return predicted, state
    ids = torch.tensor([tokens[i] for i in spoken], device=predicted.device)
    if len(spoken) == len(tokens):
        return model.predict(ids, state)
    rows = torch.tensor(spoken, device=predicted.device)
    heard, (hidden, cell) = model.predict(ids, (state[0][:, rows], state[1][:, rows]))
    merged = (state[0].index_copy(1, rows, hidden), state[1].index_copy(1, rows, cell))
    return predicted.index_copy(0, rows, heard), merged
