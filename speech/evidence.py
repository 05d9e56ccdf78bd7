"""What the turns say of each word by itself, before its sentence is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from speech import activity
from speech.types import Diarization, Word

MIN_WORD_S = 0.01
"""A shorter word counts as this long: an instant overlaps nothing."""
EDGE_ERROR_S = 0.15
"""How far the edges of words and turns are from the truth, usually. A word is compared with the
turns as they stand and with the turns so much earlier and later."""
EDGE_SUPPORT = 0.5
"""For a word that only touches a speaker's turn."""
GAP_HALVING_S = 0.5
"""A turn's support halves with every such length of gap."""
NOT_EXCLUSIVE = 0.25
"""How likely a speaker is while another is the one whom the exclusive turns name."""
OVERLAP_S = 0.08
"""One frame of the coarsest clock here, that of words and of Sortformer's turns: less than this may
be nothing but rounding."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the turns say of one word."""

    support: Mapping[str, float]
    """0 to 1, for each speaker who may have said it: the part of the word in which they speak."""
    likely: Mapping[str, float]
    """The same if edges may be misplaced, and with regard to the exclusive turns."""
    overlap: bool = False
    """Whether two speak during it."""
    only: str | None = None
    """Who speaks during the word and around it where nobody else does."""

    def margin(self, speaker: str) -> float:
        """Of a speaker's support over the best of the others, 0 to 1."""
        others = [share for name, share in self.support.items() if name != speaker]
        return max(0.0, self.support.get(speaker, 0.0) - max(others, default=0.0))


@dataclass(frozen=True, slots=True)
class _Turns:
    """The turns in the forms in which they are asked."""

    full: activity.Activity
    exclusive: activity.Activity
    starts: activity.Edges
    ends: activity.Edges


def weigh(words: Sequence[Word], diarization: Diarization) -> list[Evidence]:
    """The evidence for each word. At least one turn must last."""
    lasting = [turn for turn in diarization.turns if turn.start_s < turn.end_s]
    turns = _Turns(
        activity.activity(lasting),
        activity.activity(diarization.exclusive_turns),
        activity.edges((turn.start_s, turn.speaker) for turn in lasting),
        activity.edges((turn.end_s, turn.speaker) for turn in lasting),
    )
    certain = {turn.speaker: _certain(turn.speaker) for turn in lasting}
    weighed: list[Evidence] = []
    for word in words:
        start_s, end_s = word.start_s, max(word.end_s, word.start_s + MIN_WORD_S)
        only = activity.alone(turns.full, start_s - EDGE_ERROR_S, end_s + EDGE_ERROR_S)
        weighed.append(_weigh(start_s, end_s, turns) if only is None else certain[only])
    return weighed


def _certain(speaker: str) -> Evidence:
    return Evidence({speaker: 1.0}, {speaker: 1.0}, only=speaker)


def _weigh(start_s: float, end_s: float, turns: _Turns) -> Evidence:
    length_s = end_s - start_s
    heard = activity.heard(turns.full, start_s, end_s)
    shares = [heard.seconds] + [
        activity.heard(turns.full, start_s + shift_s, end_s + shift_s).seconds
        for shift_s in (-EDGE_ERROR_S, EDGE_ERROR_S)
    ]
    seconds: dict[str, float] = {}
    for share in shares:
        for speaker, share_s in share.items():
            seconds[speaker] = seconds.get(speaker, 0.0) + share_s
    likely = {speaker: total_s / len(shares) / length_s for speaker, total_s in seconds.items()}
    near = {} if heard.seconds else _near(start_s, end_s, turns)
    return Evidence(
        support=_support(heard, length_s) if heard.seconds else near,
        likely=_exclusively(likely, start_s, end_s, turns) if likely else near,
        overlap=heard.together_s >= min(OVERLAP_S, length_s / 2) - activity.TIE_S,
    )


def _support(heard: activity.Heard, length_s: float) -> dict[str, float]:
    """The part of the word in which each is active, and a share of half of the silent part."""
    silent_s = max(0.0, length_s - heard.covered_s)
    scale = (1 + EDGE_SUPPORT * silent_s / sum(heard.seconds.values())) / length_s
    return {speaker: min(1.0, seconds * scale) for speaker, seconds in heard.seconds.items()}


def _near(start_s: float, end_s: float, turns: _Turns) -> dict[str, float]:
    """By the gap to the nearest turn."""
    return {
        speaker: EDGE_SUPPORT * 0.5 ** (gap_s / GAP_HALVING_S)
        for speaker, gap_s in activity.gaps_s(turns.starts, turns.ends, start_s, end_s).items()
    }


def _exclusively(
    likely: dict[str, float], start_s: float, end_s: float, turns: _Turns
) -> dict[str, float]:
    """Where more than one is likely: rather the one whom the exclusive turns name."""
    if len(likely) < 2:
        return likely
    alone_s = activity.heard(turns.exclusive, start_s, end_s).seconds
    if not alone_s:
        return likely
    whole_s = sum(alone_s.values())
    return {
        speaker: share * (NOT_EXCLUSIVE + (1 - NOT_EXCLUSIVE) * alone_s.get(speaker, 0) / whole_s)
        for speaker, share in likely.items()
    }
