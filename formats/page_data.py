"""What a page holds of a result: arrays of whole numbers, several times smaller than its JSON.

Times are milliseconds and confidences ten-thousandths, the precision of the envelope, so that the
page can give the envelope's JSON back. Speakers are indices: those of ``result.speakers`` first, in
their order; -1 is nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from speech import envelope
from speech.segments import segment_words
from speech.types import LabelledWord, Result, Segment

LEFT_OUT = ("text", "timestamps", "scores", "turns")
"""Keys of the envelope that the page makes anew, or does not keep."""


def pack(result: Result) -> dict[str, object]:
    """The result as the page's script reads it.

    Voices' prints stay out: a page is passed around.
    """
    segments = shown_segments(result)
    speakers = speaker_ids(result, segments)
    place = {speaker: index for index, speaker in enumerate(speakers)}
    text = " ".join(segment.text for segment in segments)
    return {
        "diarized": result.diarized,
        "speakers": speakers,
        "words": pack_words(result.words, place),
        "segments": pack_segments(segments, result.words, place),
        "turns": [
            [place[turn.speaker], _ms(turn.start_s), _ms(turn.end_s)]
            for turn in result.turns
            if turn.speaker in place
        ],
        "text": None if text == result.text else result.text,
        "rest": pack_rest(result),
    }


def shown_segments(result: Result) -> tuple[Segment, ...]:
    """Those of the result; where it has none, made from its words."""
    return result.segments or segment_words(result.words)


def speaker_ids(result: Result, segments: Sequence[Segment]) -> list[str]:
    """Everybody who is named anywhere, once."""
    if not result.diarized:
        return []
    named = [
        *(speaker.id for speaker in result.speakers),
        *(turn.speaker for turn in result.turns),
        *(segment.speaker for segment in segments),
        *(word.speaker for word in result.words),
    ]
    return [speaker for speaker in dict.fromkeys(named) if speaker is not None]


def pack_words(words: Sequence[LabelledWord], place: dict[str, int]) -> dict[str, list[object]]:
    """One array for each property; a start is the distance to the start before it."""
    starts = [_ms(word.start_s) for word in words]
    before = [0, *starts]
    return {
        "text": [word.text for word in words],
        "start": [start - earlier for start, earlier in zip(starts, before, strict=False)],
        "length": [_ms(word.end_s) - start for word, start in zip(words, starts, strict=True)],
        "confidence": [_share(word.confidence) for word in words],
        "speaker": [_place(word.speaker, place) for word in words],
        "certainty": [
            -1 if word.speaker_confidence is None else _share(word.speaker_confidence)
            for word in words
        ],
        "overlap": [index for index, word in enumerate(words) if word.overlap],
        "repaired": [index for index, word in enumerate(words) if word.repaired],
    }


def pack_segments(
    segments: Sequence[Segment], words: Sequence[LabelledWord], place: dict[str, int]
) -> list[list[object]]:
    """Start, end, speaker, language, 1 where it is an unexpected one, its words or its text.

    Its words are a first index and a count, or each index where others speak in between.
    """
    waiting: dict[str | None, deque[int]] = {}
    for index, word in enumerate(words):
        waiting.setdefault(word.speaker, deque()).append(index)
    packed: list[list[object]] = []
    for segment in segments:
        language = segment.language
        own = spelling_words(segment, words, waiting.get(segment.speaker, deque()))
        packed.append(
            [
                _ms(segment.start_s),
                _ms(segment.end_s),
                _place(segment.speaker, place),
                language.code if language else 0,
                int(language is not None and not language.expected),
                _brief(own) if own else segment.text,
            ]
        )
    return packed


def spelling_words(
    segment: Segment, words: Sequence[LabelledWord], waiting: deque[int]
) -> list[int]:
    """The words that spell the segment, taken off its speaker's waiting ones.

    None where they do not spell it, as in an earlier result whose text was corrected by hand: such
    a segment is shown as it is.
    """
    at = 0
    for count, index in enumerate(waiting, start=1):
        said = words[index].text
        if not segment.text.startswith(said, at):
            break
        at += len(said)
        if at == len(segment.text):
            return [waiting.popleft() for _ in range(count)]
        if segment.text[at] != " ":
            break
        at += 1
    while waiting and words[waiting[0]].start_s < segment.end_s:
        waiting.popleft()
    return []


def pack_rest(result: Result) -> envelope.Envelope:
    """The envelope without what the page has in a smaller form."""
    bare = replace(
        result,
        text="",
        words=(),
        segments=(),
        chars=(),
        turns=(),
        speakers=tuple(replace(speaker, voiceprint=None) for speaker in result.speakers),
    )
    return {key: value for key, value in envelope.success(bare).items() if key not in LEFT_OUT}


def _brief(indices: list[int]) -> list[int] | list[list[int]]:
    if indices[-1] - indices[0] == len(indices) - 1:
        return [indices[0], len(indices)]
    return [indices]


def _place(speaker: str | None, place: dict[str, int]) -> int:
    return -1 if speaker is None else place.get(speaker, -1)


def _ms(seconds: float) -> int:
    # Rounded as the envelope rounds, not by a rule of its own.
    return round(round(seconds, envelope.TIME_DECIMALS) * 1000)


def _share(value: float) -> int:
    return round(round(value, envelope.CONFIDENCE_DECIMALS) * 10_000)
