"""The worker's settings, read from the environment once, at import.

Always ``import config`` and then ``config.NAME``. Standard library only: ``bootstrap.py`` reads it
under a bare Python. Engine processes never read it: they are told what they need.
"""

from __future__ import annotations

import os
from pathlib import Path


def _text(name: str, default: str) -> str:
    return os.environ.get(name, "").strip() or default


def _optional(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def _number(name: str, default: float) -> float:
    text = _text(name, str(default))
    try:
        return float(text)
    except ValueError:
        raise SystemExit(f"{name} must be a number, not {text!r}") from None


def _flag(name: str, default: bool) -> bool:
    text = _text(name, "true" if default else "false").lower()
    if text not in ("true", "1", "yes", "false", "0", "no"):
        raise SystemExit(f"{name} must be true or false, not {text!r}")
    return text in ("true", "1", "yes")


ROOT = Path(__file__).resolve().parent

# ---- the volume and the environment on it
VOLUME_DIR = Path(_text("PARAKEET_VOLUME", "/runpod-volume"))
"""Where the network volume is mounted."""
HOME_DIR = VOLUME_DIR / "Parakeet"
"""Everything that the worker keeps on the volume."""
LOCAL_HOME_DIR = Path(_text("PARAKEET_LOCAL_HOME", "/var/tmp/parakeet"))
"""Takes the volume's place where none is mounted."""
ENGINE_PYTHON = _optional("PARAKEET_ENGINE_PYTHON")
"""The Python of a ready-made models' environment; None lets the bootstrap provide one."""

LOCK = Path(_text("PARAKEET_LOCK", str(ROOT / "requirements.txt")))
"""What the models' environment is installed from: exact and hashed."""
ENGINE_IMPORTS = _text(
    "PARAKEET_ENGINE_IMPORTS", "import engine.server, engine.hearing, pyannote.audio.pipelines"
)
"""What a new environment must be able to do before it is published: what the engine does first."""
ENGINE_IMPORTS_AHEAD = _text(
    "PARAKEET_ENGINE_IMPORTS_AHEAD",
    "import sympy, pandas, sklearn.cluster, matplotlib.pyplot, networkx, numba, scipy.stats",
)
"""What of these imports a second process compiles meanwhile: libraries that need no torch."""
ENGINE_BYTES = int(_number("PARAKEET_ENGINE_BYTES", 8e9))
"""About the size of the environment, for progress and for the room it needs."""
SHADOW_DIR = _optional("PARAKEET_SHADOW_DIR")
"""Where the environment's code is unpacked at each start; None takes memory (/dev/shm) where a
volume is mounted and the container has 16 GB or more, else local disk."""
HUB_CACHE_DIR = Path(_text("PARAKEET_HUB_CACHE", str(VOLUME_DIR / "huggingface-cache" / "hub")))
"""RunPod's model cache."""
LEASE_TTL_S = _number("PARAKEET_LEASE_TTL_S", 50)
"""An installer that gave no sign of life for so long is dead, and another worker takes over."""
BOOTSTRAP_TIMEOUT_S = _number("PARAKEET_BOOTSTRAP_TIMEOUT_S", 900)
"""A job that has waited for the environment and the models for so long is given back."""
BOOTSTRAP_PROGRESS_INTERVAL_S = _number("PARAKEET_BOOTSTRAP_PROGRESS_INTERVAL_S", 5)
"""The least time between two updates of a job that waits for them."""
GC_UNUSED_S = _number("PARAKEET_GC_UNUSED_S", 24 * 3600)
"""What nobody has used for so long may be removed by ``bootstrap.py --gc``."""

FLASH_ATTN_WHEEL = _optional("PARAKEET_FLASH_ATTN_WHEEL")
"""URL or path of a flash-attn wheel for this Python, torch and CUDA; None installs none."""

# ---- the models
ASR_MODEL = _text("PARAKEET_ASR_MODEL", "nvidia/parakeet-tdt-0.6b-v3")
ASR_REVISION = _text("PARAKEET_ASR_REVISION", "6d590f77001d318fb17a0b5bf7ee329a91b52598")
DIARIZATION_MODEL = _text("PARAKEET_DIARIZATION_MODEL", "pyannote/speaker-diarization-community-1")
DIARIZATION_REVISION = _text(
    "PARAKEET_DIARIZATION_REVISION", "3533c8cf8e369892e6b79ff1bf80f7b0286a54ee"
)
SORTFORMER_MODEL = _text("PARAKEET_SORTFORMER_MODEL", "nvidia/diar_streaming_sortformer_4spk-v2")
"""The diarizer that needs no token, for at most four speakers."""
SORTFORMER_REVISION = _text(
    "PARAKEET_SORTFORMER_REVISION", "6dbf0d69730bfee097056692b86525a0a23b32f9"
)
DIARIZER = _text("PARAKEET_DIARIZER", "auto")
"""Which diarizers the worker has: pyannote, sortformer or both; auto has pyannote, or Sortformer
where pyannote's weights cannot be had."""
if DIARIZER not in ("auto", "pyannote", "sortformer", "both"):
    raise SystemExit(
        f"PARAKEET_DIARIZER must be auto, pyannote, sortformer or both, not {DIARIZER!r}"
    )
FAST_CHECKPOINT = _flag("PARAKEET_FAST_CHECKPOINT", default=True)
"""Whether the speech model's checkpoint is turned, once a volume, into one that loads faster."""
HF_TOKEN = _optional("HF_TOKEN")
"""For the gated diarization model."""
OFFLINE = _flag("HF_HUB_OFFLINE", default=False)
DEVICE = _text("PARAKEET_DEVICE", "auto")
"""auto, cuda or cpu."""
THREADS = int(_number("PARAKEET_THREADS", 0))
"""CPU threads of the engine; 0 takes as many as the container may use."""
CPU_FALLBACK = _flag("PARAKEET_CPU_FALLBACK", default=False)
"""Whether a recording for which the GPU has no memory is heard on the CPU, which is far slower."""

# ---- S3
S3_ACCESS_KEY = _optional("S3_ACCESS_KEY")
S3_SECRET_KEY = _optional("S3_SECRET_KEY")
S3_ENDPOINT = _optional("S3_ENDPOINT")
S3_BUCKET = _optional("S3_BUCKET")
S3_REGION = _optional("S3_REGION")

# ---- limits
MAX_SOURCE_BYTES = int(_number("PARAKEET_MAX_SOURCE_BYTES", 4 << 30))
"""A download, or the decoded bytes of a base64 source."""
MAX_AUDIO_S = _number("PARAKEET_MAX_AUDIO_S", 24 * 3600)
"""Three hours: what Parakeet hears in one pass of local attention."""
DOWNLOAD_TIMEOUT_S = _number("PARAKEET_DOWNLOAD_TIMEOUT_S", 900)
"""For a whole download."""
DECODE_TIMEOUT_S = _number("PARAKEET_DECODE_TIMEOUT_S", 900)
MAX_RESULT_BYTES = int(_number("PARAKEET_MAX_RESULT_BYTES", 10e6))
"""RunPod's limit for /run is 10 MB; a larger result is lost there without a word."""
MAX_SYNC_RESULT_BYTES = int(_number("PARAKEET_MAX_SYNC_RESULT_BYTES", 20e6))
"""RunPod's limit for /runsync is 20 MB."""
ALLOWED_PRIVATE_HOSTS = tuple(_text("PARAKEET_ALLOWED_PRIVATE_HOSTS", "").split())
"""host:port pairs, apart by spaces, that may be private: an S3 server of one's own."""

# ---- the engine
ENGINE_HELLO_TIMEOUT_S = _number("PARAKEET_ENGINE_HELLO_TIMEOUT_S", 600)
"""From the engine's start to its handshake: the imports of torch and NeMo."""
ENGINE_READY_TIMEOUT_S = _number("PARAKEET_ENGINE_READY_TIMEOUT_S", 1800)
"""From the handshake to loaded models, a download of 2.5 GB included."""

ENGINE_CANCEL_TIMEOUT_S = _number("PARAKEET_ENGINE_CANCEL_TIMEOUT_S", 60)
"""An engine that has not let go of a cancelled job by then is stuck, and is restarted."""

# ---- the worker
CONCURRENCY = int(_number("PARAKEET_CONCURRENCY", 4))
"""Jobs taken at once: while the engine works, the next ones are fetched and decoded, and short
ones share their passes."""
PROGRESS_INTERVAL_S = _number("PARAKEET_PROGRESS_INTERVAL_S", 2)
"""The least time between two progress updates of a job."""
WORK_DIR = Path(_text("PARAKEET_WORK_DIR", _text("TMPDIR", "/tmp"))) / "parakeet-jobs"
"""One directory a job, on local disk."""
FFMPEG = _optional("PARAKEET_FFMPEG")
"""The ffmpeg program; None takes the one on the PATH, else that of the imageio-ffmpeg package."""
