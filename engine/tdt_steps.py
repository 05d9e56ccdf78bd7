"""The same search as ``engine.tdt.decode``, in steps that a CUDA graph can hold.

Nothing in a step asks the GPU for a number: each stream of the batch takes one step, a token or a
blank, and those that are at their end stand still. So some steps in a row are captured once, and
replayed until every stream is done; a replay costs one launch instead of thirty a step. Plain
graphs are enough for that: NeMo's loop on the GPU needs conditional nodes, which older drivers
refuse with CUDA error 35.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from engine.hotwords import Hotwords
from engine.tdt import Emission, Transducer, confidence, decode

log = logging.getLogger(__name__)

STEPS: Final = 32
"""In a replay; after each the results are fetched."""
PROBE_FRAMES: Final = 200


class StepSearch:
    """Search in batches of one size, with everything at fixed places in memory.

    Args:
        model: The networks.
        batch: How many streams there are at most.
        rows: How many frames all recordings of a batch have at most, together.
    """

    def __init__(self, model: Transducer, batch: int, rows: int) -> None:
        self._model = model
        self.batch, self.rows = batch, rows
        device = model.pred.weight.device
        predicted, (hidden, memory) = model.start(batch)
        self._start = (predicted.clone(), hidden.clone(), memory.clone())
        self._predicted, self._hidden, self._memory = predicted, hidden, memory
        self._frames = predicted.new_zeros(rows, predicted.shape[1])
        self._durations = torch.tensor(model.shape.durations, device=device)

        def counters() -> Tensor:
            return torch.zeros(batch, dtype=torch.long, device=device)

        self._first, self._length, self._frame = counters(), counters(), counters()
        self._last, self._symbols, self._count = counters(), counters(), counters()
        self._told = torch.zeros(3, batch, STEPS, dtype=torch.long, device=device)
        self._sure = torch.zeros(batch, STEPS, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None

    @torch.inference_mode()
    def capture(self) -> None:
        """Capture the steps. Whoever works on another stream meanwhile is not disturbed.

        Raises:
            RuntimeError: The driver does not do it.
        """
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._run()  # libraries choose their kernels and memory before
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._run()
        self._graph = graph

    @torch.inference_mode()
    def decode(self, encoded: Tensor, lengths: Tensor) -> list[list[Emission]]:
        """See ``engine.tdt.decode``; no more recordings and frames than there is room for."""
        counts = lengths.tolist()
        self._prepare(self._model.enc(encoded.to(self._frames.dtype)), counts)
        results: list[list[Emission]] = [[] for _ in counts]
        done = not any(counts)
        while not done:
            self._count.zero_()
            if self._graph is None:
                self._run()
            else:
                self._graph.replay()
            told, sure = self._told.tolist(), self._sure.tolist()
            for index, found in enumerate(self._count.tolist()[: len(counts)]):
                results[index] += [
                    Emission(
                        told[0][index][k], told[1][index][k], told[2][index][k], sure[index][k]
                    )
                    for k in range(found)
                ]
            done = bool((self._frame >= self._length).all())
        return results

    def _prepare(self, projected: Tensor, counts: list[int]) -> None:
        """Put the frames in their place, one recording after the other, and begin anew."""
        first = 0
        starts = []
        for index, count in enumerate(counts):
            starts.append(first)
            self._frames[first : first + count] = projected[index, :count]
            first += count
        spare = [0] * (self.batch - len(counts))
        self._first.copy_(torch.tensor(starts + spare))
        self._length.copy_(torch.tensor(counts + spare))
        self._frame.zero_()
        self._last.fill_(-1)
        self._symbols.zero_()
        for place, start in zip(
            (self._predicted, self._hidden, self._memory), self._start, strict=True
        ):
            place.copy_(start)

    def _run(self) -> None:
        for _ in range(STEPS):
            self._step()

    def _step(self) -> None:
        """One step of every stream."""
        shape = self._model.shape
        active = self._frame < self._length
        row = self._first + torch.minimum(self._frame, (self._length - 1).clamp_min(0))
        tokens, durations = self._model.scores(self._frames[row], self._predicted)
        token = tokens.max(-1).indices
        skip = self._durations[durations.max(-1).indices]
        blank = token == shape.vocabulary
        emitted = active & ~blank
        again = self._frame == self._last
        self._symbols.copy_(
            torch.where(emitted, torch.where(again, self._symbols + 1, 1), self._symbols)
        )
        self._tell(token, skip, confidence(tokens), emitted)
        self._last.copy_(torch.where(emitted, self._frame, self._last))
        stuck = emitted & (skip == 0) & (self._symbols >= shape.max_symbols)
        advance = torch.where(blank, skip.clamp_min(1), skip + stuck.long())
        self._frame += advance * active
        predicted, (hidden, memory) = self._model.predict(token, (self._hidden, self._memory))
        hears = emitted[:, None]
        self._predicted.copy_(torch.where(hears, predicted, self._predicted))
        self._hidden.copy_(torch.where(hears, hidden, self._hidden))
        self._memory.copy_(torch.where(hears, memory, self._memory))

    def _tell(self, token: Tensor, skip: Tensor, sure: Tensor, emitted: Tensor) -> None:
        """Note what was emitted; what was not stands where the next emission will."""
        place = self._count.clamp_max(STEPS - 1)[:, None]
        for kind, value in zip(self._told, (token, self._frame, skip), strict=True):
            kind.scatter_(1, place, value[:, None])
        self._sure.scatter_(1, place, sure[:, None].to(self._sure.dtype))
        self._count += emitted


class Search:
    """Chooses the way to search: on a GPU in captured steps, where that was proved to work.

    Args:
        model: The networks.
    """

    def __init__(self, model: Transducer) -> None:
        self._model = model
        self._captured: StepSearch | None = None
        self.uses_graphs = False

    def decode(
        self,
        encoded: Tensor,
        lengths: Tensor,
        hotwords: Sequence[Hotwords | None] | None = None,
    ) -> list[list[Emission]]:
        """See ``engine.tdt.decode``."""
        if hotwords is not None:
            if self.uses_graphs and not all(hotwords):
                return self._apart(encoded, lengths, hotwords)
            return decode(self._model, encoded, lengths, hotwords)
        if self.uses_graphs:
            try:
                return self._fitting(len(lengths), int(lengths.sum())).decode(encoded, lengths)
            except RuntimeError as error:
                self._give_up(error)
        return decode(self._model, encoded, lengths)

    def _apart(
        self, encoded: Tensor, lengths: Tensor, hotwords: Sequence[Hotwords | None]
    ) -> list[list[Emission]]:
        """Captured steps know no hotwords; recordings without any are not to wait for the rest."""
        found: dict[int, list[Emission]] = {}
        with_some = [i for i, own in enumerate(hotwords) if own is not None]
        without = [i for i, own in enumerate(hotwords) if own is None]
        for rows, own in ((with_some, [hotwords[i] for i in with_some]), (without, None)):
            if rows:
                place = torch.tensor(rows, device=encoded.device)
                each = self.decode(encoded[place], lengths[place], own)
                found.update(zip(rows, each, strict=True))
        return [found[i] for i in range(len(hotwords))]

    @torch.inference_mode()
    def probe(self) -> None:
        """Try captured steps, and use them from now on if they find what the plain search does."""
        width = self._model.enc.in_features
        generator = torch.Generator().manual_seed(0)
        frames = torch.randn(2, PROBE_FRAMES, width, generator=generator)
        device = self._model.enc.weight.device
        encoded = frames.to(device)
        lengths = torch.tensor([PROBE_FRAMES, PROBE_FRAMES // 2], device=device)
        try:
            found = self._fitting(2, PROBE_FRAMES * 2).decode(encoded, lengths)
        except RuntimeError as error:
            self._give_up(error)
            return
        expected = decode(self._model, encoded, lengths)
        self.uses_graphs = [[(e.token, e.frame, e.frames) for e in stream] for stream in found] == [
            [(e.token, e.frame, e.frames) for e in stream] for stream in expected
        ]
        if not self.uses_graphs:
            log.warning("CUDA graphs find something else than the plain search; they are not used")

    def _fitting(self, batch: int, rows: int) -> StepSearch:
        """A captured search with room for this much; a larger one takes the place of the last."""
        have = self._captured
        if have is None or have.batch < batch or have.rows < rows:
            most = (0, 0) if have is None else (have.batch, have.rows)
            self._captured = None  # its memory is free before more is asked for
            have = StepSearch(
                self._model,
                max(most[0], 1 << (batch - 1).bit_length()),
                max(most[1], 1 << (rows - 1).bit_length()),
            )
            have.capture()
            self._captured = have
        return have

    def _give_up(self, error: RuntimeError) -> None:
        log.warning("CUDA graphs are not used: %s", type(error).__name__)
        self.uses_graphs, self._captured = False, None
