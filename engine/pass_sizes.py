"""How many chunks go through pyannote's networks at once, and in what arithmetic on a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

# What a chunk of 10 s takes on a GPU, by its largest tensors in fp32. The segmentation network's
# first convolution puts out 80 x 15,975 numbers, and two copies of them live at a time, with the
# LSTM's 589 x 256 a few times over. The ResNet34's first block has 32 x 80 x 998, four at a time.
SEGMENTATION_BYTES: Final = 3 * 80 * 15_975 * 4
EMBEDDING_BYTES: Final = 5 * 32 * 80 * 998 * 4

# An LSTM takes its time for each of 589 frames however many chunks there are, so a GPU gets many.
# The ResNet has 45 GFLOP for each chunk and fills any GPU with a few dozen.
MOST_SEGMENTED: Final = 512
MOST_EMBEDDED: Final = 64


@dataclass(frozen=True, slots=True)
class Sizes:
    """Chunks in one pass of each network, and in one piece of work for the embeddings."""

    segmented: int
    embedded: int
    gathered: int
    """Chunks whose features are computed together; they go through the network by ``embedded``."""


CPU_SIZES: Final = Sizes(segmented=6, embedded=2, gathered=16)
"""Measured, CPU milliseconds a chunk in one thread for 1, 2, 4, 8 and 16 chunks in a pass:

segmentation (community-1's shapes)  36.5  33.0  29.0  28.3  33.5; 27.1 for 6
ResNet34, as published                381   433   549   613
ResNet34, bfloat16                     93    89    98   120
the demo's ResNet, as published       6.1   5.6   6.2   6.3   (and 7.1 for 32, 10.3 for 64)

Tensors of more than 32 MB come from the kernel page by page, each time."""


def choose_sizes(device: torch.device) -> Sizes:
    """What the networks are given at once: by the memory that is free on a GPU."""
    if device.type != "cuda":
        return CPU_SIZES
    free, _total = torch.cuda.mem_get_info(device)
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return sizes_within(free + held)


def sizes_within(free_bytes: int) -> Sizes:
    """What a third of this memory holds: the speech model may be at work as well."""
    room = free_bytes // 3
    segmented = max(1, min(MOST_SEGMENTED, room // SEGMENTATION_BYTES))
    embedded = max(1, min(MOST_EMBEDDED, room // EMBEDDING_BYTES))
    return Sizes(segmented, embedded, gathered=embedded)


def set_up(device: torch.device) -> None:
    """Let a GPU's convolutions and LSTMs round their factors to TF32, as torch does by itself.

    pyannote turns this off for the whole process wherever its own entry points are called. The
    matrix products of plain linear layers and of mel filter banks stay in full precision.
    """
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = True
