"""Gives every word its speaker.

Two steps. First each word by itself: the speaker who is active for the longest part of it. Then a
vote in each sentence: at a change of speaker the edges of words and turns differ by some tenths of
a second, and a word at the edge falls to the wrong side. A sentence is nearly always one speaker's,
so a short run of words that disagrees with its sentence is given to the sentence's speaker.

A vote may also silence somebody who really did speak. A run keeps its speaker if any of this holds:
- no speaker has more than half of the sentence's words;
- the run has ``REAL_CHANGE_WORDS`` words or more;
- pauses set it apart on both sides: a short answer in another's sentence;
- it stands alone and its evidence is strong: the speaker says nothing directly before or after it,
  so that no misplaced edge explains it, and nearly no one else is active during it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from speech import activity, sentences
from speech.types import Diarization, LabelledWord, SpeakerSummary, SpeakerTurn, Word

MIN_WORD_S = 0.01
"""A shorter word counts as this long: an instant overlaps nothing."""
REAL_CHANGE_WORDS = 3
STRONG_EVIDENCE = 0.9
EDGE_CONFIDENCE = 0.5
"""For a word that only touches its speaker's turn."""
GAP_HALVING_S = 0.5
"""The confidence in the nearest turn halves with every such length of gap."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the turns alone say of one word."""

    speaker: str
    confidences: dict[str, float]
    """For each speaker who may have said it. Speakers left out have none."""


def rename_by_first_appearance(diarization: Diarization) -> Diarization:
    """Name the speakers SPEAKER_00, SPEAKER_01, ... in the order in which they first speak.

    The diarizer numbers its clusters arbitrarily. Speakers who begin at one time are ordered by
    their talk time, the longer first.
    """
    known = activity.by_first_appearance((*diarization.turns, *diarization.exclusive_turns))
    names = {speaker: f"SPEAKER_{number:02d}" for number, speaker in enumerate(known)}

    def renamed(turns: tuple[SpeakerTurn, ...]) -> tuple[SpeakerTurn, ...]:
        return tuple(SpeakerTurn(names[t.speaker], t.start_s, t.end_s) for t in turns)

    return Diarization(renamed(diarization.turns), renamed(diarization.exclusive_turns))


def summarise_speakers(diarization: Diarization) -> tuple[SpeakerSummary, ...]:
    """Each speaker's talk time in seconds and number of turns, by id.

    Overlapped speech counts for everyone who speaks; turns of one speaker that overlap each other
    count once in the talk time.
    """
    talk_s = activity.talk_times_s(diarization.turns)
    turns = Counter(turn.speaker for turn in diarization.turns)
    return tuple(
        SpeakerSummary(speaker, talk_s.get(speaker, 0.0), turns[speaker])
        for speaker in sorted(turns)
    )


def label_words(words: Sequence[Word], diarization: Diarization | None) -> tuple[LabelledWord, ...]:
    """The words, in the same order, with their speakers.

    Every word has a speaker if there is a turn that lasts; otherwise none has. The labels depend on
    the words' texts and times and the turns alone, never on the speakers' names.

    ``speaker_confidence`` is the winner's share of all speakers' overlap with the word, times a
    half and half the part of the word in which anybody speaks: 1.0 where one speaker covers the
    whole word, 0.5 where two do. A word in a gap has 0.5, halved with every ``GAP_HALVING_S`` to
    the nearest turn. A word that the vote moved has the confidence of its new speaker, 0.0 where
    that speaker is silent during it.
    """
    if diarization is None or not any(t.start_s < t.end_s for t in diarization.turns):
        return tuple(_labelled(word, None, None) for word in words)
    evidence = _weigh(words, diarization)
    speakers = _vote(words, evidence)
    return tuple(
        _labelled(word, speaker, said.confidences.get(speaker, 0.0))
        for word, speaker, said in zip(words, speakers, evidence, strict=True)
    )


def _labelled(word: Word, speaker: str | None, confidence: float | None) -> LabelledWord:
    return LabelledWord(word.text, word.start_s, word.end_s, word.confidence, speaker, confidence)


