"""What is on the volume, and whether it is whole: ``python bootstrap.py --check``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import config
from volume import configured, environment, fast_model, files, lease, models, publish
from volume.errors import DamagedError
from volume.findings import Finding
from volume.homes import Homes
from volume.publish import Check, Place

NO_FAST_MODEL: Final = (
    "The original is used, which takes longer to load. `python bootstrap.py` tries again; where it "
    "is of no use, remove its folder before, or set PARAKEET_FAST_CHECKPOINT to false."
)


@dataclass(frozen=True, slots=True)
class Thing:
    """An environment or a model, as it is found."""

    name: str
    state: Literal["ready", "missing", "damaged", "being made", "given", "unusable"]
    """"given": it is the operator's own, a path. "unusable": it was made, and is not to be used."""
    found: str
    """A path, or what is wrong."""
    bytes: int = 0
    details: tuple[tuple[str, str], ...] = ()
    """Versions and the like."""
    is_optional: bool = False
    """Whether an engine starts without it, only slower."""
    has_failed: bool = False
    """Whether the last attempt to make it failed."""

    @property
    def is_ready(self) -> bool:
        """Whether an engine can be started with it, or without."""
        return self.is_optional or self.state in ("ready", "given")


def look(where: Homes) -> tuple[Thing, ...]:
    """The environment and the models that are configured. Changes nothing."""
    things = []
    if config.ENGINE_PYTHON:
        there = Path(config.ENGINE_PYTHON).exists()
        name = "PARAKEET_ENGINE_PYTHON"
        things.append(Thing(name, "given" if there else "missing", config.ENGINE_PYTHON))
    else:
        recipe = configured.recipe()
        places = [environment.place(home, recipe) for home in where.readable]
        things.append(_published(places, environment.check))
    speech = _model(where, configured.speech_model())
    return (*things, speech, *_diarizers(where), *_fast_model(where))


def _diarizers(where: Homes) -> tuple[Thing, ...]:
    """Those that are to be there. Where either will do, the one that is."""
    pyannote = _model(where, configured.diarization_model())
    sortformer = _model(where, configured.sortformer_model())
    if config.DIARIZER == "auto":
        return (sortformer,) if sortformer.is_ready and not pyannote.is_ready else (pyannote,)
    both = {"pyannote": pyannote, "sortformer": sortformer}
    return tuple(thing for name, thing in both.items() if config.DIARIZER in (name, "both"))


def _model(where: Homes, model: models.Model) -> Thing:
    if model.is_path:
        state: Literal["given", "missing"] = "given" if Path(model.name).exists() else "missing"
        return Thing(model.title, state, model.name)
    cached = models.in_runpods_cache(config.HUB_CACHE_DIR, model)
    if cached is not None:
        return Thing(model.title, "ready", str(cached), files.size_of(cached))
    return _published([models.place(home, model) for home in where.readable], models.check)


def _fast_model(where: Homes) -> Iterator[Thing]:
    """The speech model's fast checkpoint, where there is to be one."""
    name = configured.fast_model_name()
    if name is not None:
        places = [fast_model.place(home, name) for home in where.readable]
        yield replace(_published(places, fast_model.check), is_optional=True)


def _published(places: list[Place], check: Check) -> Thing:
    """The first of these that is there."""
    for place in places:
        manifest = publish.manifest(place.folder)
        if manifest is None:
            continue
        try:
            check(place.folder, manifest)
        except DamagedError as error:
            return Thing(place.name, "damaged", f"{place.folder}: {error}")
        reason = fast_model.unusable_because(manifest)
        if reason is not None:
            return Thing(place.name, "unusable", f"{place.folder}: {reason}")
        return Thing(
            place.name, "ready", str(place.folder), _bytes(manifest), tuple(_details(manifest))
        )
    return _missing(places[-1])


def _missing(place: Place) -> Thing:
    """Why a thing is not there: nobody has made it, somebody makes it, or it failed."""
    seen = lease.look(place.install)
    if seen.step is not None and not seen.released:
        return Thing(place.name, "being made", f"{seen.step.name}, by {seen.step.worker}")
    failure = publish.last_failure(place)
    why = failure.message if failure else f"not in {place.folder.parent}"
    return Thing(place.name, "missing", why, has_failed=failure is not None)


def _bytes(manifest: publish.Manifest) -> int:
    with contextlib.suppress(KeyError, TypeError):
        return int(manifest["bytes"])
    return sum(int(entry["bytes"]) for entry in manifest.get("files", {}).values())


def _details(manifest: publish.Manifest) -> list[tuple[str, str]]:
    """What of a manifest an operator wants to read."""
    details = [(name, str(version)) for name, version in manifest.get("versions", {}).items()]
    names = ("install_s", "precision", "made_s")
    details += [(name, str(manifest[name])) for name in names if name in manifest]
    report = manifest.get("report", {}).items()
    details += [(name, str(value)) for name, value in report if isinstance(value, int | float)]
    return details


def findings(things: tuple[Thing, ...]) -> tuple[Finding, ...]:
    """What the doctor says of things that are optional: nothing of what is still to be made."""
    found = []
    for thing in things:
        if not thing.is_optional:
            continue
        if thing.state == "ready":
            text = f"{thing.found}, {thing.bytes / 1e9:.2f} GB"
            found.append(Finding("fast model", "ok", text))
        elif thing.state in ("unusable", "damaged") or thing.has_failed:
            found.append(Finding("fast model", "warning", thing.found, NO_FAST_MODEL))
    return tuple(found)


def as_text(things: tuple[Thing, ...]) -> str:
    """A line a thing."""
    lines = []
    for thing in things:
        size = f"  {thing.bytes / 1e9:.2f} GB" if thing.bytes else ""
        lines.append(f"{thing.state:<10}  {thing.name}{size}\n            {thing.found}")
        if thing.details:
            lines.append("            " + ", ".join(f"{k} {v}" for k, v in thing.details))
    return "\n".join(lines)


def as_json(things: tuple[Thing, ...]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            **dict(thing.details),
            "name": thing.name,
            "state": thing.state,
            "found": thing.found,
            "bytes": thing.bytes,
        }
        for thing in things
    ]
