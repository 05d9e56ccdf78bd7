"""What pyannote found, in the words of the worker."""

from __future__ import annotations

from typing import Any

from speech.types import SpeakerTurn


def turns_of(annotation: Any, duration_s: float) -> tuple[SpeakerTurn, ...]:
    """Turns within the recording. pyannote works on whole frames of a padded last chunk.

    Args:
        annotation: A ``pyannote.core.Annotation``.
        duration_s: Of the recording.

    Returns:
        By time.
    """
    turns = (
        SpeakerTurn(str(label), max(0.0, float(segment.start)), min(duration_s, float(segment.end)))
        for segment, _track, label in annotation.itertracks(yield_label=True)
    )
    kept = [turn for turn in turns if turn.start_s < turn.end_s]
    return tuple(sorted(kept, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker)))


def count_warnings(
    found: int, num_speakers: int | None, min_speakers: int | None, max_speakers: int | None
) -> tuple[str, ...]:
    """What to say where the speakers found are not as many as asked for.

    Args:
        found: So many were found.
        num_speakers: What was asked for; the bounds have no meaning then.
        min_speakers: At least so many.
        max_speakers: At most so many.
    """
    heard = f"{found} speaker was found" if found == 1 else f"{found} speakers were found"
    if num_speakers is not None:
        return () if found == num_speakers else (f"num_speakers was {num_speakers}, but {heard}",)
    if min_speakers is not None and found < min_speakers:
        return (f"min_speakers was {min_speakers}, but {heard}",)
    if max_speakers is not None and found > max_speakers:
        return (f"max_speakers was {max_speakers}, but {heard}",)
    return ()
