"""One pass of a true-size encoder: ``python -m benchmarks.pass_memory REACH SECONDS PRECISION``.

Prints the estimate and the measured peak beside the model, in bytes. Few layers: the peak does not
depend on their number.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import cast

import torch

from benchmarks import processes
from engine.attention import Reach
from engine.fast_model import FastModel
from tests.test_plan import PARAKEET

LAYERS = 1


def main() -> None:
    """Measure and print."""
    reach, seconds = cast(Reach, sys.argv[1]), float(sys.argv[2])
    shape = replace(PARAKEET, layers=LAYERS, vocabulary=64)
    torch.manual_seed(0)
    model = FastModel(shape)
    for parameter in (*model.parameters(), *model.buffers()):
        torch.nn.init.normal_(parameter, std=0.01)
    model.requires_grad_(False).eval()
    if sys.argv[3] == "bf16":
        model.encoder.bfloat16()
    warm = torch.randn(1, 16_000)
    model.hear(warm, torch.tensor([16_000]), reach)
    samples = torch.randn(1, int(seconds * 16_000))
    processes.reset_peak()
    before_mb = processes.peak_mb()
    model.encode(samples, torch.tensor([samples.shape[1]]), reach)
    held = samples.nbytes  # they are there already, and are a part of the estimate
    peak_bytes = int(1e6 * (processes.peak_mb() - before_mb)) + held
    print(model.pass_bytes(1, seconds, reach), peak_bytes)


if __name__ == "__main__":
    main()
