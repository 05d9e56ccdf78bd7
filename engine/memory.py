"""Running out of memory, said in the worker's words."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from speech.errors import EngineError

# Only the GPU's own allocator has an exception class; these come as a plain RuntimeError from the
# allocators of the CPU, of cuBLAS and of cuDNN.
_ALLOCATION_FAILED: Final = (
    "can't allocate memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


@contextmanager
def reporting_out_of_memory(what_helps: str) -> Iterator[None]:
    """Turn every failure to allocate memory into an ``EngineError``.

    The models can serve the next recording afterwards.

    Args:
        what_helps: What the caller can do, for the end of the message.

    Raises:
        EngineError: ``engine_out_of_memory``.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if isinstance(error, RuntimeError) and not _is_allocation_failure(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold the tensors that filled the memory
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise EngineError(
            "engine_out_of_memory",
            f"the recording needs more memory than there is; {what_helps}",
        ) from error


def _is_allocation_failure(error: RuntimeError) -> bool:
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return any(text in str(error) for text in _ALLOCATION_FAILED)


CPU_BATCH_S: Final = 120.0
"""On a CPU more at once brings nothing."""
MAX_GPU_BATCH_S: Final = 1200.0
"""A GPU is full by then."""
BATCH_BYTES_PER_S: Final = 4e6
"""Of padded audio: the subsampling's first convolution in bf16 (7.4 MB in fp32, measured)."""
BATCH_SHARE: Final = 0.4
"""Of the free memory; the rest is for the other model and for the allocator's waste."""
OVERLAP_BYTES: Final = 6 << 30
"""What must be free after loading for two models to work at once."""


def speech_batch_s(device: str) -> float:
    """How much padded audio may go through the speech model at once, by the memory that is free."""
    if device == "cpu":
        return CPU_BATCH_S
    return min(MAX_GPU_BATCH_S, BATCH_SHARE * _free_bytes() / BATCH_BYTES_PER_S)


def overlap_fits() -> bool:
    """Whether both models can work on the GPU at the same time."""
    return _free_bytes() >= OVERLAP_BYTES


def _free_bytes() -> int:
    """Of the GPU, what torch holds without using it included."""
    free, _total = torch.cuda.mem_get_info()
    return int(free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())
