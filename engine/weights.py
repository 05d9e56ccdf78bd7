"""Where the weights come from: a path of the operator's, or the Hugging Face hub.

Both libraries unpickle what they load, which runs code. So a file from the hub is kept only if its
sha256 is the known one or, for models without known sums, the one that the hub states for it. A
local path is the operator's word; a directory with a ``SHA256SUMS`` file is held against it.

What comes from the hub is gathered in ``<models_dir>/<name>-<revision>.partial``, where a broken
download resumes, and renamed to ``<name>-<revision>`` when it is whole and verified. That name is
never written to again, and needs no network.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from huggingface_hub import HfApi
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError, see there
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # of whichever HTTP client this version of the library uses
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils.tqdm import disable_progress_bars

from engine.checksums import KNOWN_SHA256, sha256, verify_directory
from speech.errors import EngineError
from speech.protocol import EngineSettings

_HUB_NAME: Final = re.compile(r"[\w.-]+/[\w.-]+")
_PIPELINE_SUFFIXES: Final = (".yaml", ".bin", ".npz", ".safetensors")


@dataclass(frozen=True, slots=True)
class _HubModel:
    """A model on the hub, and how to speak of it."""

    name: str
    revision: str
    code: str
    """The error code when it cannot be had."""
    token: str | None

    def error(self, why: str, *, retryable: bool = False) -> EngineError:
        return EngineError(
            self.code, f"{self.name} at revision {self.revision}: {why}", retryable=retryable
        )


def speech_checkpoint(settings: EngineSettings) -> Path:
    """The ``.nemo`` file of the speech model, downloaded if it must be.

    Raises:
        EngineError: ``model_unavailable``; the message says what is missing and what to do.
    """
    if not _is_hub_name(settings.asr_model):
        checkpoint = Path(settings.asr_model)
        if not checkpoint.is_file():
            raise EngineError("model_unavailable", f"there is no file {checkpoint.name}")
        return _require_nemo(checkpoint)
    model = _HubModel(
        settings.asr_model,
        settings.asr_revision or "main",
        "model_unavailable",
        settings.hf_token,
    )
    directory = _local_copy(model, settings, (".nemo",))
    checkpoints = sorted(directory.glob("*.nemo"))
    if len(checkpoints) != 1:
        raise model.error(f"it has {len(checkpoints)} .nemo files, and exactly one is needed")
    return _require_nemo(checkpoints[0])


def diarization_directory(settings: EngineSettings) -> Path:
    """The directory of the diarization pipeline, downloaded if it must be.

    A local directory without a ``SHA256SUMS`` file is trusted as it is.

    Raises:
        EngineError: ``diarization_unavailable``; the message says what is missing and what to do.
    """
    if not _is_hub_name(settings.diarization_model):
        directory = Path(settings.diarization_model)
        if not (directory / "config.yaml").is_file():
            raise EngineError(
                "diarization_unavailable",
                f"{directory.name} is no directory with the config.yaml of a pyannote pipeline",
            )
        verify_directory(directory)
        return directory
    model = _HubModel(
        settings.diarization_model,
        settings.diarization_revision or "main",
        "diarization_unavailable",
        settings.hf_token,
    )
    return _local_copy(model, settings, _PIPELINE_SUFFIXES)


def _is_hub_name(text: str) -> bool:
    """Whether this is a name on the hub: two words and a slash, and nothing here has that name."""
    return (
        bool(_HUB_NAME.fullmatch(text))
        and not text.startswith(".")
        and not text.endswith(".nemo")
        and not Path(text).exists()
    )


def _require_nemo(checkpoint: Path) -> Path:
    if not tarfile.is_tarfile(checkpoint):
        raise EngineError(
            "model_unavailable",
            f"{checkpoint.name} is no NeMo checkpoint (a tar archive); it may be cut off, or a"
            " pointer of Git LFS",
        )
    return checkpoint


def _local_copy(model: _HubModel, settings: EngineSettings, suffixes: tuple[str, ...]) -> Path:
    """The directory with the verified files of a model, downloaded if it is not there yet."""
    final = Path(settings.models_dir) / f"{model.name.replace('/', '--')}-{model.revision}"
    if final.is_dir():
        return final
    if settings.offline:
        raise model.error("it is not in the models' directory, and HF_HUB_OFFLINE forbids download")
    partial = final.with_name(final.name + ".partial")
    disable_progress_bars()
    with _saying_what_failed(model):
        api = HfApi(token=model.token or False)
        for name, digest in _wanted(api, model, suffixes).items():
            path = Path(
                api.hf_hub_download(model.name, name, revision=model.revision, local_dir=partial)
            )
            if digest is not None and sha256(path) != digest:
                path.unlink()
                raise model.error(
                    f"the sha256 of the downloaded {name} is not {digest}; the download was"
                    " damaged, or the file is not the one that was published",
                    retryable=True,
                )
    shutil.rmtree(partial / ".cache", ignore_errors=True)
    try:
        partial.rename(final)
    except OSError:
        if not final.is_dir():  # else another worker was faster
            raise
    return final


def _wanted(api: HfApi, model: _HubModel, suffixes: tuple[str, ...]) -> Mapping[str, str | None]:
    """The files to have with their sha256; None for small text files, of which the hub has none."""
    known = KNOWN_SHA256.get((model.name, model.revision))
    if known is not None:
        return known
    files = [
        entry
        for entry in api.list_repo_tree(model.name, revision=model.revision, recursive=True)
        if isinstance(entry, RepoFile) and entry.path.endswith(suffixes)
    ]
    if not files:
        raise model.error(f"it has no file that ends in {' or '.join(suffixes)}")
    return {entry.path: entry.lfs.sha256 if entry.lfs else None for entry in files}


@contextlib.contextmanager
def _saying_what_failed(model: _HubModel) -> Iterator[None]:
    """Translate the errors of the hub's library, most specific first."""
    try:
        yield
    except HfHubHTTPError as error:
        raise _refusal(model, error) from error
    except (HTTPError, OfflineModeIsEnabled, LocalEntryNotFoundError) as error:
        raise model.error(
            "it is not in the models' directory and the hub cannot be reached; check the network,"
            " or put the weights there and set the model to their path",
            retryable=True,
        ) from error
    except HFValidationError as error:
        raise model.error("this is no name of a model on the hub") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise model.error(f"the download could not be kept: {reason}", retryable=True) from error


def _refusal(model: _HubModel, error: HfHubHTTPError) -> EngineError:
    """What an answer of the hub with an error status means."""
    status = error.response.status_code
    if isinstance(error, RevisionNotFoundError):
        return model.error("the hub has no such revision")
    if isinstance(error, GatedRepoError) or status == 403:
        return model.error(_access_advice(model))
    if isinstance(error, RepositoryNotFoundError) or status == 401:
        # The hub gives one answer for models that do not exist and for those that it hides.
        return model.error(
            f"the hub has no such model, or it is private or gated; then {_access_advice(model)}"
        )
    return model.error(
        f"the hub answered with status {status}", retryable=status >= 500 or status == 429
    )


def _access_advice(model: _HubModel) -> str:
    page = f"https://huggingface.co/{model.name}"
    if model.token is None:
        return (
            f"access needs a token and there is none: accept the conditions on {page}, then set"
            " HF_TOKEN to a token of that account"
        )
    return (
        "the account of HF_TOKEN has no access, or the token is not valid: accept the conditions on"
        f" {page} with that account, and use a token that may read gated models"
    )
