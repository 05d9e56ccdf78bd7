"""Running out of memory, said in the worker's words."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch

from engine.control_groups import control_groups
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
PASS_SHARE: Final = 0.6
"""Of the free memory, for one recording. The diarizer takes up to a third meanwhile."""
OVERLAP_BYTES: Final = 6 << 30
"""What must be free after loading for two models to work at once."""


def speech_batch_s(device: str) -> float:
    """How much padded audio may go through the speech model at once, by the memory that is free."""
    if device == "cpu":
        return CPU_BATCH_S
    return min(MAX_GPU_BATCH_S, BATCH_SHARE * free_bytes(device) / BATCH_BYTES_PER_S)


def speech_pass_bytes(device: str) -> int:
    """What one pass of the speech model may take now."""
    return int(PASS_SHARE * free_bytes(device))


def overlap_fits() -> bool:
    """Whether both models can work on the GPU at the same time."""
    return free_bytes("cuda") >= OVERLAP_BYTES


def free_bytes(device: str, root: Path = Path("/")) -> int:
    """Memory that a pass could have, what torch holds without using it included.

    Args:
        device: ``cuda`` or ``cpu``. For a CPU it is the machine's available memory, or what is left
            of the container's share.
        root: Where ``proc`` and ``sys`` are mounted.
    """
    if device == "cuda":
        free, _total = torch.cuda.mem_get_info()
        return int(free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())
    return min([_available(root / "proc" / "meminfo"), *_left_to_groups(root)])


def _available(meminfo: Path) -> int:
    """What the machine has; half of all there is where the kernel does not tell."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    figures = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(figures["MemAvailable"].split()[0]) * 1024


def _left_to_groups(root: Path) -> Iterator[int]:
    """What the control groups of this process have left, as far as they have limits."""
    for folder in control_groups(root, "memory"):
        for limit, usage in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            try:
                most = (folder / limit).read_text().strip()
                used = int((folder / usage).read_text())
                cached = _file_pages(folder)
            except (OSError, ValueError):
                continue
            if most.isdigit():
                yield max(0, int(most) - used + cached)


def _file_pages(folder: Path) -> int:
    """Pages of files that are counted as used and would be given back."""
    for line in (folder / "memory.stat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0
