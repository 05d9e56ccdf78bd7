"""How probable each speaker is, frame by frame, to turns.

What NeMo's ``ts_vad_post_processing`` does (collections/asr/parts/utils/vad_utils.py), for hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from speech.types import Diarization, SpeakerTurn

TICKS_PER_S: Final = 100
"""Times are multiples of 10 ms, as NeMo's are."""

Probabilities = np.ndarray[tuple[int, int], np.dtype[np.float32]]
Spans = np.ndarray[tuple[int, int], np.dtype[np.int64]]
"""Begins and ends in ticks, shape (spans, 2), by time, apart from each other."""


@dataclass(frozen=True, slots=True)
class Smoothing:
    """What counts as speech."""

    onset: float
    """A speaker begins where the probability rises above this."""
    offset: float
    """And ends where it falls below this, which is not above the onset."""
    pad_onset_s: float
    """Added before each turn."""
    pad_offset_s: float
    """Added after it."""
    min_on_s: float
    """Shorter turns are none."""
    min_off_s: float
    """Shorter pauses are none."""


PUBLISHED: Final = Smoothing(
    onset=0.56, offset=0.56, pad_onset_s=0.063, pad_offset_s=0.002, min_on_s=0.007, min_off_s=0.151
)
"""NVIDIA's for this model, found on DIHARD III, which has recordings of many kinds and counts every
frame (examples/speaker_tasks/diarization/conf/post_processing/
diar_streaming_sortformer_4spk-v2_dihard3-dev.yaml). Their offset is 1.0, with which NeMo's loop
ends a turn in every second tick and joins the pieces again: that is a threshold at the onset. Their
other set, found on telephone calls, drops whatever is shorter than half a second: every "yes"."""


def diarization_of(
    probabilities: Probabilities,
    frame_ticks: int,
    duration_s: float,
    most_speakers: int | None = None,
    smoothing: Smoothing = PUBLISHED,
) -> Diarization:
    """Who speaks when.

    Args:
        probabilities: Of each speaker in each frame, shape (frames, speakers).
        frame_ticks: Length of a frame.
        duration_s: Of the recording. Nothing is beyond it.
        most_speakers: Of more speakers than this, those who speak longest are kept.
        smoothing: What counts as speech.
    """
    spans = [
        speech_of(column, frame_ticks, smoothing)
        for column in np.ascontiguousarray(probabilities.T)
    ]
    if most_speakers is not None:
        spans = _longest(spans, most_speakers)
    turns = [
        turn
        for speaker, own in enumerate(spans)
        for turn in _turns(own, np.full(len(own), speaker), duration_s)
    ]
    return Diarization(
        turns=_by_time(turns),
        exclusive_turns=_by_time(
            _turns(*_exclusive(spans, probabilities, frame_ticks), duration_s)
        ),
    )


def speech_of(
    probability: np.ndarray[Any, np.dtype[np.float32]], frame_ticks: int, smoothing: Smoothing
) -> Spans:
    """Where one speaker speaks.

    Args:
        probability: That the speaker does, shape (frames,).
        frame_ticks: Length of a frame.
        smoothing: What counts as speech.
    """
    begins, ends = _runs(_is_active(probability, smoothing))
    padded_begins = np.maximum(0, begins * frame_ticks - smoothing.pad_onset_s * TICKS_PER_S)
    padded_ends = ends * frame_ticks + smoothing.pad_offset_s * TICKS_PER_S
    spans = np.stack([padded_begins, padded_ends], axis=1)
    spans = _join(spans, spans[1:, 0] <= spans[:-1, 1])
    spans = spans[spans[:, 1] - spans[:, 0] >= smoothing.min_on_s * TICKS_PER_S]
    spans = _join(spans, spans[1:, 0] - spans[:-1, 1] < smoothing.min_off_s * TICKS_PER_S)
    rounded: Spans = np.rint(spans).astype(np.int64)
    return rounded


def _is_active(
    probability: np.ndarray[Any, np.dtype[np.float32]], smoothing: Smoothing
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Each frame is as the last one before it, or itself, that is above onset or below offset."""
    above = probability > smoothing.onset
    decided = np.where(above | (probability < smoothing.offset), np.arange(probability.size), -1)
    last = np.maximum.accumulate(decided)
    active: np.ndarray[Any, np.dtype[np.bool_]] = (last >= 0) & above[last]
    return active


def _runs(
    active: np.ndarray[Any, np.dtype[np.bool_]],
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
    """Where stretches that are true begin and end."""
    edges = np.flatnonzero(np.diff(active, prepend=False, append=False))
    return edges[::2], edges[1::2]


def _join(spans: Any, is_joined: Any) -> Any:
    """Spans with the pauses closed for which this is true, shape (spans - 1,)."""
    if not len(spans):
        return spans
    apart = ~is_joined
    return np.stack([spans[np.append(True, apart), 0], spans[np.append(apart, True), 1]], axis=1)


def _longest(spans: Sequence[Spans], count: int) -> list[Spans]:
    """Nothing of whoever speaks less than ``count`` others."""
    lengths = [-int((own[:, 1] - own[:, 0]).sum()) for own in spans]
    kept = np.argsort(lengths, kind="stable")[:count]
    return [own if speaker in kept else own[:0] for speaker, own in enumerate(spans)]


def _exclusive(
    spans: Sequence[Spans], probabilities: Probabilities, frame_ticks: int
) -> tuple[Spans, Any]:
    """Where several speak, the most probable one; the spans and their speakers."""
    ticks = max((int(own[-1, 1]) for own in spans if len(own)), default=0)
    highest = np.full(ticks, -1.0, dtype=np.float32)
    who = np.full(ticks, -1, dtype=np.int8)
    for speaker, own in enumerate(spans):
        for begin, end in own:
            frames = np.minimum(np.arange(begin, end) // frame_ticks, len(probabilities) - 1)
            probability = probabilities[frames, speaker]
            is_higher = probability > highest[begin:end]
            highest[begin:end][is_higher] = probability[is_higher]
            who[begin:end][is_higher] = speaker
    edges = np.flatnonzero(np.diff(who, prepend=-2, append=-2))
    found = np.stack([edges[:-1], edges[1:]], axis=1) if ticks else np.empty((0, 2), np.int64)
    speakers = who[found[:, 0]]
    return found[speakers >= 0], speakers[speakers >= 0]


def _turns(spans: Spans, speakers: Any, duration_s: float) -> list[SpeakerTurn]:
    turns = [
        SpeakerTurn(
            f"SPEAKER_{speaker:02d}", begin / TICKS_PER_S, min(duration_s, end / TICKS_PER_S)
        )
        for (begin, end), speaker in zip(spans.tolist(), speakers.tolist(), strict=True)
    ]
    return [turn for turn in turns if turn.start_s < turn.end_s]


def _by_time(turns: Sequence[SpeakerTurn]) -> tuple[SpeakerTurn, ...]:
    return tuple(sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker)))
