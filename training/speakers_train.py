"""Train the demo diarizer and write its pipeline directory.

    python -m training.speakers_train demo/models/speakers --seconds 1200 1200

The thresholds of the clustering are found afterwards, by ``python -m training.speakers_tune``.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

os.environ["PYANNOTE_METRICS_ENABLED"] = "false"  # before the import: no telemetry

import torch
from pyannote.audio import Model

from training.speakers_data import load_pool
from training.speakers_embedding import calibrate, train_embedding
from training.speakers_models import save_network, save_plda, save_untrained
from training.speakers_segmentation import frame_centres_s, train_segmentation

_CHUNKS = 1600  # for the discriminant analyses


def main() -> None:
    """Train what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument(
        "--seconds",
        type=float,
        nargs=2,
        default=(1200.0, 1200.0),
        metavar=("SEGMENTATION", "EMBEDDING"),
        help="0 leaves a network as it is",
    )
    parser.add_argument(
        "--again", action="store_true", help="continue with the segmentation network that is there"
    )
    parser.add_argument("--speakers", type=int, default=900)
    parser.add_argument("--utterances", type=int, default=8)
    parser.add_argument("--pool", type=Path, help="where to keep the synthesised speech")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)  # so small a network is fastest on one core

    pool = load_pool(args.pool, args.seed, speakers=args.speakers, utterances=args.utterances)
    hours = sum(len(said.audio) for one in pool for said in one.utterances) / 16_000 / 3600
    print(f"{len(pool)} speakers, {hours:.1f} h of speech", flush=True)
    if not (args.directory / "config.yaml").exists():
        save_untrained(args.directory)
    segmentation_path = args.directory / "segmentation" / "pytorch_model.bin"
    segmentation_s, embedding_s = args.seconds
    if segmentation_s > 0:
        start = Model.from_pretrained(segmentation_path) if args.again else None
        trained = train_segmentation(pool, seconds=segmentation_s, seed=args.seed, start=start)
        save_network(trained, segmentation_path)
    embedding_path = args.directory / "embedding" / "pytorch_model.bin"
    frames_s = frame_centres_s(Model.from_pretrained(segmentation_path))
    if embedding_s > 0:
        network: Any = train_embedding(pool, frames_s, seconds=embedding_s, seed=args.seed)
    else:
        network = Model.from_pretrained(embedding_path)
        network.eval()
    plda = calibrate(network, pool, frames_s, chunks=_CHUNKS, seed=args.seed + 1)
    save_network(network, embedding_path)
    save_plda(plda, args.directory / "plda")


if __name__ == "__main__":
    main()
