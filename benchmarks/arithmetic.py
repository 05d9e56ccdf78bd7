"""Does the embedding network's arithmetic move who is found to speak? DER on held-out voices.

The engine folds the network's normalisations into its convolutions, and multiplies bfloat16 where
the processor does; the demo diarizer shows what that changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.rows import Row
from tests.environments import DIARIZATION_MODEL

if TYPE_CHECKING:
    from pyannote.core import Annotation

    from engine.diarization_stages import Arithmetic
    from speech.types import SpeakerTurn

CONVERSATIONS: Final = 24
ARITHMETICS: Final[tuple[Arithmetic, ...]] = ("exact", "folded", "bfloat16")


def rows(_folder: Path, _: int) -> Iterator[Row]:
    """The conversations of training/README.md's figure, by each arithmetic."""
    from engine.diarizer import Diarizer
    from training.speakers_evaluate import error_rate, right_counts, score, synthetic_conversations

    truths = list(synthetic_conversations(CONVERSATIONS, seed=1000, speech_s=(24.0, 60.0)))
    for arithmetic in ARITHMETICS:
        diarizer = Diarizer.load(DIARIZATION_MODEL, "cpu", arithmetic)
        scores = [
            score(truth, annotation(diarizer.diarize(truth.audio)[0].turns)) for truth in truths
        ]
        what = f"DER of {CONVERSATIONS} conversations, {arithmetic}"
        yield Row(what, (100 * error_rate(scores),), "%", "as exact")
        yield Row("  the right number of speakers", (100 * right_counts(scores),), "%")


def annotation(turns: tuple[SpeakerTurn, ...]) -> Annotation:
    """The turns as pyannote.metrics reads them."""
    from pyannote.core import Annotation, Segment

    found = Annotation()
    for track, turn in enumerate(turns):
        found[Segment(turn.start_s, turn.end_s), track] = turn.speaker
    return found
