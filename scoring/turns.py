"""Who spoke when, by pyannote.metrics: DER and JER, overlapped speech included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

from speech.types import SpeakerTurn

COLLAR_S: Final = 0.25
"""Left out on either side of each boundary of the reference, as NIST did (md-eval -c 0.25).
pyannote.metrics calls the total width, 0.5, the collar."""


@dataclass(frozen=True, slots=True)
class SpeakerTime:
    """Seconds of speech; of two who speak at once both count."""

    speech_s: float
    """Of the reference."""
    missed_s: float
    false_alarm_s: float
    confused_s: float

    @property
    def error_s(self) -> float:
        """What the diarization error rate sums."""
        return self.missed_s + self.false_alarm_s + self.confused_s


def annotation(turns: Sequence[SpeakerTurn]) -> Any:
    """As pyannote reads them; what overlaps or touches within one speaker is one turn."""
    found = Annotation()
    for number, turn in enumerate(turns):
        if turn.end_s > turn.start_s:
            found[Segment(turn.start_s, turn.end_s), number] = turn.speaker
    return found.support()


def speaker_time(
    reference: Any, found: Any, part: tuple[float, float], *, collar_s: float = 0.0
) -> SpeakerTime:
    """The components of the diarization error rate within a part of the recording.

    Args:
        reference: Of ``annotation``.
        found: The same.
        part: Start and end of what is scored, in seconds.
        collar_s: Left out on either side of the reference's boundaries.
    """
    metric = DiarizationErrorRate(collar=2 * collar_s, skip_overlap=False)
    parts = metric.compute_components(reference, found, uem=Timeline([Segment(*part)]))
    return SpeakerTime(
        speech_s=float(parts["total"]),
        missed_s=float(parts["missed detection"]),
        false_alarm_s=float(parts["false alarm"]),
        confused_s=float(parts["confusion"]),
    )


def jaccard_error_rate(reference: Any, found: Any, part: tuple[float, float]) -> float | None:
    """The mean over the reference's speakers; None where it has none."""
    metric = JaccardErrorRate(collar=0.0, skip_overlap=False)
    parts = metric.compute_components(reference, found, uem=Timeline([Segment(*part)]))
    return float(metric.compute_metric(parts)) if parts["speaker count"] else None
