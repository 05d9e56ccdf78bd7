"""An environment from its recipe, as a tree on disk: by uv, in a folder of its own."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from volume import files, programs
from volume.environment import Recipe
from volume.errors import BootstrapError, EndingError, LeaseLostError
from volume.steps import Step, Tell

log = logging.getLogger(__name__)

INSTALL_TIMEOUT_S: Final = 1800.0
IMPORT_TIMEOUT_S: Final = 300.0
ATTEMPTS: Final = 3
"""Each in a tree of its own; what was downloaded is kept between them."""

POLL_S: Final = 2.0
SHARE: Final = 0.6
"""Of a whole bootstrap's time (measured: 75 of 125 s)."""


def install(recipe: Recipe, work: Path, tell: Tell) -> Path:
    """Install the lock into a new tree below ``work``.

    Raises:
        BootstrapError: It failed three times; the last failure.
    """
    cache = {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(work / "cache")}
    for attempt in range(1, ATTEMPTS + 1):
        tree = work / f"tree-{attempt}"
        try:
            with _telling_growth(work, recipe.expected_bytes, tell):
                _install_once(recipe, tree, cache)
            break
        except EndingError:
            raise
        except BootstrapError as error:
            if attempt == ATTEMPTS or error.code == "volume_full":
                raise
            log.warning("attempt %d of %d: %s", attempt, ATTEMPTS, error.message)
    if recipe.optional_wheel:
        _install_optional(tree, recipe.optional_wheel, cache, tell)
    return tree


def python_of(tree: Path) -> Path:
    """The interpreter of a tree."""
    return tree / "bin" / "python"


def _install_once(recipe: Recipe, tree: Path, cache: dict[str, str]) -> None:
    uv = programs.uv()
    create = [uv, "venv", "-q", "--relocatable", "--no-project", "--python", sys.executable]
    programs.require([*create, str(tree)], timeout_s=INSTALL_TIMEOUT_S, more=cache)
    sync = [uv, "pip", "sync", "-q", "--require-hashes", "--python", str(python_of(tree))]
    programs.require([*sync, str(recipe.lock)], timeout_s=INSTALL_TIMEOUT_S, more=cache)


def _install_optional(tree: Path, wheel: str, cache: dict[str, str], tell: Tell) -> None:
    """Install a wheel and see that it can be imported; take it out again where it cannot."""
    package = Path(urlsplit(wheel).path).name.partition("-")[0]
    tell(Step(f"installing {package}", SHARE))
    uv, python = programs.uv(), str(python_of(tree))
    add = [uv, "pip", "install", "-q", "--no-deps", "--python", python, wheel]
    remove = [uv, "pip", "uninstall", "-q", "--python", python, package]
    try:
        programs.require(add, timeout_s=INSTALL_TIMEOUT_S, more=cache)
        programs.require([python, "-I", "-c", f"import {package}"], timeout_s=IMPORT_TIMEOUT_S)
    except BootstrapError as error:
        log.warning("%s is left out: %s", package, error)
        with contextlib.suppress(BootstrapError):
            programs.require(remove, timeout_s=INSTALL_TIMEOUT_S, more=cache)


@contextlib.contextmanager
def _telling_growth(folder: Path, expected_bytes: int, tell: Tell) -> Iterator[None]:
    """Tell how much has been written to the folder's file system since this began.

    uv tells nothing to a pipe, and to walk 40,000 files every other second would slow it down.
    """
    begin_s, free_bytes = time.monotonic(), files.free_bytes(folder)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(POLL_S):
            done = min(max(0, free_bytes - files.free_bytes(folder)), expected_bytes)
            share = done / expected_bytes
            elapsed_s = time.monotonic() - begin_s
            remaining_s = elapsed_s / (share * SHARE) - elapsed_s if share > 0.05 else None
            step = Step(
                "downloading and installing packages",
                share * SHARE,
                done,
                expected_bytes,
                remaining_s,
            )
            with contextlib.suppress(OSError, LeaseLostError):  # the main thread meets it too
                tell(step)

    tell(Step("downloading and installing packages", 0.0, 0, expected_bytes))
    thread = threading.Thread(target=watch, name="growth", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
