"""``python -m tools.attention_check CHECKPOINT WAV``: the attention switch on real weights.

Runs in the models' environment. Exits 1 unless local attention equals full attention on audio that
is shorter than its window, and switching back restores every bit.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import soundfile
import torch
from nemo.collections.asr.models import EncDecRNNTBPEModel

from engine.attention import LOCAL_CONTEXT_FRAMES, Reach
from engine.nemo_attention import set_attention

MAX_RELATIVE_ERROR = 1e-4
"""For 24 layers in fp32; two layers reach 1e-6."""


def main() -> None:
    """Compare, print, exit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("wav", type=Path, help="16 kHz mono")
    arguments = parser.parse_args()
    model = EncDecRNNTBPEModel.restore_from(str(arguments.checkpoint), map_location="cpu").eval()
    model.preprocessor.featurizer.dither = 0.0
    frame_s = float(model.cfg.preprocessor.window_stride * model.cfg.encoder.subsampling_factor)
    samples, rate_hz = soundfile.read(arguments.wav, dtype="float32")
    part = torch.from_numpy(samples[: int(0.9 * LOCAL_CONTEXT_FRAMES * frame_s * rate_hz)])
    full, local, again = (encode(model, part, kind) for kind in ("full", "local", "full"))
    error = float((local - full).norm() / full.norm())
    restored = bool(torch.equal(full, again))
    print(f"attention: local differs from full by {error:.1e} (at most {MAX_RELATIVE_ERROR:.0e})")
    print(f"attention: switching back restores {'every bit' if restored else 'NOT every bit'}")
    sys.exit(0 if error <= MAX_RELATIVE_ERROR and restored else 1)


@torch.inference_mode()
def encode(model: EncDecRNNTBPEModel, samples: torch.Tensor, kind: Reach) -> torch.Tensor:
    """The encoder's output, shape (1, width, frames)."""
    set_attention(model, kind)
    length = torch.tensor([samples.shape[0]])
    encoded, _ = model(input_signal=samples[None], input_signal_length=length)
    assert isinstance(encoded, torch.Tensor)
    return encoded


if __name__ == "__main__":
    main()