def _weigh(words: Sequence[Word], diarization: Diarization) -> list[Evidence]:
    """Each word by itself: the greatest overlap, or else the nearest turn.

    Ties go to the speaker with the greatest exclusive overlap, then to the speaker of the word
    before, then to who spoke first in the recording.
    """
    full = activity.activity(diarization.turns)
    exclusive = activity.activity(diarization.exclusive_turns)
    lasting = [turn for turn in diarization.turns if turn.start_s < turn.end_s]
    starts = activity.edges((turn.start_s, turn.speaker) for turn in lasting)
    ends = activity.edges((turn.end_s, turn.speaker) for turn in lasting)
    order = activity.by_first_appearance(diarization.turns)
    rank = {speaker: -number for number, speaker in enumerate(order)}
    weighed: list[Evidence] = []
    before: str | None = None
    for word in words:
        end_s = max(word.end_s, word.start_s + MIN_WORD_S)
        overlaps_s, covered_s = activity.overlaps_s(full, word.start_s, end_s)
        if overlaps_s:
            confidences = _confidences(overlaps_s, covered_s / (end_s - word.start_s))
            candidates = _best(overlaps_s, set(overlaps_s))
        else:
            gap_s, candidates = activity.nearest(starts, ends, word.start_s, end_s)
            confidence = EDGE_CONFIDENCE * 0.5 ** (gap_s / GAP_HALVING_S)
            confidences = dict.fromkeys(candidates, confidence)
        if len(candidates) > 1:
            alone_s, _ = activity.overlaps_s(exclusive, word.start_s, end_s)
            candidates = _best(alone_s, candidates)
        if before is None or before not in candidates:
            before = max(candidates, key=rank.__getitem__)
        weighed.append(Evidence(before, confidences))
    return weighed


def _best(seconds: dict[str, float], candidates: set[str]) -> set[str]:
    """The candidates with the most seconds; more than one where they tie."""
    most_s = max(seconds.get(speaker, 0.0) for speaker in candidates)
    return {s for s in candidates if seconds.get(s, 0.0) >= most_s - activity.TIE_S}


def _confidences(overlaps_s: dict[str, float], covered: float) -> dict[str, float]:
    """Each speaker's share; ``covered`` is the part of the word in which anybody speaks."""
    scale = (EDGE_CONFIDENCE + (1 - EDGE_CONFIDENCE) * covered) / sum(overlaps_s.values())
    return {speaker: min(1.0, seconds * scale) for speaker, seconds in overlaps_s.items()}


def _vote(words: Sequence[Word], evidence: Sequence[Evidence]) -> list[str]:
    """The speakers after the vote. All runs are judged by what was heard, not by other votes."""
    heard = [said.speaker for said in evidence]
    voted = list(heard)
    for begin, end in sentences.sentence_bounds(words):
        winner, count = Counter(heard[begin:end]).most_common(1)[0]
        if count == end - begin or 2 * count <= end - begin:
            continue
        first = begin
        for speaker, run in groupby(heard[begin:end]):
            last = first + len(list(run)) - 1
            if speaker != winner and _is_doubtful(words, evidence, first, last):
                voted[first : last + 1] = [winner] * (last + 1 - first)
            first = last + 1
    return voted


def _is_doubtful(
    words: Sequence[Word], evidence: Sequence[Evidence], first: int, last: int
) -> bool:
    """Whether the run of one speaker's words from first to last may be an error of the edges."""
    if last - first + 1 >= REAL_CHANGE_WORDS:
        return False
    previous = first - 1 if first > 0 else None
    following = last + 1 if last + 1 < len(words) else None
    pause_before = (
        previous is None or sentences.gap_s(words[previous], words[first]) >= sentences.PAUSE_S
    )
    after = words[following] if following is not None else None
    if pause_before and sentences.gap_s(words[last], after) >= sentences.PAUSE_S:
        return False
    speaker = evidence[first].speaker
    neighbours = [i for i in (previous, following) if i is not None]
    if any(evidence[i].speaker == speaker for i in neighbours):
        return True
    return any(evidence[i].confidences[speaker] < STRONG_EVIDENCE for i in range(first, last + 1))
