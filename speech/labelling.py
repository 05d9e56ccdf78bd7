"""Gives every word its speaker.

``speech.evidence`` has what the turns say of each word by itself, ``speech.decision`` makes of it
who says each sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from speech import activity, evidence
from speech.decision import decide
from speech.types import Diarization, LabelledWord, SpeakerSummary, SpeakerTurn, Word

MIN_WORD_S = evidence.MIN_WORD_S
OVERLAP_S = evidence.OVERLAP_S


def rename_by_first_appearance(diarization: Diarization) -> Diarization:
    """Call known speakers by their names, and strangers SPEAKER_00, SPEAKER_01, ...

    Strangers are numbered in the order in which they first speak, for the diarizer numbers its
    clusters arbitrarily. Those who begin at one time are ordered by their talk time, the longer
    first. Known speakers take no number. ``names`` and ``voiceprints`` are under the new ids.
    """
    present = _present(diarization)
    strangers = [speaker for speaker in present if speaker not in diarization.names]
    ids = {speaker: f"SPEAKER_{number:02d}" for number, speaker in enumerate(strangers)}
    known = {speaker: name for speaker, name in diarization.names.items() if speaker in present}
    ids |= known

    def renamed(turns: tuple[SpeakerTurn, ...]) -> tuple[SpeakerTurn, ...]:
        return tuple(SpeakerTurn(ids[t.speaker], t.start_s, t.end_s) for t in turns)

    return Diarization(
        renamed(diarization.turns),
        renamed(diarization.exclusive_turns),
        names={name: name for name in known.values()},
        voiceprints={
            ids[speaker]: vector
            for speaker, vector in diarization.voiceprints.items()
            if speaker in ids
        },
    )


def summarise_speakers(
    diarization: Diarization, *, voiceprints: bool = False
) -> tuple[SpeakerSummary, ...]:
    """Each speaker's talk time in seconds and number of turns, in the order of first appearance.

    Overlapped speech counts for everyone who speaks; turns of one speaker that overlap each other
    count once in the talk time.

    Args:
        diarization: Who spoke when.
        voiceprints: Whether to add them, where there are any.
    """
    talk_s = activity.talk_times_s(diarization.turns)
    turns = Counter(turn.speaker for turn in diarization.turns)
    vectors = diarization.voiceprints if voiceprints else {}
    return tuple(
        SpeakerSummary(speaker, talk_s.get(speaker, 0.0), turns[speaker], vectors.get(speaker))
        for speaker in _present(diarization)
        if speaker in turns
    )


def _present(diarization: Diarization) -> tuple[str, ...]:
    """The speakers in the order of first appearance."""
    return activity.by_first_appearance((*diarization.turns, *diarization.exclusive_turns))


def label_words(words: Sequence[Word], diarization: Diarization | None) -> tuple[LabelledWord, ...]:
    """The words, in the same order, with their speakers.

    Every word has a speaker if there is a turn that lasts; otherwise none has. The labels depend on
    the words' texts and times and the turns alone, never on the speakers' names.

    ``speaker_confidence`` is the margin of the word's speaker over the next: the part of the word
    in which the one is active less the part in which the other is. It is 1.0 where one speaker
    alone covers the whole word and 0.0 where two do. A part in which nobody is active counts half
    for those who are active in the rest, in proportion. In a gap, a speaker whose turn touches the
    word has a half, halved again with every ``GAP_HALVING_S`` in between; the margin is the
    difference to the speaker of the next nearest turn. It is 0.0 as well where the rest of the
    sentence, or a word at the same time, decided against the turns.

    ``overlap`` is set where two or more are active for ``OVERLAP_S`` of the word, or for half of a
    word that is shorter than twice that.
    """
    if diarization is None or not any(t.start_s < t.end_s for t in diarization.turns):
        return tuple(_without_speaker(word) for word in words)
    weighed = evidence.weigh(words, diarization)
    speakers = decide(words, weighed, activity.by_first_appearance(diarization.turns))
    return tuple(
        LabelledWord(
            word.text,
            word.start_s,
            word.end_s,
            word.confidence,
            speaker,
            1.0 if said.only == speaker else said.margin(speaker),
            said.overlap,
            word.repaired,
        )
        for word, speaker, said in zip(words, speakers, weighed, strict=True)
    )


def _without_speaker(word: Word) -> LabelledWord:
    return LabelledWord(
        word.text, word.start_s, word.end_s, word.confidence, None, None, repaired=word.repaired
    )
