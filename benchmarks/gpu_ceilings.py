"""What a card can do at best, measured: copies and matrix products."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch

from benchmarks.rows import Row

COPY_BYTES = 4 << 30
SIDE = 8192
REPEATS = 10


def rows(device: str, *, small: bool) -> Iterator[Row]:
    """Copy bandwidth, and bf16, TF32 and fp32 products of random matrices.

    Args:
        device: ``cuda`` or ``cpu``.
        small: A thousandth of the work, for tests.
    """
    size = COPY_BYTES >> 10 if small else COPY_BYTES
    source = torch.empty(size, dtype=torch.uint8, device=device).random_()
    target = torch.empty_like(source)
    copied_s = best_s(lambda: target.copy_(source), device)
    yield Row("copy on the card, bytes read and written", (2e-9 * size / copied_s,), "GB/s")
    side = SIDE // 32 if small else SIDE
    for name, dtype, tf32 in (
        ("bf16", torch.bfloat16, False),
        ("TF32", torch.float32, True),
        ("fp32", torch.float32, False),
    ):
        if tf32 and device == "cpu":
            continue
        a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        torch.backends.cuda.matmul.allow_tf32 = tf32
        seconds = best_s(lambda a=a, b=b: a @ b, device)  # type: ignore[misc]
        torch.backends.cuda.matmul.allow_tf32 = False
        yield Row(f"{name} product of {side} x {side}", (2e-12 * side**3 / seconds,), "TFLOP/s")


def best_s(work: Callable[[], object], device: str) -> float:
    """The mean of some runs after some to warm up."""
    for _ in range(3):
        work()
    settle(device)
    begin = time.perf_counter()
    for _ in range(REPEATS):
        work()
    settle(device)
    return (time.perf_counter() - begin) / REPEATS


def settle(device: str) -> None:
    """Wait until the card is done."""
    if device == "cuda":
        torch.cuda.synchronize()
