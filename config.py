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

# ---- the models
HF_TOKEN = _optional("HF_TOKEN")
"""For pyannote's gated model. Without it Sortformer tells up to four speakers apart."""
DIARIZER = _text("PARAKEET_DIARIZER", "auto")
"""Which diarizers the worker has: pyannote, sortformer or both. auto has pyannote, or Sortformer
where pyannote's weights cannot be had."""
if DIARIZER not in ("auto", "pyannote", "sortformer", "both"):
    raise SystemExit(
        f"PARAKEET_DIARIZER must be auto, pyannote, sortformer or both, not {DIARIZER!r}"
    )
ASR_MODEL = _text("PARAKEET_ASR_MODEL", "nvidia/parakeet-tdt-0.6b-v3")
ASR_REVISION = _text("PARAKEET_ASR_REVISION", "6d590f77001d318fb17a0b5bf7ee329a91b52598")
"""Another speech model, or a ``.nemo`` file."""
DIARIZATION_MODEL = _text("PARAKEET_DIARIZATION_MODEL", "pyannote/speaker-diarization-community-1")
DIARIZATION_REVISION = _text(
    "PARAKEET_DIARIZATION_REVISION", "3533c8cf8e369892e6b79ff1bf80f7b0286a54ee"
)
"""Another diarization pipeline, or a folder."""
SORTFORMER_MODEL = _text("PARAKEET_SORTFORMER_MODEL", "nvidia/diar_streaming_sortformer_4spk-v2")
SORTFORMER_REVISION = _text(
    "PARAKEET_SORTFORMER_REVISION", "6dbf0d69730bfee097056692b86525a0a23b32f9"
)
"""The diarizer that needs no token: another one, or a ``.nemo`` file."""
FAST_CHECKPOINT = _flag("PARAKEET_FAST_CHECKPOINT", default=True)
"""Whether the speech model is turned, once a volume, into a form that loads faster: up to a
minute, at the first start."""
OFFLINE = _flag("HF_HUB_OFFLINE", default=False)
"""true forbids every download."""

# ---- the machine
DEVICE = _text("PARAKEET_DEVICE", "auto")
"""auto, cuda or cpu."""
THREADS = int(_number("PARAKEET_THREADS", 0))
"""CPU threads of the engine; 0 takes as many as the container's quota allows."""
CPU_FALLBACK = _flag("PARAKEET_CPU_FALLBACK", default=False)
"""Whether a recording for which the GPU has no memory is heard on the CPU, far slower, rather than
failed."""
FLASH_ATTN_WHEEL = _optional("PARAKEET_FLASH_ATTN_WHEEL")
"""URL or path of a flash-attn wheel for this Python, torch and CUDA; none is installed without."""

# ---- the worker
CONCURRENCY = int(_number("PARAKEET_CONCURRENCY", 8))
"""Jobs a worker takes at once: while the engine works the next are fetched and decoded, and short
ones share passes. 16 to 64 for an endpoint that gets many short ones."""
STREAM = _flag("PARAKEET_STREAM", default=False)
"""Whether this is a streaming endpoint: jobs may ask for segments as they are heard, and every
job's output is a list of chunks, of which the last is the answer."""
PROGRESS_INTERVAL_S = _number("PARAKEET_PROGRESS_INTERVAL_S", 2)
"""The least time between two progress updates of a job, in seconds."""
BOOTSTRAP_TIMEOUT_S = _number("PARAKEET_BOOTSTRAP_TIMEOUT_S", 900)
"""A job that has waited this long for an install, in seconds, is given back (``bootstrap_timeout``,
retryable)."""
ENGINE_CANCEL_TIMEOUT_S = _number("PARAKEET_ENGINE_CANCEL_TIMEOUT_S", 60)
"""An engine that holds on to a cancelled job for longer is restarted, in seconds."""

