"""Measure a diarization pipeline on conversations of voices that no training heard.

python -m training.speakers_evaluate demo/models/speakers
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["PYANNOTE_METRICS_ENABLED"] = "false"  # before the import: no telemetry

import torch
from pyannote.audio import Pipeline
from pyannote.core import Annotation, Timeline
from pyannote.core import Segment as Span
from pyannote.metrics.diarization import DiarizationErrorRate

from training.conversations import conversation, different_voices
from training.espeak import SAMPLE_RATE_HZ, Espeak
from training.speakers_mixing import Conversation
from training.voices import HELD_OUT


@dataclass(frozen=True, slots=True)
class Score:
    """Of one conversation, in seconds of speech; overlapping speech counts twice."""

    speech_s: float
    missed_s: float
    false_alarm_s: float
    confused_s: float
    speakers: int
    found: int

    @property
    def error_s(self) -> float:
        """What the diarization error rate sums."""
        return self.missed_s + self.false_alarm_s + self.confused_s


def synthetic_conversations(
    count: int, *, seed: int, variants: Sequence[str] = HELD_OUT, speech_s: tuple[float, float]
) -> Iterator[Conversation]:
    """Conversations of 2, 3, 4, 2, ... voices, each of another variant.

    Args:
        count: How many.
        seed: The same seed gives the same conversations.
        variants: Of espeak-ng, to draw the voices from.
        speech_s: Range of the length; pauses come on top.

    Yields:
        One conversation after another.
    """
    espeak = Espeak()
    for index in range(count):
        rng = random.Random(f"{seed} {index}")
        voices = different_voices(rng, 2 + index % 3, variants)
        yield conversation(rng, voices=voices, espeak=espeak, duration_s=rng.uniform(*speech_s))


def reference(truth: Conversation) -> Annotation:
    """The truth as pyannote.metrics reads it."""
    annotation = Annotation()
    for track, segment in enumerate(truth.segments):
        annotation[Span(segment.start_s, segment.end_s), track] = segment.speaker
    return annotation


def pipeline_input(truth: Conversation) -> dict[str, Any]:
    """The audio as pyannote's pipelines take it."""
    waveform = torch.from_numpy(truth.audio)[None]
    return {"waveform": waveform, "sample_rate": SAMPLE_RATE_HZ, "uri": "conversation"}


def score(truth: Conversation, found: Annotation) -> Score:
    """Compare with the truth: no collar, overlapping speech included."""
    spoken = reference(truth)
    whole = Timeline([Span(0.0, len(truth.audio) / SAMPLE_RATE_HZ)])
    parts = DiarizationErrorRate(collar=0.0, skip_overlap=False).compute_components(
        spoken, found.crop(whole), uem=whole
    )
    return Score(
        speech_s=float(parts["total"]),
        missed_s=float(parts["missed detection"]),
        false_alarm_s=float(parts["false alarm"]),
        confused_s=float(parts["confusion"]),
        speakers=len(spoken.labels()),
        found=len(found.labels()),
    )


def error_rate(scores: Sequence[Score]) -> float:
    """The diarization error rate of all conversations together."""
    return sum(one.error_s for one in scores) / sum(one.speech_s for one in scores)


def right_counts(scores: Sequence[Score]) -> float:
    """Share of the conversations with the right number of speakers."""
    return sum(one.speakers == one.found for one in scores) / len(scores)


def main() -> None:
    """Print one line a conversation, then the totals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--conversations", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    pipeline: Any = Pipeline.from_pretrained(args.directory)
    scores: list[Score] = []
    for truth in synthetic_conversations(args.conversations, seed=args.seed, speech_s=(24.0, 60.0)):
        one = score(truth, pipeline(pipeline_input(truth)).speaker_diarization)
        scores.append(one)
        print(
            f"{len(truth.audio) / SAMPLE_RATE_HZ:4.0f} s, {one.speakers} speakers, "
            f"{one.found} found: error {one.error_s / one.speech_s:6.1%} "
            f"(missed {one.missed_s:.1f} s, false alarm {one.false_alarm_s:.1f} s, "
            f"confused {one.confused_s:.1f} s)",
            flush=True,
        )
    print(
        f"diarization error rate {error_rate(scores):.1%}, "
        f"right number of speakers {right_counts(scores):.1%}"
    )


if __name__ == "__main__":
    main()
