"""All scores of one result: 0 is perfect, but for coverage, where 1 is.

A score is None where the reference or the result does not tell what it needs, or where it is
undefined: errors among no words. The counts beside them make sums over recordings possible.

pyannote.metrics and meeteval take seconds to import, and are imported where they are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

from scoring import words
from scoring.part import Part, crop
from scoring.results import Found
from scoring.tokens import tokens
from speech.spoken import Scored, Spoken, Utterance

DECIMALS: Final = 6
MAX_SPEAKERS: Final = 20
"""meeteval takes more for a mistake."""

Scores = dict[str, object]

EMPTY: Final[Mapping[str, None]] = dict.fromkeys(
    (
        "wer",
        "cer",
        "cp_wer",
        "tcp_wer",
        "wder",
        "der",
        "der_collar_250ms",
        "jer",
        "word_start_mean_s",
        "word_start_p95_s",
        "word_start_bias_s",
        "word_end_mean_s",
        "word_end_p95_s",
        "word_end_bias_s",
        "coverage",
    )
)
"""Every score, in the order of the table."""


def score(reference: Spoken, found: Found, part: Part | None = None) -> Scored:
    """Hold a result against what was said.

    Args:
        reference: What was said.
        found: The result.
        part: The part of the recording that was transcribed; None is the whole.
    """
    truth = crop(reference, part) if part else reference
    scores: Scores = {**EMPTY, "coverage": found.coverage}
    warnings: list[str] = []
    if truth.utterances is not None:
        scores |= _of_words(truth.utterances, found.spoken.utterances or ())
        scores |= _of_speakers(truth.utterances, found.spoken.utterances or (), warnings)
    if truth.turns is not None and found.spoken.turns is not None:
        scores |= _of_turns(truth, found, part)
    return Scored({name: _rounded(value) for name, value in scores.items()}, tuple(warnings))


def _of_words(truth: Sequence[Utterance], found: Sequence[Utterance]) -> Scores:
    """Of the words, whoever says them; of their speakers and their times where both know them."""
    theirs, ours = tokens(truth), tokens(found)
    alignment = words.align(theirs, ours)
    character_errors, characters = words.character_errors(theirs, ours)
    scores: Scores = {
        "wer": _rate(alignment.errors, len(theirs)),
        "cer": _rate(character_errors, characters),
        "reference_words": len(theirs),
        "found_words": len(ours),
        "substitutions": len(alignment.substituted),
        "deletions": alignment.deletions,
        "insertions": alignment.insertions,
        "reference_characters": characters,
        "character_errors": character_errors,
    }
    if _have_speakers(truth) and _have_speakers(found):
        by_word = words.wrong_speakers(theirs, ours, alignment)
        scores["wder"] = _rate(by_word.wrong, by_word.aligned)
        scores["wrong_speaker_words"] = by_word.wrong
        scores["aligned_words"] = by_word.aligned
    times = words.time_errors(theirs, ours, alignment)
    if times is not None:
        starts, ends, count = times
        scores |= {f"word_start_{name}": value for name, value in asdict(starts).items()}
        scores |= {f"word_end_{name}": value for name, value in asdict(ends).items()}
        scores["timed_words"] = count
    return scores


def _of_speakers(
    truth: Sequence[Utterance], found: Sequence[Utterance], warnings: list[str]
) -> Scores:
    """Of words under the best mapping of speakers."""
    if not _have_speakers(truth) or not _have_speakers(found):
        return {}
    most = max(len({one.speaker for one in side}) for side in (truth, found))
    if most > MAX_SPEAKERS:
        warnings.append(f"cp_wer and tcp_wer take at most {MAX_SPEAKERS} speakers; {most} came.")
        return {}
    from scoring import speakers

    errors = speakers.cp_errors(truth, found)
    scores: Scores = {"cp_wer": _rate(errors.errors, errors.words), "cp_errors": errors.errors}
    if _have_times(truth) and _have_times(found):
        errors = speakers.tcp_errors(truth, found)
        scores |= {"tcp_wer": _rate(errors.errors, errors.words), "tcp_errors": errors.errors}
    return scores


def _of_turns(truth: Spoken, found: Found, part: Part | None) -> Scores:
    """Of who spoke when."""
    from scoring import turns

    theirs = turns.annotation(truth.turns or ())
    ours = turns.annotation(found.spoken.turns or ())
    both = (*(truth.turns or ()), *(found.spoken.turns or ()))
    last_s = max((turn.end_s for turn in both), default=0.0)
    whole = (part.start_s, min(part.end_s, last_s)) if part else (0.0, last_s)
    strict = turns.speaker_time(theirs, ours, whole)
    lenient = turns.speaker_time(theirs, ours, whole, collar_s=turns.COLLAR_S)
    return {
        "der": _rate(strict.error_s, strict.speech_s),
        "der_collar_250ms": _rate(lenient.error_s, lenient.speech_s),
        "jer": turns.jaccard_error_rate(theirs, ours, whole),
        "turns_from": found.turns_from,
        "reference_speech_s": strict.speech_s,
        "missed_speech_s": strict.missed_s,
        "false_speech_s": strict.false_alarm_s,
        "confused_speech_s": strict.confused_s,
        "reference_speakers": len(theirs.labels()),
        "found_speakers": len(ours.labels()),
    }


def _have_speakers(utterances: Sequence[Utterance]) -> bool:
    return all(one.speaker is not None for one in utterances)


def _have_times(utterances: Sequence[Utterance]) -> bool:
    return all(one.start_s is not None for one in utterances)


def _rate(errors: float, of: float) -> float | None:
    """Errors among nothing have no rate, and no errors among nothing are no errors."""
    return errors / of if of else (None if errors else 0.0)


def _rounded(value: object) -> object:
    return round(value, DECIMALS) if isinstance(value, float) else value
