"""How far the diarization of a recording is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.chunks import StepReport, Track
from speech.types import Progress, Report

# Where each step of pyannote's pipeline begins and ends on the way from 0 to 1. On a CPU the
# segmentation takes 6 % of the time with community-1's networks, 23 % where it multiplies bfloat16,
# and 75 % with those of the demo; the embeddings take the rest.
_STEPS: Final = {
    "segmentation": (0.0, 0.2),
    "speaker_counting": (0.2, 0.21),
    "embeddings": (0.21, 0.99),
    "discrete_diarization": (0.99, 1.0),
}


def hook_of(track: Track) -> Callable[..., None]:
    """A hook for pyannote that reports for a track."""

    def hook(
        step: str, _artifact: object, *, total: int | None = None, completed: int = 0, **_: object
    ) -> None:
        track.report(step, completed / total if total else 1.0)  # without a total, it is done

    return hook


def rising(report: Report) -> StepReport:
    """Steps of the pipeline and their shares to a fraction of the whole that never falls."""
    highest = 0.0

    def tell(step: str, share: float) -> None:
        nonlocal highest
        begin, end = _STEPS.get(step, (highest, highest))
        highest = max(highest, begin + (end - begin) * min(1.0, share))
        report(Progress("diarize", highest))

    return tell
