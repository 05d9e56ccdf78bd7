"""Choose the clustering's parameters on conversations of development voices, and write them.

python -m training.speakers_tune demo/models/speakers
"""

from __future__ import annotations

import argparse
import os
from itertools import product
from pathlib import Path
from typing import Any

os.environ["PYANNOTE_METRICS_ENABLED"] = "false"  # before the import: no telemetry

import numpy as np
import torch
from pyannote.audio import Pipeline
from scipy.ndimage import uniform_filter

from training.speakers_data import DEVELOPMENT
from training.speakers_evaluate import (
    error_rate,
    pipeline_input,
    right_counts,
    score,
    synthetic_conversations,
)
from training.speakers_mixing import Conversation
from training.speakers_models import save_config

_GRID = {
    "threshold": (0.4, 0.5, 0.6, 0.7),
    "Fa": (0.05, 0.1, 0.2),
    "Fb": (1.0, 4.0, 8.0, 16.0, 32.0),
}
_WRONG_COUNT = 0.2  # what a conversation with a wrong number of speakers costs, as an error rate


def cost(
    pipeline: Any, files: list[tuple[Conversation, dict[str, Any]]], clustering: dict[str, float]
) -> tuple[float, float]:
    """Diarization error rate and share of right speaker counts under these parameters."""
    pipeline.instantiate({"clustering": clustering, "segmentation": {"min_duration_off": 0.0}})
    scores = [score(truth, pipeline.apply(file).speaker_diarization) for truth, file in files]
    return error_rate(scores), right_counts(scores)


def main() -> None:
    """Search the grid; a point is judged with its neighbours, so that the choice is no fluke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--conversations", type=int, default=18)
    parser.add_argument("--seed", type=int, default=500)
    args = parser.parse_args()
    torch.set_num_threads(1)
    pipeline: Any = Pipeline.from_pretrained(args.directory)
    pipeline.training = True  # keeps the networks' outputs in each file's dictionary
    truths = synthetic_conversations(
        args.conversations, seed=args.seed, variants=DEVELOPMENT, speech_s=(20.0, 40.0)
    )
    files = [(truth, pipeline_input(truth)) for truth in truths]
    points = [dict(zip(_GRID, values, strict=True)) for values in product(*_GRID.values())]
    results = [cost(pipeline, files, point) for point in points]
    costs = np.array([error + _WRONG_COUNT * (1 - right) for error, right in results])
    smooth = uniform_filter(costs.reshape([len(axis) for axis in _GRID.values()]), 3).ravel()
    for index in np.argsort(smooth)[:15]:
        error, right = results[index]
        print(
            f"{points[index]}: error {error:.2%}, right count {right:.1%}, "
            f"with neighbours {smooth[index]:.3f}"
        )
    save_config(points[int(np.argmin(smooth))], args.directory)


if __name__ == "__main__":
    main()