# ---- recordings
MAX_AUDIO_S = _number("PARAKEET_MAX_AUDIO_S", 24 * 3600)
"""Longest recording, in seconds."""
MAX_SOURCE_BYTES = int(_number("PARAKEET_MAX_SOURCE_BYTES", 4 << 30))
"""Largest recording, in bytes: a download, or the decoded bytes of base64."""
DOWNLOAD_TIMEOUT_S = _number("PARAKEET_DOWNLOAD_TIMEOUT_S", 900)
"""For the whole download of a recording, in seconds."""
ALLOWED_PRIVATE_HOSTS = tuple(_text("PARAKEET_ALLOWED_PRIVATE_HOSTS", "").split())
"""``host:port`` pairs, apart by spaces, that may be private: an S3 server of your own."""

# ---- results
MAX_RESULT_BYTES = int(_number("PARAKEET_MAX_RESULT_BYTES", 10e6))
MAX_SYNC_RESULT_BYTES = int(_number("PARAKEET_MAX_SYNC_RESULT_BYTES", 20e6))
"""Largest result of /run and of /runsync, in bytes. RunPod's own limits: it loses larger ones
without a word."""
RESULT_PREFIX = _text("PARAKEET_RESULT_PREFIX", "parakeet-results/")
"""Where in ``S3_BUCKET`` a result goes that is too large to be returned."""
RESULT_LINK_S = _number("PARAKEET_RESULT_LINK_S", 24 * 3600)
"""How long the links to results in a bucket are good for, in seconds; S3 allows a week at most."""
UPLOAD_TIMEOUT_S = _number("PARAKEET_UPLOAD_TIMEOUT_S", 300)
"""For putting a result where the request says, its retries included, in seconds."""

# ---- S3
S3_BUCKET = _optional("S3_BUCKET")
S3_ACCESS_KEY = _optional("S3_ACCESS_KEY")
S3_SECRET_KEY = _optional("S3_SECRET_KEY")
S3_ENDPOINT = _optional("S3_ENDPOINT")
S3_REGION = _optional("S3_REGION")
"""For ``s3_key``, for ``output`` with a key, and for results that are too large to be returned."""

# ---- the volume
VOLUME_DIR = Path(_text("PARAKEET_VOLUME", "/runpod-volume"))
"""Where the network volume is mounted."""
HOME_DIR = VOLUME_DIR / "Parakeet"
"""Everything that the worker keeps on the volume."""
LOCAL_HOME_DIR = Path(_text("PARAKEET_LOCAL_HOME", "/var/tmp/parakeet"))
"""Local disk: what is being built, and everything where there is no volume."""
SHADOW_DIR = _optional("PARAKEET_SHADOW_DIR")
"""Where the environment's code (0.8 GB) is unpacked at a start. By default memory (/dev/shm) where
a volume is mounted and the container has 16 GB or more, else local disk."""

# ---- seldom changed: README leaves these out
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
HUB_CACHE_DIR = Path(_text("PARAKEET_HUB_CACHE", str(VOLUME_DIR / "huggingface-cache" / "hub")))
"""RunPod's model cache."""
LEASE_TTL_S = _number("PARAKEET_LEASE_TTL_S", 50)
"""An installer that gave no sign of life for so long is dead, and another worker takes over."""
BOOTSTRAP_PROGRESS_INTERVAL_S = _number("PARAKEET_BOOTSTRAP_PROGRESS_INTERVAL_S", 5)
"""The least time between two updates of a job that waits for them."""
GC_UNUSED_S = _number("PARAKEET_GC_UNUSED_S", 24 * 3600)
"""What nobody has used for so long may be removed by ``bootstrap.py --gc``."""
DECODE_TIMEOUT_S = _number("PARAKEET_DECODE_TIMEOUT_S", 900)
"""For a whole recording."""
ENGINE_HELLO_TIMEOUT_S = _number("PARAKEET_ENGINE_HELLO_TIMEOUT_S", 600)
"""From the engine's start to its handshake: the imports of torch and NeMo."""
ENGINE_READY_TIMEOUT_S = _number("PARAKEET_ENGINE_READY_TIMEOUT_S", 1800)
"""From the handshake to loaded models, a download of 2.5 GB included."""
WORK_DIR = Path(_text("PARAKEET_WORK_DIR", _text("TMPDIR", "/tmp"))) / "parakeet-jobs"
"""One directory a job, on local disk."""
FFMPEG = _optional("PARAKEET_FFMPEG")
"""The ffmpeg program; None takes the one on the PATH, else that of the imageio-ffmpeg package."""
