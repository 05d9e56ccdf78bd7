"""Results to show on a page, and the files that a page can write anew."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from itertools import groupby

from formats import page
from speech.segments import segment_words
from speech.types import LabelledWord, Result, Segment, SpeakerSummary, SpeakerTurn

VOCABULARY = ("about", "budget", "coffee", "every", "Friday", "good", "house", "just", "lunch")
WORD_S, SENTENCE_WORDS = 0.36, 10


def meeting(words: int = 200, speakers: int = 3, seed: int = 0) -> Result:
    """People who take turns, a sentence or a few each."""
    rng = random.Random(seed)
    said: list[LabelledWord] = []
    speaker, left, time_s = 0, 1, 0.5
    for index in range(words):
        if index % SENTENCE_WORDS == 0:
            left -= 1
            time_s += 0.4
        if left < 0:
            speaker = (speaker + rng.randrange(1, speakers)) % speakers if speakers > 1 else 0
            left = rng.randrange(4)
        ending = "." if index % SENTENCE_WORDS == SENTENCE_WORDS - 1 else ""
        said.append(word(rng.choice(VOCABULARY) + ending, time_s, speaker, rng))
        time_s += WORD_S
    return result(said)


def word(text: str, start_s: float, speaker: int, rng: random.Random) -> LabelledWord:
    """One of many is doubtful, one of many overlapped."""
    return LabelledWord(
        text=text,
        start_s=round(start_s, 3),
        end_s=round(start_s + 0.8 * WORD_S, 3),
        confidence=rng.choice((0.35, *(round(rng.uniform(0.7, 1.0), 4) for _ in range(12)))),
        speaker=f"SPEAKER_{speaker:02d}",
        speaker_confidence=round(rng.uniform(0.5, 1.0), 4),
        overlap=rng.random() < 0.04,
        repaired=rng.random() < 0.02,
    )


def result(words: Sequence[LabelledWord]) -> Result:
    """As the worker would give it for such words."""
    segments = segment_words(words)
    turns: list[SpeakerTurn] = []
    for speaker, group in groupby(words, lambda word: word.speaker):
        said = list(group)
        if speaker is not None:
            turns.append(SpeakerTurn(speaker, said[0].start_s, said[-1].end_s))
    return Result(
        text=" ".join(segment.text for segment in segments),
        duration_s=round(words[-1].end_s + 1.0, 3) if words else 1.0,
        words=tuple(words),
        segments=segments,
        chars=(),
        speakers=summaries(turns),
        diarized=bool(turns),
        timestamps=("word", "segment"),
        attention="full",
        models={"asr": "demo"},
        timings_s={},
        cold=False,
        warnings=(),
        turns=tuple(turns),
    )


def summaries(turns: Sequence[SpeakerTurn]) -> tuple[SpeakerSummary, ...]:
    """Of everybody who has a turn."""
    return tuple(
        SpeakerSummary(
            speaker,
            round(sum(turn.end_s - turn.start_s for turn in turns if turn.speaker == speaker), 3),
            sum(turn.speaker == speaker for turn in turns),
        )
        for speaker in sorted({turn.speaker for turn in turns})
    )


def segment(text: str, start_s: float, end_s: float, speaker: str | None) -> Segment:
    """Without a language."""
    return Segment(text, start_s, end_s, speaker)


def templates(shown: Result) -> dict[str, str]:
    """Files with marks, in the simplest form that each format has."""
    place = {speaker.id: index for index, speaker in enumerate(shown.speakers)}
    lines = [
        (number, piece, page.mark(place[piece.speaker or ""]))
        for number, piece in enumerate(shown.segments, 1)
    ]
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(("start", "end", "speaker", "text"))
    writer.writerows((piece.start_s, piece.end_s, mark, piece.text) for _, piece, mark in lines)
    return {
        "srt": "".join(
            f"{number}\n{time(piece, ',')}\n{mark}: {piece.text}\n\n"
            for number, piece, mark in lines
        ),
        "vtt": "WEBVTT\n\n"
        + "".join(f"{time(piece, '.')}\n<v {mark}>{piece.text}\n\n" for _, piece, mark in lines),
        "txt": "".join(f"{mark}: {piece.text}\n" for _, piece, mark in lines),
        "md": "".join(f"**{mark}** {piece.text}\n\n" for _, piece, mark in lines),
        "csv": table.getvalue(),
    }


def time(piece: Segment, comma: str) -> str:
    """A cue's times."""
    return f"{stamp(piece.start_s, comma)} --> {stamp(piece.end_s, comma)}"


def stamp(time_s: float, comma: str) -> str:
    """Hours, minutes, seconds and milliseconds."""
    seconds, ms = divmod(round(time_s * 1000), 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{comma}{ms:03d}"
