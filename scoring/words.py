"""What of the words is right: WER and CER by jiwer, who said them (WDER), and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import numpy as np

from scoring.tokens import Token


@dataclass(frozen=True, slots=True)
class Alignment:
    """The words of a reference beside those that were found."""

    equal: tuple[tuple[int, int], ...]
    """Places in the reference and in what was found."""
    substituted: tuple[tuple[int, int], ...]
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        """The edit distance."""
        return len(self.substituted) + self.deletions + self.insertions


@dataclass(frozen=True, slots=True)
class TimeErrors:
    """Of the start or the end of words, in seconds."""

    mean_s: float
    """Of the sizes."""
    p95_s: float
    """Of the sizes."""
    bias_s: float
    """The mean with its sign: above 0, too late."""


@dataclass(frozen=True, slots=True)
class WrongSpeakers:
    """Words, right or substituted, by whether the right speaker has them."""

    wrong: int
    aligned: int


def align(reference: Sequence[Token], found: Sequence[Token]) -> Alignment:
    """With the least insertions, deletions and substitutions, whoever speaks."""
    if not reference or not found:
        return Alignment((), (), len(reference), len(found))
    compared = jiwer.process_words(joined(reference), joined(found))
    pairs: dict[str, list[tuple[int, int]]] = {"equal": [], "substitute": []}
    for chunk in compared.alignments[0]:
        if chunk.type in pairs:
            theirs = range(chunk.ref_start_idx, chunk.ref_end_idx)
            ours = range(chunk.hyp_start_idx, chunk.hyp_end_idx)
            pairs[chunk.type] += zip(theirs, ours, strict=True)
    return Alignment(
        tuple(pairs["equal"]),
        tuple(pairs["substitute"]),
        compared.deletions,
        compared.insertions,
    )


def character_errors(reference: Sequence[Token], found: Sequence[Token]) -> tuple[int, int]:
    """The edit distance in characters, spaces included, and the reference's length."""
    theirs, ours = joined(reference), joined(found)
    if not theirs or not ours:
        return len(theirs) + len(ours), len(theirs)
    compared = jiwer.process_characters(theirs, ours)
    return compared.substitutions + compared.deletions + compared.insertions, len(theirs)


def wrong_speakers(
    reference: Sequence[Token], found: Sequence[Token], alignment: Alignment
) -> WrongSpeakers:
    """The counts of the word diarization error rate: Shafey et al. 2019, arXiv:1907.05337, eq. 1.

    Each of the found speakers stands for at most one of the reference's, so that as many words as
    can be have the right one. Words that are missing or made up do not count.
    """
    pairs = alignment.equal + alignment.substituted
    if not pairs:
        return WrongSpeakers(0, 0)
    theirs = {who: row for row, who in enumerate({reference[i].speaker: 0 for i, _ in pairs})}
    ours = {who: column for column, who in enumerate({found[j].speaker: 0 for _, j in pairs})}
    shared = np.zeros((len(theirs), len(ours)), dtype=np.int64)
    for i, j in pairs:
        shared[theirs[reference[i].speaker], ours[found[j].speaker]] += 1
    from scipy.optimize import linear_sum_assignment  # takes a second, and is not always needed

    right = int(shared[linear_sum_assignment(shared, maximize=True)].sum())
    return WrongSpeakers(len(pairs) - right, len(pairs))


def time_errors(
    reference: Sequence[Token], found: Sequence[Token], alignment: Alignment
) -> tuple[TimeErrors, TimeErrors, int] | None:
    """Of the starts and of the ends of the words that were found right, and of how many.

    Returns:
        None where no word has times on both sides.
    """
    starts_s, ends_s = [], []
    for i, j in alignment.equal:
        truth, word = reference[i], found[j]
        if truth.start_s is None or truth.end_s is None:
            continue
        if word.start_s is None or word.end_s is None:
            continue
        starts_s.append(word.start_s - truth.start_s)
        ends_s.append(word.end_s - truth.end_s)
    if not starts_s:
        return None
    return _time_errors(starts_s), _time_errors(ends_s), len(starts_s)


def _time_errors(differences_s: Sequence[float]) -> TimeErrors:
    errors = np.array(differences_s)
    sizes = np.abs(errors)
    return TimeErrors(float(sizes.mean()), float(np.percentile(sizes, 95)), float(errors.mean()))


def joined(words: Sequence[Token]) -> str:
    """As one text."""
    return " ".join(word.text for word in words)
