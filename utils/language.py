"""In which language a text is, of those that the speech model hears: told from the text itself.

A short text proves little: "okay", names and numbers are at home everywhere. So Bayes' rule is
used: the language that the request expects is the likeliest one beforehand for the whole, and the
whole's for each segment; a text must speak clearly to be taken for another. What stays unsure is
None, and no guess: a short answer has its neighbours' language only if it looks like that, too.

The limits were chosen on the sentences of lingua-py's accuracy report (language-testdata in
github.com/pemistahl/lingua-py; all languages but Maltese), cut short: half of them to 3 words or
fewer. In a recording of one language 82 % of them are named, 0.04 % wrongly; alone in a recording
of another language 60 % are named, 0.6 % wrongly. Of whole sentences 99.6 % are named, 0.03 %
wrongly.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from speech.types import Language
from utils.request_fields import LANGUAGES

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier  # type: ignore[import-untyped]  # has no types

MIN_LETTERS: Final = 4
MIN_CONFIDENCE: Final = 0.8
LIKELIEST: Final = 0.3
"""Probability beforehand of the language that is the likeliest; the others share the rest."""


@dataclass(frozen=True, slots=True)
class Languages:
    """Of a transcript."""

    whole: Language | None
    segments: tuple[Language | None, ...]


def detect(text: str, segments: Sequence[str], expected: str | None) -> Languages:
    """The language of a transcript and of each of its segments.

    Not for an event loop: the first call loads the model, and a long transcript takes a while.

    Args:
        text: The whole.
        segments: Its segments' texts.
        expected: The language that the request expects; None expects any.
    """
    whole = _language(text, likeliest=expected, expected=expected)
    likeliest = whole.code if whole else expected
    return Languages(
        whole=whole,
        segments=tuple(
            _language(segment, likeliest=likeliest, expected=expected) for segment in segments
        ),
    )


def warnings(found: Languages, expected: str | None) -> tuple[str, ...]:
    """What the caller is to be told: that the whole is not in the language that was expected."""
    whole = found.whole
    if whole is None or whole.expected:
        return ()
    text = (
        f"language is {expected}, but what was heard is {whole.code} (confidence "
        f"{whole.confidence:.2f}). Check the recording, or the request's language."
    )
    return (text,)


@functools.cache
def load() -> LanguageIdentifier:
    """The model, which takes a second and 100 MB: once for all jobs."""
    import numpy as np
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES)
    # It comes in half precision, which processors do not calculate in.
    identifier.nb_ptc = np.ascontiguousarray(identifier.nb_ptc, dtype=np.float32)
    return identifier


def _language(text: str, *, likeliest: str | None, expected: str | None) -> Language | None:
    """The likeliest language; None where that is not sure enough."""
    if sum(map(str.isalpha, text)) < MIN_LETTERS:
        return None
    shares = dict(load().rank(text))
    if likeliest is not None:
        others = (1 - LIKELIEST) / (len(LANGUAGES) - 1)
        shares = {
            code: share * (LIKELIEST if code == likeliest else others)
            for code, share in shares.items()
        }
    code = max(shares, key=shares.__getitem__)
    confidence = float(shares[code] / sum(shares.values()))
    if confidence < MIN_CONFIDENCE:
        return None
    return Language(code, min(1.0, confidence), expected is None or code == expected)
