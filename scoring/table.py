"""Scores for people to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

RATES: Final[Mapping[str, str]] = {
    "wer": "words wrong (WER)",
    "cer": "characters wrong (CER)",
    "cp_wer": "words wrong, by speaker (cpWER)",
    "tcp_wer": "words wrong, by speaker and time (tcpWER)",
    "wder": "words with the wrong speaker (WDER)",
    "der": "diarization error (DER)",
    "der_collar_250ms": "the same without 250 ms at each boundary",
    "jer": "Jaccard error (JER)",
    "coverage": "speech that has words (coverage)",
}
COUNTS: Final[Mapping[str, str]] = {
    "wer": "{substitutions} substituted, {deletions} missing, {insertions} made up of "
    "{reference_words} words",
    "cer": "{character_errors} of {reference_characters} characters",
    "cp_wer": "{cp_errors} of {reference_words} words",
    "tcp_wer": "{tcp_errors} of {reference_words} words, 5 s around their places",
    "wder": "{wrong_speaker_words} of {aligned_words} words",
    "der": "{missed_speech_s:.1f} s missed, {false_speech_s:.1f} s false, "
    "{confused_speech_s:.1f} s confused of {reference_speech_s:.1f} s",
    "jer": "{found_speakers} speakers found of {reference_speakers}; turns of the {turns_from}",
}


def lines(scores: Mapping[str, object]) -> Iterator[str]:
    """A line a score; without those that cannot be told."""
    for name, title in RATES.items():
        rate = scores.get(name)
        if isinstance(rate, int | float):
            counts = COUNTS.get(name, "").format_map(scores)
            yield f"{title:<44} {100 * rate:7.2f} %  {counts}".rstrip()
    for edge in ("start", "end"):
        mean, p95, bias = (scores.get(f"word_{edge}_{what}_s") for what in ("mean", "p95", "bias"))
        if isinstance(mean, float) and isinstance(p95, float) and isinstance(bias, float):
            title = f"word {edge}s off by"
            yield (
                f"{title:<44} {1000 * mean:7.0f} ms 95 % within {1000 * p95:.0f} ms, "
                f"bias {1000 * bias:+.0f} ms, {scores['timed_words']} words"
            )
