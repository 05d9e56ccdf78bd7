"""Which attention hears a recording.

Full attention lets every frame see every other one: the best text, with work that grows with the
square of the length. Local attention lets a frame see 256 frames (20 s) to either side and grows
linearly. Both use the same weights.
"""

from __future__ import annotations

from typing import Final

from speech.errors import EngineError
from speech.request import AttentionChoice
from speech.types import AttentionUsed

FULL_ATTENTION_MAX_S: Final = 24 * 60.0
"""What NVIDIA gives for one pass of full attention (on an A100 with 80 GB)."""
MAX_DURATION_S: Final = 3 * 3600.0
"""What NVIDIA gives for one pass of local attention."""
LOCAL_CONTEXT_FRAMES: Final = 256
"""Encoder frames that local attention sees before and after each frame: NVIDIA's [256, 256]."""


def choose_attention(duration_s: float, choice: AttentionChoice) -> AttentionUsed:
    """The attention for a recording.

    ``auto`` takes full attention up to ``FULL_ATTENTION_MAX_S`` and local attention beyond. An
    explicit choice is obeyed; full attention beyond that length may run out of memory.

    Args:
        duration_s: Length of what is to be heard.
        choice: The request's option.

    Raises:
        EngineError: ``audio_too_long``, beyond ``MAX_DURATION_S``.
    """
    if duration_s > MAX_DURATION_S:
        raise EngineError(
            "audio_too_long",
            f"the recording lasts {duration_s:.0f} s, and at most {MAX_DURATION_S:.0f} s (3 hours)"
            " can be transcribed at once; send it in parts with start and end",
        )
    if choice != "auto":
        return choice
    return "full" if duration_s <= FULL_ATTENTION_MAX_S else "local"
