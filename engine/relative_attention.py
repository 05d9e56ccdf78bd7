"""Multi-head attention with relative positions (Transformer-XL), full and local.

The score of query i and key j is (q_i + u) k_j + (q_i + v) p_(i-j), with p a linear map of the
sinusoid of their distance (Dai et al. 2019, https://arxiv.org/abs/1901.02860, section 3.3). The
second term is handed to torch's fused attention as its bias. Queries go through in slices, so that
this bias, the largest thing there is, stays small: each query's attention is its own, so that is
exact.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from engine.attention import LOCAL_CONTEXT_FRAMES, Reach
from engine.footprint import BIAS_BYTES
from engine.shape import Shape


class _Heads(NamedTuple):
    """What one layer's heads work on; each of shape (batch, heads, frames, size)."""

    query: Tensor
    placed: Tensor
    """The query that meets distances, scaled as scores are."""
    key: Tensor
    value: Tensor
    place: Tensor
    """Of the distances; (1, heads, distances, size)."""


class RelativeAttention(nn.Module):
    """One layer's attention. The parameters have NeMo's names.

    Args:
        shape: The model's.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._heads, self._size = shape.heads, shape.width // shape.heads
        self.linear_q = nn.Linear(shape.width, shape.width, bias=shape.bias)
        self.linear_k = nn.Linear(shape.width, shape.width, bias=shape.bias)
        self.linear_v = nn.Linear(shape.width, shape.width, bias=shape.bias)
        self.linear_out = nn.Linear(shape.width, shape.width, bias=shape.bias)
        self.linear_pos = nn.Linear(shape.width, shape.width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.empty(shape.heads, self._size))
        self.pos_bias_v = nn.Parameter(torch.empty(shape.heads, self._size))

    def forward(self, x: Tensor, positions: Tensor, valid: Tensor | None, reach: Reach) -> Tensor:
        """Attend.

        Args:
            x: Shape (batch, frames, width).
            positions: From ``sinusoids``, for the same reach.
            valid: Shape (batch, frames), False where a recording has ended; None where none has.
            reach: What each frame may see.

        Returns:
            Shape (batch, frames, width).
        """
        query, key, value = (
            self._split(linear(x)) for linear in (self.linear_q, self.linear_k, self.linear_v)
        )
        place = self._split(self.linear_pos(positions)[None])
        u, v = self.pos_bias_u[:, None], self.pos_bias_v[:, None]
        # The scale of the scores is put into the query, where it is cheapest.
        placed = (query + v) * (1 / math.sqrt(self._size))
        attend = _full if reach == "full" else _local
        heard = attend(_Heads(query + u, placed, key, value, place), valid)
        mapped: Tensor = self.linear_out(heard.transpose(1, 2).flatten(2))
        return mapped

    def _split(self, x: Tensor) -> Tensor:
        """(batch, frames, width) to (batch, heads, frames, size)."""
        heads: Tensor = x.unflatten(2, (self._heads, self._size))
        return heads.transpose(1, 2)


def sinusoids(frames: int, width: int, reach: Reach, like: Tensor) -> Tensor:
    """Encodings of the distances that attention over so many frames needs, farthest past first.

    Args:
        frames: Of the batch.
        width: Of the model.
        reach: ``full``: distances frames-1 to -(frames-1); ``local``: 256 to -256.
        like: For its device and type.

    Returns:
        Shape (distances, width).
    """
    farthest = frames - 1 if reach == "full" else LOCAL_CONTEXT_FRAMES
    distance = torch.arange(farthest, -farthest - 1, -1, device=like.device, dtype=torch.float32)
    rate = torch.exp(
        torch.arange(0, width, 2, device=like.device, dtype=torch.float32)
        * -(math.log(10000.0) / width)
    )
    angle = distance[:, None] * rate
    return torch.stack((angle.sin(), angle.cos()), dim=2).flatten(1).to(like.dtype)


def _full(heads: _Heads, valid: Tensor | None) -> Tensor:
    """Every frame sees every other one; (batch, heads, frames, size)."""
    query, placed, key, value, place = heads
    batch, count, frames, _ = query.shape
    row_bytes = batch * count * 3 * frames * query.element_size()  # placed scores, and the bias
    slice_frames = max(16, BIAS_BYTES // row_bytes)
    parts = []
    for first in range(0, frames, slice_frames):
        last = min(frames, first + slice_frames)
        # Distances last-1 to first-(frames-1): all that these queries have.
        needed = place[:, :, frames - last : 2 * frames - 1 - first]
        bias = skew(placed[:, :, first:last] @ needed.mT, frames)
        bias = _hide(bias, valid)
        parts.append(
            scaled_dot_product_attention(query[:, :, first:last], key, value, attn_mask=bias)
        )
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


def skew(scores: Tensor, keys: int) -> Tensor:
    """Scores by distance to scores by key.

    Args:
        scores: Shape (..., queries, keys + queries - 1), contiguous; the last query's distance to
            the first key stands first in each row.
        keys: How many.

    Returns:
        Shape (..., queries, keys), a view: row i is what begins at queries - 1 - i.
    """
    queries = scores.shape[-2]
    strides = (*scores.stride()[:-2], scores.stride(-2) - 1, 1)
    return scores.as_strided(
        (*scores.shape[:-1], keys), strides, scores.storage_offset() + queries - 1
    )


def _hide(bias: Tensor, valid: Tensor | None) -> Tensor:
    """Minus infinity, nearly, for keys beyond a recording's end."""
    if valid is None:
        # Fused attention wants rows that begin at multiples of 16 bytes, or makes them itself.
        return bias.contiguous()
    return bias.masked_fill(~valid[:, None, None, :], torch.finfo(bias.dtype).min)


