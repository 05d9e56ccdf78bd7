"""The embedding stage, stock and ours, on one recording.

    python -m benchmarks.embedding_stage --speakers FOLDER --audio FILE [--runs 3]

by a Python of the models' environment. Prints one JSON object: seconds of each run of the stock
stage, of ours with pyannote's own arithmetic and of ours as the engine runs it, and how far these
are from the stock's embeddings.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import soundfile
import torch

from benchmarks import under_test

if TYPE_CHECKING:
    from engine.diarization_stages import Arithmetic

WAYS: Final[dict[str, Arithmetic | None]] = {"exact": "exact", "as_served": None}


def main() -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speakers", type=Path, required=True)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    os.environ["PYANNOTE_METRICS_ENABLED"] = "false"
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print
    report = compare(arguments.speakers, arguments.audio, arguments.runs, arguments.device)
    answers.write(json.dumps(report) + "\n")
    answers.close()
    os._exit(0)


def compare(speakers: Path, audio: Path, runs: int, device: str) -> dict[str, Any]:
    """What is printed."""
    from pyannote.audio import Pipeline

    pipeline: Any = Pipeline.from_pretrained(speakers)
    pipeline.to(torch.device(device))
    samples, rate_hz = soundfile.read(audio, dtype="float32")
    file = {"waveform": torch.from_numpy(samples)[None], "sample_rate": rate_hz, "uri": "one"}
    segmentations = pipeline.get_segmentations(file, hook=lambda *_, **__: None)

    def stock() -> np.ndarray:
        return np.asarray(
            pipeline.get_embeddings(
                file, segmentations, exclude_overlap=pipeline.embedding_exclude_overlap
            )
        )

    expected, stock_s = timed(stock, runs)
    report: dict[str, Any] = {"stock_s": stock_s, "duration_s": len(samples) / rate_hz}
    for way, arithmetic in WAYS.items():
        ours = partial(under_test.embeddings, pipeline, samples, segmentations.data, arithmetic)
        found, ours_s = timed(ours, runs)
        if found is None:
            report[way] = None
            continue
        report[way] = {
            "seconds": ours_s,
            "difference": float(np.nanmax(np.abs(found - expected))),
            "of_length": float(
                np.nanmax(lengths(found - expected)) / np.nanmean(lengths(expected))
            ),
        }
    return report


def lengths(vectors: np.ndarray) -> np.ndarray:
    """Of each embedding."""
    return np.asarray(np.linalg.norm(vectors, axis=-1))


def timed(work: Callable[[], Any], runs: int) -> tuple[Any, list[float]]:
    """What it gives, and the seconds of each run."""
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - begin)
    return result, seconds


if __name__ == "__main__":
    main()
