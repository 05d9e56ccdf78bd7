"""A model from the Hugging Face hub, verified, in a folder.

Both libraries unpickle what they load, which runs code. So a file is kept only if its sha256 is the
known one or, for models without known sums, the one that the hub states for it.

Only ``engine/hub_download.py`` runs this; the engine itself never sees the network.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from huggingface_hub import HfApi
from huggingface_hub.constants import HF_HUB_OFFLINE
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError, see there
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # of whichever HTTP client this version of the library uses
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils.tqdm import disable_progress_bars

from engine.checksums import KNOWN_SHA256, require_nemo, sha256
from speech.errors import EngineError

SPEECH: Final = "speech"
DIARIZATION: Final = "diarization"
SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    SPEECH: (".nemo",),
    DIARIZATION: (".yaml", ".bin", ".npz", ".safetensors"),
}
"""What is downloaded of a model of each kind, where its files are not known."""
CODES: Final[Mapping[str, str]] = {
    SPEECH: "model_unavailable",
    DIARIZATION: "diarization_unavailable",
}
"""The error code where a model of each kind cannot be had."""

FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model on the hub, and how to speak of it."""

    kind: str
    """A key of ``SUFFIXES``."""
    name: str
    revision: str
    token: str | None = field(repr=False)

    def error(self, why: str, *, retryable: bool = False, code: str = "") -> EngineError:
        """Why it cannot be had; with the code of its kind, unless another one is given."""
        message = f"{self.name} at revision {self.revision}: {why}"
        return EngineError(code or CODES[self.kind], message, retryable=retryable)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The files to have."""

    sums: Mapping[str, str | None]
    """Their sha256; None for small text files, of which the hub has none."""
    total_bytes: int | None
    """None where the hub does not say."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that was downloaded, as it was read back."""

    bytes: int
    sha256: str


def wanted(model: HubModel) -> Wanted:
    """Ask the hub for a model's files.

    Raises:
        EngineError: ``model_unavailable`` or ``diarization_unavailable``.
    """
    disable_progress_bars()
    # The library's warnings hold signed URLs, which belong into no log.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    _require_sendable(model)
    if HF_HUB_OFFLINE:
        raise model.error("it is not in the models' directory, and HF_HUB_OFFLINE forbids download")
    known = KNOWN_SHA256.get((model.name, model.revision))
    with _saying_what_failed(model):
        if known is not None:
            return Wanted(known, _known_total_bytes(model, known))
        files = [file for file in _listed(model) if file.path.endswith(SUFFIXES[model.kind])]
    if not files:
        raise model.error(f"it has no file that ends in {' or '.join(SUFFIXES[model.kind])}")
    if model.kind == SPEECH:
        files = [file for file in files if "/" not in file.path]
        if len(files) != 1:
            found = f"it has {len(files)} .nemo files at its top"
            raise model.error(f"{found}, and exactly one is needed")
    elif not any(file.path == "config.yaml" for file in files):
        raise model.error("it has no config.yaml, which every pyannote pipeline has")
    return Wanted(
        {file.path: file.lfs.sha256 if file.lfs else None for file in files},
        sum(file.size for file in files),
    )


def download(model: HubModel, files: Wanted, folder: Path) -> dict[str, Kept]:
    """Download the files into a folder, and hold each against its sum.

    A file has its final name only when all of it has come. Nothing else is left in the folder.

    Raises:
        EngineError: ``model_unavailable``, ``diarization_unavailable`` or ``volume_full``.
    """
    kept = {}
    api = _api(model)
    with _saying_what_failed(model):
        for name, digest in files.sums.items():
            path = Path(
                api.hf_hub_download(model.name, name, revision=model.revision, local_dir=folder)
            )
            kept[name] = _read_back(path)
            if digest is not None and kept[name].sha256 != digest:
                path.unlink()
                raise model.error(
                    f"the sha256 of the downloaded {name} is not {digest}; the download was"
                    " damaged, or the file is not the one that was published",
                    retryable=True,
                )
        if model.kind == SPEECH:
            for name in kept:
                require_nemo(folder / name)
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return kept


def _require_sendable(model: HubModel) -> None:
    """An HTTP client that refuses a header quotes it in its error: the token would be in a log."""
    if model.token is not None and not all("!" <= character <= "~" for character in model.token):
        raise model.error("HF_TOKEN holds characters that no token has; set it to the token alone")


def _api(model: HubModel) -> HfApi:
    return HfApi(token=model.token or False)  # False: not one that the library finds elsewhere


def _listed(model: HubModel) -> list[RepoFile]:
    entries = _api(model).list_repo_tree(model.name, revision=model.revision, recursive=True)
    return [entry for entry in entries if isinstance(entry, RepoFile)]


def _known_total_bytes(model: HubModel, known: Mapping[str, str]) -> int | None:
    """The size of files whose sums are known; None where the hub does not say, for that is all."""
    try:
        sizes_bytes = {file.path: file.size for file in _listed(model)}
    except HfHubHTTPError:
        return None
    return sum(sizes_bytes[name] for name in known) if known.keys() <= sizes_bytes.keys() else None


def _read_back(path: Path) -> Kept:
    with path.open("rb") as file:
        os.fsync(file.fileno())  # a volume may refuse as late as now what it took before
    return Kept(path.stat().st_size, sha256(path))


@contextlib.contextmanager
def _saying_what_failed(model: HubModel) -> Iterator[None]:
    """Translate the errors of the hub's library, most specific first."""
    try:
        yield
    except HfHubHTTPError as error:
        raise _refusal(model, error) from error
    except (HTTPError, ConnectionError, TimeoutError, LocalEntryNotFoundError) as error:
        raise model.error(
            "it is not in the models' directory and the hub cannot be reached; check the network,"
            " or put the weights there and set the model to their path",
            retryable=True,
        ) from error
    except HFValidationError as error:
        raise model.error("this is no name of a model on the hub") from error
    except (OSError, RuntimeError) as error:
        _raise_not_kept(model, error)
    except (ValueError, KeyError) as error:
        raise model.error(
            "the hub's answer cannot be understood; something else may answer in its place",
            retryable=True,
        ) from error


def _raise_not_kept(model: HubModel, error: OSError | RuntimeError) -> NoReturn:
    """Raise what it means that a file could not be fetched or written.

    hf_xet, which fetches most large files, raises a plain RuntimeError for both; the text of a
    failed write ends with "(os error N)" (hf_xet 1.8.0).
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in FULL or any(f"(os error {full})" in str(error) for full in FULL):
        why = "the volume has no room for it; enlarge the volume or empty it"
        raise model.error(why, code="volume_full") from error
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        raise model.error(f"the download could not be kept: {reason}", retryable=True) from error
    raise model.error(
        "the download from the hub's storage broke off; check the network", retryable=True
    ) from error


def _refusal(model: HubModel, error: HfHubHTTPError) -> EngineError:
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


def _access_advice(model: HubModel) -> str:
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