def _local(heads: _Heads, valid: Tensor | None) -> Tensor:
    """Every frame sees 256 frames to either side; (batch, heads, frames, size).

    Blocks of 256 queries see three blocks of keys each, of which each query has its own 513.
    """
    query, placed, key, value, place = heads
    batch, count, frames, _ = query.shape
    width = LOCAL_CONTEXT_FRAMES
    blocks = -(-frames // width)
    spare = blocks * width - frames
    if valid is None:
        valid = torch.ones(batch, frames, dtype=torch.bool, device=query.device)
    seen = pad(valid, (width, width + spare)).unfold(1, 3 * width, width)
    keys, values = (
        pad(x, (0, 0, width, width + spare)).unfold(2, 3 * width, width) for x in (key, value)
    )
    queries, places = (
        pad(x, (0, 0, 0, spare)).unflatten(2, (blocks, width)) for x in (query, placed)
    )
    block_bytes = batch * count * width * 6 * width * query.element_size()
    step = max(1, BIAS_BYTES // block_bytes)
    parts = []
    for first in range(0, blocks, step):
        part = slice(first, first + step)
        bias = _banded(places[:, :, part] @ place[:, :, None].mT)
        hidden = ~seen[:, None, part, None, :]
        bias = bias.masked_fill(hidden, torch.finfo(bias.dtype).min)
        heard = scaled_dot_product_attention(
            queries[:, :, part].flatten(1, 2),  # four dimensions, or the fused kernels refuse
            keys[:, :, part].mT.flatten(1, 2),
            values[:, :, part].mT.flatten(1, 2),
            attn_mask=bias.flatten(1, 2),
        )
        parts.append(heard.unflatten(1, (count, -1)))
    return torch.cat(parts, dim=2).flatten(2, 3)[:, :, :frames]


def _banded(scores: Tensor) -> Tensor:
    """(..., 256, 513) scores by distance to (..., 256, 768) scores by key, others hidden."""
    width = LOCAL_CONTEXT_FRAMES
    lowest = torch.finfo(scores.dtype).min
    # Query i's 513 scores belong at keys i to i + 512: rows one longer than the keys shift by one.
    rows = pad(scores, (0, width), value=lowest).flatten(-2)
    return rows[..., : width * 3 * width].view(*scores.shape[:-1], 3 * width)
