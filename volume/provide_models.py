"""Provides one model, or its fast checkpoint, from wherever it can be had."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import config
from volume import configured, conversion, fast_model, model_download, models, publish
from volume.conversion import Converter
from volume.errors import BootstrapError, EndingError
from volume.homes import Homes
from volume.lease import Timing
from volume.models import Model
from volume.publish import Manifest, Place, Wanted
from volume.steps import Tell

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Diarizers:
    """What tells speakers apart. Each is there, or there is a reason why not."""

    pyannote: Path | None = None
    """The folder of its pipeline."""
    pyannote_problem: BootstrapError | None = None
    sortformer: Path | None = None
    """Its .nemo file."""
    sortformer_problem: BootstrapError | None = None


def provide_model(where: Homes, model: Model, python: Path, tell: Tell) -> Path:
    """The folder of a model, or the operator's own path; downloaded first if it must be.

    Raises:
        BootstrapError: It cannot be had.
    """
    if model.is_path:
        return Path(model.name)
    cached = models.in_runpods_cache(config.HUB_CACHE_DIR, model)
    if cached is not None:
        return cached
    make = model_download.maker(model, python, config.HF_TOKEN, where.scratch)
    if config.OFFLINE:
        make = model_download.refuser(model)

    def wanted(home: Path) -> Wanted:
        return Wanted(models.place(home, model), make, models.check)

    return provide_published(where, wanted, tell)[0].folder


def provide_diarizers(where: Homes, python: Path, tell: Tell) -> Diarizers:
    """Those that PARAKEET_DIARIZER asks for, downloaded first if they must be.

    Nothing fails for want of one: the engine says so to the jobs that need it.

    Raises:
        EndingError: This process is to end.
    """
    wanted = config.DIARIZER
    pyannote = sortformer = None
    pyannote_problem: BootstrapError | None = _not_configured("pyannote")
    sortformer_problem: BootstrapError | None = _not_configured("Sortformer")
    if wanted != "sortformer":
        pyannote, pyannote_problem = _had(where, configured.diarization_model(), python, tell)
    if wanted in ("sortformer", "both") or (wanted == "auto" and pyannote is None):
        model = configured.sortformer_model()
        folder, sortformer_problem = _had(where, model, python, tell)
        sortformer = models.weights(folder, model) if folder else None
    return Diarizers(pyannote, pyannote_problem, sortformer, sortformer_problem)


def _not_configured(name: str) -> BootstrapError:
    return BootstrapError(
        "diarization_unavailable",
        f"{name} is not on this worker, whose PARAKEET_DIARIZER is {config.DIARIZER}; send the "
        "diarizer auto, or set PARAKEET_DIARIZER to both",
    )


def _had(
    where: Homes, model: Model, python: Path, tell: Tell
) -> tuple[Path | None, BootstrapError | None]:
    """A diarizer's folder, or why it cannot be had."""
    try:
        return provide_model(where, model, python, tell), None
    except EndingError:
        raise
    except BootstrapError as error:
        log.warning("a diarizer is missing: %s", error.message)
        code = "diarization_unavailable" if error.code in models.CODES.values() else error.code
        return None, BootstrapError(code, error.message, retryable=error.retryable)


def provide_fast_model(
    where: Homes,
    model: Model,
    checkpoint: Path,
    python: Path,
    tell: Tell,
    *,
    converter: Converter = conversion.CONVERTER,
) -> Path | None:
    """The folder of a speech model's fast checkpoint, made first if it must be.

    It is only a gain of time, so nothing fails for want of it: where there is none, the log says
    why. It is not made where it would be lost with the worker: making it takes longer than what
    one start gains by it.

    Args:
        where: The worker's folders.
        model: The original.
        checkpoint: Its .nemo file.
        python: Of the models' environment.
        tell: Called with the steps.
        converter: What makes it.

    Returns:
        None where the original is to be used.

    Raises:
        EndingError: This process is to end.
    """
    if not config.FAST_CHECKPOINT:
        return None
    try:
        name = fast_model.name_of(model)
        if name is None:
            return None  # no file: the engine says so

        def wanted(home: Path) -> Wanted:
            place = fast_model.place(home, name)
            make = conversion.maker(place, model, checkpoint, python, converter)
            rest_s = conversion.REST_AFTER_FAILURE_S
            return Wanted(place, make, fast_model.check, rest_s=rest_s)

        if where.keeps:
            found: tuple[Place, Manifest] | None = provide_published(where, wanted, tell)
        else:
            found = find_published(where, wanted)
    except EndingError:
        raise
    except (BootstrapError, OSError) as error:
        why = error.message if isinstance(error, BootstrapError) else error.strerror
        log.warning("the speech model starts slowly, without its fast checkpoint: %s", why)
        return None
    if found is None:
        return None
    reason = fast_model.unusable_because(found[1])
    if reason is not None:
        log.warning("the speech model starts slowly; its fast checkpoint is no use: %s", reason)
        return None
    return found[0].folder


def provide_published(
    where: Homes, wanted_in: Callable[[Path], Wanted], tell: Tell
) -> tuple[Place, Manifest]:
    """A thing from where it may only be read, else from where it can be made.

    Raises:
        BootstrapError: It cannot be made.
    """
    if where.read_only is not None:
        wanted = wanted_in(where.read_only)
        found = publish.sound(wanted)
        if found is not None:
            return wanted.place, found
    wanted = wanted_in(where.write)
    return wanted.place, publish.obtain(wanted, tell, Timing.of(config.LEASE_TTL_S))


def find_published(
    where: Homes, wanted_in: Callable[[Path], Wanted]
) -> tuple[Place, Manifest] | None:
    """A thing from where it may be read; None where nobody has made it."""
    for home in where.readable:
        wanted = wanted_in(home)
        found = publish.sound(wanted)
        if found is not None:
            return wanted.place, found
    return None
