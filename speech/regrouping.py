"""Speakers of a finished result, called otherwise or joined.

Neither needs the recording: names are text, and voiceprints tell which voices are alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from speech import segments
from speech.errors import RequestError
from speech.types import LabelledWord, Result, Segment, SpeakerSummary, SpeakerTurn


def rename(result: Result, names: Mapping[str, str]) -> Result:
    """Call speakers by other names, everywhere.

    Args:
        result: What was heard.
        names: By speaker id. Speakers that are not in it keep their ids. An id that nobody has,
            and a name that somebody else has, are told of in a warning: a job that has taken
            hours must not fail for them.
    """
    if not names:
        return result
    ids = [speaker.id for speaker in result.speakers]
    called = [names.get(speaker, speaker) for speaker in ids]
    strangers = sorted(set(names) - set(ids))
    warnings = result.warnings
    if strangers:
        warnings += (f"speaker_names: nobody is called {', '.join(strangers)} here.",)
    if len(set(called)) < len(called):
        warning = (
            "speaker_names would give two speakers one name, and was left alone; to join speakers "
            "send num_speakers."
        )
        return replace(result, warnings=(*warnings, warning))
    return replace(_called(result, names), warnings=warnings)


def _called(result: Result, names: Mapping[str, str]) -> Result:
    def name(speaker: str | None) -> str | None:
        return None if speaker is None else names.get(speaker, speaker)

    return replace(
        result,
        words=tuple(replace(word, speaker=name(word.speaker)) for word in result.words),
        segments=tuple(replace(piece, speaker=name(piece.speaker)) for piece in result.segments),
        turns=tuple(
            SpeakerTurn(names.get(turn.speaker, turn.speaker), turn.start_s, turn.end_s)
            for turn in result.turns
        ),
        speakers=tuple(
            replace(speaker, id=names.get(speaker.id, speaker.id)) for speaker in result.speakers
        ),
    )


def join(result: Result, most: int) -> Result:
    """Join the speakers whose voices are most alike, until no more than so many are left.

    The two with the most similar voiceprints (cosine) become one, whose voiceprint is their mean,
    weighted by talk time; and so on. A joined speaker has the id of the one who speaks first.

    Args:
        result: What was heard.
        most: Speakers to be left, 1 or more.

    Raises:
        RequestError: It has more speakers than that, and voiceprints are missing.
    """
    if len(result.speakers) <= most:
        return result
    if any(speaker.voiceprint is None for speaker in result.speakers):
        raise RequestError(
            f"The transcript has {len(result.speakers)} speakers, and to make {most} of them takes "
            "a voiceprint of each. Send the recording again with num_speakers, or ask for "
            "speaker_embeddings next time."
        )
    if len({len(speaker.voiceprint or ()) for speaker in result.speakers}) > 1:
        raise RequestError("The transcript's voiceprints are not of one length; it is damaged.")
    groups = [[speaker] for speaker in result.speakers]
    while len(groups) > most:
        pairs = [(a, b) for b in range(len(groups)) for a in range(b)]
        first, second = max(pairs, key=lambda pair: _likeness(groups[pair[0]], groups[pair[1]]))
        groups[first] += groups.pop(second)
    names = {member.id: group[0].id for group in groups for member in group}
    return _joined(result, names, groups)


def too_few(present: int, wanted: int) -> RequestError:
    """Why an earlier result cannot be given more speakers."""
    return RequestError(
        f"num_speakers is {wanted}, and the transcript has {present}: without the recording "
        "speakers can be joined, but not split. Send the recording again."
    )


def _likeness(some: Sequence[SpeakerSummary], others: Sequence[SpeakerSummary]) -> float:
    a, b = _voice(some), _voice(others)
    lengths = math.hypot(*a) * math.hypot(*b)
    return _product(a, b) / lengths if lengths else 0.0


def _voice(group: Sequence[SpeakerSummary]) -> list[float]:
    """Of those who count as one."""
    prints = [speaker.voiceprint or () for speaker in group]
    weights = [max(speaker.talk_time_s, 1e-3) for speaker in group]
    return [_product(weights, numbers) / sum(weights) for numbers in zip(*prints, strict=True)]


def _product(some: Sequence[float], others: Sequence[float]) -> float:
    return math.fsum(one * other for one, other in zip(some, others, strict=True))


def _joined(
    result: Result, names: Mapping[str, str], groups: Sequence[Sequence[SpeakerSummary]]
) -> Result:
    called = _called(result, names)
    turns = _merged(called.turns)
    return replace(
        called,
        segments=_segments(called.words, called.segments),
        turns=turns,
        speakers=tuple(
            replace(
                group[0],
                talk_time_s=_talk_time_s(turns, group),
                turns=_count(turns, group),
                voiceprint=tuple(_voice(group)),
            )
            for group in groups
        ),
    )


def _segments(words: Sequence[LabelledWord], before: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Cut anew where there are words: sentences were split where the speaker changed."""
    if not words:
        return before
    languages = {(piece.start_s, piece.text.split(" ")[0]): piece.language for piece in before}
    fresh = segments.segment_words(words)
    return tuple(
        replace(piece, language=languages.get((piece.start_s, piece.text.split(" ")[0])))
        for piece in fresh
    )


def _merged(turns: Sequence[SpeakerTurn]) -> tuple[SpeakerTurn, ...]:
    """Turns of one speaker that touch or overlap become one."""
    last: dict[str, SpeakerTurn] = {}
    done: list[SpeakerTurn] = []
    for turn in sorted(turns, key=lambda turn: turn.start_s):
        before = last.get(turn.speaker)
        if before is not None and turn.start_s <= before.end_s:
            end_s = max(before.end_s, turn.end_s)
            last[turn.speaker] = SpeakerTurn(turn.speaker, before.start_s, end_s)
            continue
        if before is not None:
            done.append(before)
        last[turn.speaker] = turn
    return tuple(sorted((*done, *last.values()), key=lambda turn: (turn.start_s, turn.speaker)))


def _talk_time_s(turns: Sequence[SpeakerTurn], group: Sequence[SpeakerSummary]) -> float:
    if not turns:  # an answer that was thinned has none
        return sum(speaker.talk_time_s for speaker in group)
    return math.fsum(turn.end_s - turn.start_s for turn in turns if turn.speaker == group[0].id)


def _count(turns: Sequence[SpeakerTurn], group: Sequence[SpeakerSummary]) -> int:
    if not turns:
        return sum(speaker.turns for speaker in group)
    return sum(turn.speaker == group[0].id for turn in turns)
