"""``make verify-real``: the real Parakeet and community-1 on a recording with a known transcript.

Needs the model hub and a token; says in one line why it cannot run where they are not to be had.
Exit status: 0 passed, 1 failed, 2 could not run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is re-exported
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
)

import config
from tools import local_worker

THRESHOLDS = {"wer": 0.15, "der": 0.20, "cpwer": 0.20}
"""On 81 words of conversational speech, where one word is 1.2 points. An envelope shows words and
no turns, so DER is that of turns made of words: the reference's own words, in even shares of their
utterances, have a DER of 0.13 against the reference's turns (the diarizer's own turns: 0.052)."""

CACHE = local_worker.ROOT / ".cache" / "parakeet"


class CannotRunError(Exception):
    """Why the check cannot run here."""


def main() -> None:
    """Check the sample, then the user's own file."""
    parser = argparse.ArgumentParser(prog="make verify-real", description=__doc__)
    parser.add_argument("--engine-python", type=Path, required=True)
    parser.add_argument("--audio", type=Path, help="also transcribe this file and print it")
    arguments = parser.parse_args()
    try:
        require_hub()
        passed = verify(arguments.engine_python, arguments.audio)
    except CannotRunError as error:
        print(f"make verify-real cannot run here: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if passed else 1)


def require_hub() -> None:
    """Ask the hub for both models.

    Raises:
        CannotRunError: One of them cannot be had.
    """
    for model in (config.ASR_MODEL, config.DIARIZATION_MODEL):
        if Path(model).exists():
            continue
        try:
            HfApi().auth_check(model, token=config.HF_TOKEN)
        except GatedRepoError:
            raise CannotRunError(
                f"{model} is gated: accept its conditions on its page, and set HF_TOKEN"
            ) from None
        except HfHubHTTPError as error:
            status = error.response.status_code
            raise CannotRunError(f"the model hub answered {status} for {model}") from None
        except (OSError, HTTPError):
            raise CannotRunError(f"the model hub cannot be reached (for {model})") from None


def verify(engine_python: Path, own: Path | None) -> bool:
    """Transcribe, score, check the attention.

    Returns:
        Whether everything is within its threshold.
    """
    sample = sample_folder() / "sample.wav"
    envelopes = transcribe([sample] + ([own.resolve()] if own else []), engine_python)
    scores_ok = score_sample(envelopes[0])
    for envelope in envelopes[1:]:
        print(envelope["text"])
    checkpoint = next((CACHE / "models").glob("*/*.nemo"), Path(config.ASR_MODEL))
    command: list[str | Path] = [engine_python, "-m", "tools.attention_check", checkpoint, sample]
    attention_ok = subprocess.run(command, cwd=local_worker.ROOT, check=False).returncode == 0
    return scores_ok and attention_ok


def transcribe(files: list[Path], engine_python: Path) -> list[dict[str, Any]]:
    """The envelope of each file, from one worker.

    Raises:
        CannotRunError: A job failed.
    """
    envelopes = []
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            with local_worker.file_server(file) as url:
                environment = {
                    "PARAKEET_ENGINE_PYTHON": str(engine_python),
                    "PARAKEET_LOCAL_HOME": str(CACHE),
                    "PARAKEET_ALLOWED_PRIVATE_HOSTS": url.split("/")[2],
                }
                log = Path(folder) / "worker.log"
                python = local_worker.ROOT / ".venvs" / "worker" / "bin" / "python"
                with local_worker.running(python, log, environment) as worker:
                    job = worker.transcribe({"audio_url": url})
            if job.get("status") != "COMPLETED":
                raise CannotRunError(f"{file.name}: {job.get('error')}")
            envelopes.append(job["output"])
    return envelopes


def score_sample(envelope: Mapping[str, Any]) -> bool:
    """Print each score beside its threshold."""
    from tools import scoring  # meeteval and pyannote take seconds to import

    folder = sample_folder()
    scores = scoring.score(
        envelope,
        scoring.read_stm(folder / "sample.stm"),
        scoring.read_rttm(folder / "sample.rttm"),
        envelope["duration"],
    )
    passed = True
    for name, limit in THRESHOLDS.items():
        rate = getattr(scores, name)
        passed &= rate <= limit
        print(f"{name}: {rate:.3f} (at most {limit})")
    return passed


def sample_folder() -> Path:
    """The recording with its reference that comes in the pyannote.audio wheel."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "false"
    spec = find_spec("pyannote.audio")
    if spec is None or spec.origin is None:
        raise CannotRunError("pyannote.audio is not installed")
    return Path(spec.origin).parent / "sample"


if __name__ == "__main__":
    main()
