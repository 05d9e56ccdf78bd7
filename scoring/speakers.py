"""Words and their speakers together, by meeteval: cpWER, and tcpWER that minds the times too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import meeteval

from scoring.tokens import normalise
from speech.spoken import Utterance

COLLAR_S: Final = 5.0
"""How far from its place a word may be found and still be that word, in tcpWER."""


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Errors under the best mapping of speakers."""

    errors: int
    words: int
    """Of the reference."""


def cp_errors(reference: Sequence[Utterance], found: Sequence[Utterance]) -> WordErrors:
    """Of the concatenated minimum-permutation word error rate: Watanabe et al. 2020, CHiME-6.

    Args:
        reference: All with speakers, in the order of their starts.
        found: The same. Words without a speaker count as those of one more.
    """
    return _counted(
        meeteval.wer.cp_word_error_rate(
            _segments(reference, timed=False),
            _segments(found, timed=False),
            reference_sort=False,
            hypothesis_sort=False,
        )
    )


def tcp_errors(reference: Sequence[Utterance], found: Sequence[Utterance]) -> WordErrors:
    """Of the time-constrained cpWER: von Neumann et al. 2023, arXiv:2307.11394.

    Where the times are those of longer utterances, words share them by their length.

    Args:
        reference: All with speakers and times.
        found: The same.
    """
    return _counted(
        meeteval.wer.time_constrained_minimum_permutation_word_error_rate(
            _segments(reference, timed=True), _segments(found, timed=True), collar=COLLAR_S
        )
    )


def _segments(utterances: Sequence[Utterance], *, timed: bool) -> Any:
    """As meeteval reads them."""
    segments: list[dict[str, object]] = []
    for one in utterances:
        words = normalise(one.text)
        if words:
            segments.append({"speaker": one.speaker or "", "words": words})
            if timed:
                segments[-1] |= {"start_time": one.start_s, "end_time": one.end_s}
    return meeteval.io.SegLST(segments)


def _counted(rate: Any) -> WordErrors:
    return WordErrors(int(rate.errors), int(rate.length))
