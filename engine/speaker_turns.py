"""What pyannote found, in the words of the worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from speech.types import Diarization, SpeakerTurn

MOST_AT_ONCE: Final = 0.1
"""Of the time of a speaker: as much as turns of one person who was taken for two may overlap."""


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


def alone(turns: Sequence[SpeakerTurn]) -> dict[str, list[tuple[float, float]]]:
    """When each speaker speaks and nobody else does.

    Args:
        turns: Of a whole recording; those of one speaker may overlap each other.

    Returns:
        Start and end of each stretch, by time, for every speaker of the turns.
    """
    spans: dict[str, list[tuple[float, float]]] = {turn.speaker: [] for turn in turns}
    edges = sorted(
        edge
        for turn in turns
        for edge in ((turn.start_s, 1, turn.speaker), (turn.end_s, -1, turn.speaker))
    )
    speaking: Counter[str] = Counter()
    since_s = 0.0
    for time_s, change, speaker in edges:
        if len(speaking) == 1 and time_s > since_s:
            (only,) = speaking
            spans[only].append((since_s, time_s))
        speaking[speaker] += change
        if not speaking[speaker]:
            del speaking[speaker]
        since_s = time_s
    return spans


def merged(found: Diarization, one: str, other: str) -> Diarization:
    """The turns of two speakers as those of the second one, where they may be one person.

    Whoever speaks at the same time for more than a little is somebody else.
    """
    own = {
        speaker: [turn for turn in found.turns if turn.speaker == speaker]
        for speaker in (one, other)
    }
    shortest_s = min(sum(turn.end_s - turn.start_s for turn in turns) for turns in own.values())
    at_once_s = sum(
        max(0.0, min(mine.end_s, theirs.end_s) - max(mine.start_s, theirs.start_s))
        for mine in own[one]
        for theirs in own[other]
    )
    if at_once_s > MOST_AT_ONCE * shortest_s:
        return found

    def renamed(turns: Sequence[SpeakerTurn]) -> tuple[SpeakerTurn, ...]:
        return tuple(
            replace(turn, speaker=other) if turn.speaker == one else turn for turn in turns
        )

    prints = {speaker: numbers for speaker, numbers in found.voiceprints.items() if speaker != one}
    return replace(
        found,
        turns=renamed(found.turns),
        exclusive_turns=renamed(found.exclusive_turns),
        voiceprints=prints,
    )


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
