"""What frames of a recording may see of each other.

Full attention lets every frame see every other one: the best text, with work that grows with the
square of the length. Local attention lets a frame see 256 frames (20 s) to either side and grows
linearly. Both use the same weights.
"""

from __future__ import annotations

from typing import Final, Literal

Reach = Literal["full", "local"]

FULL_ATTENTION_MAX_S: Final = 24 * 60.0
"""What NVIDIA gives for one pass of full attention (on an A100 with 80 GB)."""
LOCAL_ATTENTION_MAX_S: Final = 3 * 3600.0
"""What NVIDIA gives for one pass of local attention."""
LOCAL_CONTEXT_FRAMES: Final = 256
"""Encoder frames that local attention sees before and after each frame: NVIDIA's [256, 256]."""
