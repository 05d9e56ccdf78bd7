"""Scores an envelope against a reference: WER, DER and cpWER, by the libraries that define them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import meeteval
from pyannote.core import Annotation, Segment, Timeline
from pyannote.database.util import load_rttm
from pyannote.metrics.diarization import DiarizationErrorRate


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one speaker said in one go."""

    speaker: str
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Scores:
    """Error rates, 0 is perfect."""

    wer: float
    """Case and punctuation left out."""
    der: float
    """Collar 0, overlapped speech included."""
    cpwer: float


def score(
    envelope: Mapping[str, Any],
    utterances: tuple[Utterance, ...],
    turns: Annotation,
    duration_s: float,
) -> Scores:
    """All three.

    Args:
        envelope: A success with word times and speakers.
        utterances: The reference's words.
        turns: The reference's turns.
        duration_s: The recording's length: the part that DER scores.
    """
    words = envelope["timestamps"]["word"]
    found = tuple(
        Utterance(w["speaker"] or "nobody", w["start"], w["end"], w["word"]) for w in words
    )
    reference_text = normalise(" ".join(u.text for u in utterances))
    return Scores(
        wer=float(jiwer.wer(reference_text, normalise(envelope["text"]))),
        der=diarization_error_rate(turns, found, duration_s),
        cpwer=float(meeteval.wer.cpwer(seglst(utterances), seglst(found))["sample"].error_rate),
    )


def diarization_error_rate(
    turns: Annotation, found: Iterable[Utterance], duration_s: float
) -> float:
    """DER of the labelled words, each as a turn of its own, joined over pauses of half a second."""
    annotation = Annotation()
    for index, word in enumerate(found):
        annotation[Segment(word.start_s, word.end_s), index] = word.speaker
    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    uem = Timeline([Segment(0, duration_s)])
    return float(metric(turns, annotation.support(collar=0.5), uem=uem))


def seglst(utterances: Iterable[Utterance]) -> Any:
    """For meeteval."""
    return meeteval.io.SegLST(
        [
            {
                "session_id": "sample",
                "speaker": u.speaker,
                "start_time": u.start_s,
                "end_time": u.end_s,
                "words": normalise(u.text),
            }
            for u in utterances
        ]
    )


def normalise(text: str) -> str:
    """Lower case, no punctuation but apostrophes, one space between words."""
    return " ".join(re.sub(r"[^\w' ]", " ", text.lower()).split())


def read_stm(path: Path) -> tuple[Utterance, ...]:
    """Lines of ``file channel speaker start end words``."""
    utterances = []
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith(";;"):
            _, _, speaker, start, end, text = line.split(maxsplit=5)
            utterances.append(Utterance(speaker, float(start), float(end), text))
    return tuple(utterances)


def read_rttm(path: Path) -> Annotation:
    """The turns of an RTTM file with one recording."""
    (annotation,) = load_rttm(path).values()
    assert isinstance(annotation, Annotation)
    return annotation
