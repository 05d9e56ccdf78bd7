"""Everything that an engine is started with: the environment, the models, a tree to run from.

The order of a bootstrap is here; each step has a module of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import config
from volume import (
    build,
    configured,
    environment,
    fast_model,
    homes,
    machine,
    models,
    pack,
    publish,
    read_ahead,
    shadow,
    usage,
)
from volume.errors import BootstrapError, DamagedError
from volume.homes import Homes
from volume.provide_models import (
    Diarizers,
    provide_diarizers,
    provide_fast_model,
    provide_model,
    provide_published,
)
from volume.publish import Manifest, Place, Wanted
from volume.shadow import Shadow
from volume.steps import Step, Tell, within

log = logging.getLogger(__name__)

FAILURES_BEFORE_REBUILD: Final = 2

ENVIRONMENT_SHARE: Final = 0.54
SPEECH_SHARE: Final = 0.77
FAST_SHARE: Final = 0.99
"""Where in a whole bootstrap the environment ends, the speech model, and the fast form of it:
120 s, 50 s, 50 s, and then 1 s or so."""


@dataclass(frozen=True, slots=True)
class Provided:
    """What an engine is started with."""

    python: Path
    speech_model: Path
    """Its .nemo file."""
    fast_model: Path | None
    """The folder of the same model's fast checkpoint; None where there is none."""
    diarizers: Diarizers
    """Without any, speech alone is still served."""


class Provider:
    """Provides what an engine needs, and remembers what of it did not work."""

    def __init__(self) -> None:
        self._tree: Shadow | None = None
        self._environment: tuple[Place, str] | None = None
        """Where the one that was provided last is, and which instance it is."""
        self._broken: str | None = None
        self._failures = 0
        self._marking: threading.Event | None = None

    def provide(self, tell: Tell) -> Provided:
        """Bring everything here, installing and downloading what is missing.

        Args:
            tell: Called with the steps.

        Raises:
            BootstrapError: Something cannot be had; the message says what to do.
        """
        problem = machine.gpu_problem(config.DEVICE)
        if problem:
            raise BootstrapError("gpu_unusable", problem, retryable=True)
        try:
            return self._provide(homes.find(), tell)
        except OSError as error:
            of = f" ({Path(str(error.filename)).name})" if error.filename else ""
            raise BootstrapError(
                "bootstrap_failed", f"the volume failed: {error.strerror}{of}", retryable=True
            ) from error

    def reject(self, reason: str) -> bool:
        """The environment that was provided last does not start an engine.

        The first time its local tree is made anew; the second time the environment itself is to
        blame, and the next ``provide`` sets it aside and builds another.

        Returns:
            Whether ``provide`` may do better now.
        """
        if self._tree is None or self._environment is None:
            return False  # the operator's own Python
        place, instance = self._environment
        self._failures += 1
        log.warning("%s does not start (%d): %s", place.name, self._failures, reason)
        shadow.discard(self._tree)
        self._tree = None
        if self._failures >= FAILURES_BEFORE_REBUILD:
            publish.note_broken(place, reason)
            self._broken, self._failures = instance, 0
        return True

    def _provide(self, where: Homes, tell: Tell) -> Provided:
        python = self._python(where, within(tell, 0.0, ENVIRONMENT_SHARE))
        speech = configured.speech_model()
        speech_folder = provide_model(
            where, speech, python, within(tell, ENVIRONMENT_SHARE, SPEECH_SHARE)
        )
        weights = models.weights(speech_folder, speech)
        fast = provide_fast_model(
            where, speech, weights, python, within(tell, SPEECH_SHARE, FAST_SHARE)
        )
        diarizers = provide_diarizers(where, python, within(tell, FAST_SHARE, 1.0))
        read = fast / fast_model.WEIGHTS if fast else weights
        in_background(lambda: read_ahead.read_files([read]))
        self._mark(where)
        return Provided(python, weights, fast, diarizers)

    def _python(self, where: Homes, tell: Tell) -> Path:
        if config.ENGINE_PYTHON:
            return Path(config.ENGINE_PYTHON)
        if self._tree is None:
            self._tree, place, instance = provide_tree(where, tell, self._broken)
            self._environment = place, instance
        return self._tree.python

    def _mark(self, where: Homes) -> None:
        """Say what this worker uses, for as long as it lives."""
        if self._marking is not None:
            self._marking.set()
        names = [models.place(where.write, model).name for model in configured.hub_models()]
        if self._environment is not None:
            names.append(self._environment[0].name)
        fast_name = configured.fast_model_name()
        if fast_name is not None:
            names.append(fast_name)
        self._marking = usage.keep_marking(where.write, names)


def provide_tree(where: Homes, tell: Tell, broken: str | None = None) -> tuple[Shadow, Place, str]:
    """The tree to run from, of which environment it is, and of which instance of that.

    An environment whose files turn out to be damaged is set aside and made anew.

    Raises:
        BootstrapError: It cannot be had.
    """
    while True:
        place, manifest = provide_environment(where, tell, broken)
        instance = str(manifest["instance"])
        tell(Step("unpacking the environment's code", 1.0))
        try:
            return make_tree(where, place, manifest), place, instance
        except DamagedError as error:
            publish.note_broken(place, str(error))
            broken = instance


def provide_environment(
    where: Homes, tell: Tell, broken: str | None = None
) -> tuple[Place, Manifest]:
    """The published environment, built first if it must be.

    Raises:
        BootstrapError: It cannot be built.
    """
    make = build.maker(configured.recipe(), where.scratch)

    def wanted(home: Path) -> Wanted:
        return Wanted(environment.place(home, configured.recipe()), make, environment.check, broken)

    return provide_published(where, wanted, tell)


def make_tree(where: Homes, place: Place, manifest: Manifest) -> Shadow:
    """The tree to run from, while what its imports will read comes into memory.

    Raises:
        DamagedError: The environment's own files are not what they were.
        BootstrapError: There is room for it nowhere.
    """
    parents = homes.tree_parents(where)
    tree = shadow.find(place.folder, manifest, parents)
    if tree is None:
        # Those who unpack it would read one piece after the other, a round trip each.
        read_ahead.read_files([place.folder / environment.ARCHIVE])
    _, hot = pack.read_index(place.folder / environment.INDEX)
    in_background(lambda: read_ahead.read_ranges(place.folder / environment.LARGE, hot))
    return tree or shadow.make(place.folder, manifest, parents)


def in_background(work: Callable[[], object]) -> None:
    """Start what nobody waits for."""
    threading.Thread(target=work, name="read-ahead", daemon=True).start()
