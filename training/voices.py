"""The voices that espeak-ng speaks with, and which of them no training ever hears.

A voice of espeak-ng is a language (the accent) and a variant (the speaker). Whispering, robotic,
strongly echoing and joke variants are left out, and of variants that sound the same all are on one
side.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

# Accents and how often they are drawn. "en" is what espeak-ng calls its en-gb voice.
ACCENTS = {"en-us": 6.0, "en": 5.0, "en-gb-x-rp": 1.5, "en-gb-scotland": 0.7}

# fmt: off
FEMALE = frozenset({
    "f1", "f2", "f3", "f4", "f5", "Andrea", "Annie", "Alicia", "anika", "aunty", "belinda",
    "linda", "steph", "shelby",
})

SEEN = (
    "m1", "m2", "m3", "m5", "m6", "m7", "m8", "Alex", "Andy", "Denis", "Gene", "Jacky", "Lee",
    "Mario", "Michael", "Mike", "antonio", "edward", "gustave", "iven", "john", "norbert",
    "pablo", "paul", "quincy", "robert", "sandro", "travis", "victor", "marcelo", "adam",
    "klatt", "klatt2",
    "f1", "f2", "f4", "f5", "Annie", "Alicia", "aunty", "belinda", "linda", "steph",
)
HELD_OUT = (
    "m4", "Diogo", "ian", "pedro", "benjamin",
    "f3", "Andrea", "anika", "shelby",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Voice:
    """How espeak-ng speaks.

    Attributes:
        name: Accent and variant, such as ``en-us+f2``.
        rate_wpm: Words per minute.
        pitch: Base pitch, 0 to 99, relative to the variant's own.
        pitch_range: Liveliness of the pitch, 0 to 99.
        word_gap: Pause between words in units of 10 ms at the default rate.
    """

    name: str
    rate_wpm: int
    pitch: int
    pitch_range: int
    word_gap: int


def random_voice(rng: random.Random, *, held_out: bool) -> Voice:
    """Draw a speaker and a way of speaking.

    Args:
        rng: Source of all randomness.
        held_out: Whether to draw from the variants that no training hears.

    Returns:
        The voice. Women and men are drawn equally often.
    """
    accent = rng.choices(list(ACCENTS), list(ACCENTS.values()))[0]
    female = rng.random() < 0.5
    variants = HELD_OUT if held_out else SEEN
    variant = rng.choice([name for name in variants if (name in FEMALE) == female])
    return Voice(
        name=f"{accent}+{variant}",
        rate_wpm=rng.randint(125, 200),
        pitch=rng.randint(30, 75),
        pitch_range=rng.randint(30, 70),
        word_gap=rng.choice([0, 0, 0, 1, 2]),
    )
