"""One conversation out of a recording's channels, each of which was heard by itself.

Each channel is a speaker: CHANNEL_00, CHANNEL_01 and so on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from speech import activity, copies, evidence, labelling, segments, sentences, timeline
from speech.request import TimestampLevel
from speech.types import (
    Audio,
    Char,
    Diarization,
    Hearing,
    LabelledWord,
    Result,
    Segment,
    SpeakerSummary,
    SpeakerTurn,
    Word,
)


def name(channel: int) -> str:
    """What a channel's speaker is called."""
    return f"CHANNEL_{channel:02d}"


def join(
    hearings: Sequence[Hearing],
    comparisons: Mapping[copies.Doubt, copies.Comparison],
    audios: Sequence[Audio],
    timestamps: tuple[TimestampLevel, ...],
) -> Result:
    """The words of all channels, each once.

    Words and segments are in the order of their start; the text is that of the segments, so that
    people who speak at one time do not share a sentence. ``speaker_confidence`` is 1.0 for what is
    heard on one channel only, else as of ``copies.margins``. There is a speaker for each channel,
    those included on which nothing is said.

    Args:
        hearings: Of the channels, in their order.
        comparisons: Of all ``copies.doubts(hearings)``.
        audios: What was heard; their offsets move the times.
        timestamps: What the result is to show.
    """
    margins = copies.margins(hearings, comparisons)
    words: list[LabelledWord] = []
    chars: list[Char] = []
    pieces: list[Segment] = []
    for channel, hearing in enumerate(hearings):
        later = timeline.shift(hearing, audios[channel].offset_s).transcript
        kept = {
            index: margin
            for index in range(len(later.words))
            if (margin := margins.get((channel, index), 1.0)) is not None
        }
        said = [_labelled(later.words[index], channel, margin) for index, margin in kept.items()]
        words += said
        chars += [char for index, char in _owned(later.words, later.chars) if index in kept]
        pieces += segments.segment_words(said)
    words.sort(key=lambda word: (word.start_s, word.speaker or ""))
    pieces.sort(key=lambda piece: (piece.start_s, piece.speaker or ""))
    longest = max(range(len(audios)), key=lambda channel: audios[channel].duration_s)
    return Result(
        text=" ".join(piece.text for piece in pieces),
        duration_s=audios[longest].duration_s,
        words=_with_overlaps(words),
        segments=tuple(pieces),
        chars=tuple(sorted(chars, key=lambda char: char.start_s)),
        speakers=_speakers(words, len(hearings)),
        diarized=True,
        timestamps=timestamps,
        attention=hearings[longest].transcript.attention,
        plan=hearings[longest].transcript.plan,
        models=hearings[longest].models,
        timings_s={},
        cold=any(hearing.cold for hearing in hearings),
        warnings=_warnings(hearings, {word.speaker for word in words}),
        turns=tuple(
            SpeakerTurn(piece.speaker, piece.start_s, piece.end_s)
            for piece in pieces
            if piece.speaker is not None
        ),
    )


def _labelled(word: Word, channel: int, margin: float) -> LabelledWord:
    return LabelledWord(
        text=word.text,
        start_s=word.start_s,
        end_s=word.end_s,
        confidence=word.confidence,
        speaker=name(channel),
        speaker_confidence=margin,
        repaired=word.repaired,
    )


def _owned(words: Sequence[Word], chars: Sequence[Char]) -> Iterator[tuple[int, Char]]:
    """Each char with the index of its word: the chars spell the words, in order."""
    ends = list(accumulate(len(word.text) for word in words))
    at = 0
    for char in chars:
        yield bisect_right(ends, at), char
        at += len(char.text)


def _with_overlaps(words: Sequence[LabelledWord]) -> tuple[LabelledWord, ...]:
    """Mark the words during which somebody speaks on another channel."""
    slices = activity.activity(
        SpeakerTurn(word.speaker or "", word.start_s, word.end_s) for word in words
    )
    return tuple(replace(word, overlap=_overlaps(word, slices)) for word in words)


def _overlaps(word: LabelledWord, slices: activity.Activity) -> bool:
    """As for diarized words: see ``labelling.label_words``."""
    end_s = max(word.end_s, word.start_s + evidence.MIN_WORD_S)
    enough_s = min(evidence.OVERLAP_S, (end_s - word.start_s) / 2)
    return activity.heard(slices, word.start_s, end_s).together_s >= enough_s - activity.TIE_S


def _speakers(words: Sequence[LabelledWord], channels: int) -> tuple[SpeakerSummary, ...]:
    """Talk time and turns; a pause within speech does not end a turn."""
    turns: list[SpeakerTurn] = []
    for channel in range(channels):
        own = [word for word in words if word.speaker == name(channel)]
        begin = 0
        for index, word in enumerate(own):
            following = own[index + 1] if index + 1 < len(own) else None
            if sentences.gap_s(word, following) >= sentences.PAUSE_S:
                turns.append(SpeakerTurn(name(channel), own[begin].start_s, word.end_s))
                begin = index + 1
    summaries = {one.id: one for one in labelling.summarise_speakers(Diarization(tuple(turns), ()))}
    return tuple(
        summaries.get(name(channel), SpeakerSummary(name(channel), 0.0, 0))
        for channel in range(channels)
    )


def _warnings(hearings: Sequence[Hearing], speakers: Container[str | None]) -> tuple[str, ...]:
    """The channels' own, each once, and what is odd about the channels themselves."""
    warnings = [warning for hearing in hearings for warning in hearing.warnings]
    if len(hearings) == 1:
        warnings.append(
            "channels is separate, but the recording has one channel: everybody on it is "
            f"{name(0)}. Send channels mix to have speakers told apart."
        )
    for channel, hearing in enumerate(hearings):
        if hearing.transcript.words and name(channel) not in speakers:
            warnings.append(
                f"{name(channel)} has nothing but what is heard on other channels as well."
            )
    return tuple(dict.fromkeys(warnings))
