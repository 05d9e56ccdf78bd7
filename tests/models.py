"""The demo models, a model of Parakeet's true width, and audio for them.

Loading is what costs time, so the tests keep each model for a whole module.
"""

from __future__ import annotations

import importlib.util
import tarfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import torch
from nemo.collections.asr.models import EncDecRNNTBPEModel
from omegaconf import open_dict

from engine.parakeet import Samples

ROOT: Final = Path(__file__).resolve().parent.parent
SPEECH_MODEL: Final = ROOT / "demo" / "models" / "speech.nemo"
CONVERSATION: Final = ROOT / "demo" / "conversation.flac"
SPEAKERS_MODEL: Final = ROOT / "demo" / "models" / "speakers"
RATE_HZ: Final = 16000


def pyannote_sample(suffix: str) -> Path:
    """A file of the 30 s sample, two speakers, that the pyannote.audio wheel carries.

    The package that holds it is not imported: that would decode the sample with torchcodec.
    """
    spec = importlib.util.find_spec("pyannote")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(next(iter(spec.submodule_search_locations)))
    return folder / "audio" / "sample" / f"sample.{suffix}"


def read_sample() -> Samples:
    """The sample's audio."""
    samples, rate_hz = soundfile.read(pyannote_sample("wav"), dtype="float32")
    assert rate_hz == RATE_HZ
    return np.asarray(samples, dtype=np.float32)


def read_conversation() -> Samples:
    """Synthetic speech in the words that the demo speech model knows."""
    samples, rate_hz = soundfile.read(CONVERSATION, dtype="float32")
    assert rate_hz == RATE_HZ
    return np.asarray(samples, dtype=np.float32)


def noise(duration_s: float, seed: int = 0) -> Samples:
    """White noise at about -20 dB of full scale."""
    generator = np.random.default_rng(seed)
    return (0.1 * generator.standard_normal(round(duration_s * RATE_HZ))).astype(np.float32)


def silence(duration_s: float) -> Samples:
    """Zeros."""
    return np.zeros(round(duration_s * RATE_HZ), dtype=np.float32)


def restore_demo() -> Any:
    """The demo speech model as NeMo restores it, ready for inference."""
    model = EncDecRNNTBPEModel.restore_from(str(SPEECH_MODEL), map_location=torch.device("cpu"))
    return model.eval()


def build_wide(folder: Path) -> Any:
    """Random weights; two encoder layers as Parakeet's: 1024 wide, 8 heads, no biases.

    Args:
        folder: Where the demo model's tokenizer may be unpacked.
    """
    with tarfile.open(SPEECH_MODEL) as archive:
        for member in archive.getmembers():
            for name in ("tokenizer.model", "vocab.txt"):
                if member.name.endswith(name):
                    file = archive.extractfile(member)
                    assert file is not None
                    (folder / name).write_bytes(file.read())
    cfg = EncDecRNNTBPEModel.restore_from(str(SPEECH_MODEL), return_config=True)
    with open_dict(cfg):
        cfg.tokenizer = {"dir": str(folder), "type": "bpe"}
        cfg.encoder.update(n_layers=2, d_model=1024, n_heads=8, use_bias=False, dropout_att=0.1)
        cfg.model_defaults.enc_hidden = 1024
        cfg.joint.jointnet.encoder_hidden = 1024
    torch.manual_seed(0)
    return EncDecRNNTBPEModel(cfg=cfg).eval()


def encode(model: Any, samples: Samples) -> torch.Tensor:
    """The encoder's output for a recording, (1, width, frames). Repeats exactly."""
    model.preprocessor.featurizer.dither = 0.0
    with torch.inference_mode():
        encoded, _ = model(
            input_signal=torch.from_numpy(samples).unsqueeze(0),
            input_signal_length=torch.tensor([samples.size]),
        )
    return torch.Tensor(encoded)


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """L2 norm of the difference over the L2 norm of what is expected."""
    return float(torch.linalg.norm(found - expected) / torch.linalg.norm(expected))
