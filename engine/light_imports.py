"""Importing pyannote without what diarization never calls.

Most of the import's time goes to two things that inference has no use for: NeMo, which pyannote
tries for one of NVIDIA's speaker embeddings and does without where it is not installed; and the
text metrics of torchmetrics, with transformers behind them, which come along because Lightning
wants two classes. A quarter of the rest is the garbage collector, which looks through all that was
imported again and again and finds nothing.

So, in the importing thread only, NeMo's ASR is not found, and the package ``torchmetrics`` is
imported without running its ``__init__``. What is loaded is the real thing: a class has one
identity however it is imported. ``import nemo.collections.asr`` and ``import torchmetrics`` work
as ever afterwards, from any thread.
"""

from __future__ import annotations

import gc
import importlib
import logging
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Final

log = logging.getLogger(__name__)

PYANNOTE: Final = "pyannote.audio.pipelines"

_NOT_FOUND: Final = "nemo.collections.asr"
_DEFERRED: Final = "torchmetrics"

# What is asked of the package while it is deferred, and the module that has it. The order of the
# imports is torchmetrics' own: its utilities before the metrics, which import each other.
_BEFORE: Final = "torchmetrics.utilities"
_FOUND_IN: Final = {
    "Metric": "torchmetrics.metric",
    "MetricCollection": "torchmetrics.collections",
    "__version__": "torchmetrics.__about__",
}

# What an attempt may have left half done; nothing of it holds state of torch or of a C library.
_OURS_TO_FORGET: Final = ("pyannote.audio", "lightning", _DEFERRED)

_FAILURES: Final = (
    ImportError,
    AttributeError,
    NameError,
    LookupError,
    TypeError,
    ValueError,
    RuntimeError,
    AssertionError,
)
"""What modules of other versions can make of being imported in another way."""


def import_pyannote() -> ModuleType:
    """Import ``pyannote.audio.pipelines``, lightly where that works and plainly where not.

    May run in a thread beside other work. An import of NeMo that runs at the same time in another
    thread is neither hindered nor hurried by it, but Python may let one wait for the other.

    Returns:
        The package ``pyannote.audio``.

    Raises:
        ImportError: The plain import failed. Broken files can raise other errors too.
    """
    # It asks for decoders of files; we hand in samples. Not in a `catch_warnings`, which is for one
    # thread alone.
    warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed correctly")
    known = set(sys.modules)
    try:
        with light():
            importlib.import_module(PYANNOTE)
    except _FAILURES as error:
        log.warning("pyannote is imported plainly: %s: %s", type(error).__name__, error)
        _forget(known)
        importlib.import_module(PYANNOTE)
    return sys.modules["pyannote.audio"]


@contextmanager
def light() -> Iterator[None]:
    """Within, imports of this thread are light. The garbage collector rests in all threads."""
    finder = _LightFinder()
    collecting = gc.isenabled()
    gc.disable()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        finder.thread = None
        finder.give_way()
        finder.leave_if_done()
        if collecting:
            gc.enable()


def _forget(known: set[str]) -> None:
    """Take out of ``sys.modules`` what a failed attempt imported."""
    for name in set(sys.modules) - known:
        if any(name == top or name.startswith(f"{top}.") for top in _OURS_TO_FORGET):
            sys.modules.pop(name, None)


class _LightFinder(MetaPathFinder):
    """Finds NeMo not at all and torchmetrics in two steps: without its body, then with it.

    It stays on ``sys.meta_path`` only until torchmetrics is imported with its body.
    """

    def __init__(self) -> None:
        self.thread: int | None = threading.get_ident()
        self._deferred: ModuleType | None = None
        self._completed = False

    def leave_if_done(self) -> None:
        """Leave ``sys.meta_path`` when there is nothing left to find in another way."""
        if self.thread is None and (self._deferred is None or self._completed):
            with suppress(ValueError):  # another thread was quicker
                sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the import system asks; None leaves the answer to the next finder."""
        ours = self.thread == threading.get_ident()
        if fullname == _NOT_FOUND and ours:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        if fullname != _DEFERRED or not (ours or self._deferred):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        if self._deferred is None:
            spec.loader = _Deferring(self)
        else:
            spec.loader = _Completing(self, spec.loader)
        return spec

    def defer(self, module: ModuleType) -> None:
        """Make ``module`` torchmetrics without its body."""
        self._deferred = module
        module.__dict__["_logger"] = logging.getLogger(_DEFERRED)  # as in the body

        def attribute(name: str) -> Any:
            if self.thread is not None and name in _FOUND_IN:
                importlib.import_module(_BEFORE)
                return getattr(importlib.import_module(_FOUND_IN[name]), name)
            if name.startswith("__") and name not in ("__all__", "__version__"):
                raise AttributeError(f"module {_DEFERRED!r} has no attribute {name!r}")
            self.give_way()
            return getattr(importlib.import_module(_DEFERRED), name)

        module.__dict__["__getattr__"] = attribute

    def give_way(self) -> None:
        """Let the next import of torchmetrics be a real one."""
        if self._deferred is not None and sys.modules.get(_DEFERRED) is self._deferred:
            del sys.modules[_DEFERRED]

    def complete(self) -> None:
        """Torchmetrics was imported with its body."""
        self._completed = True
        self.leave_if_done()


class _Deferring(Loader):
    """Makes a package of which the submodules can be imported, without running its body."""

    def __init__(self, finder: _LightFinder) -> None:
        self._finder = finder

    def create_module(self, spec: ModuleSpec) -> None:
        """The import system's own kind of module."""

    def exec_module(self, module: ModuleType) -> None:
        """In place of the body."""
        self._finder.defer(module)


class _Completing(Loader):
    """Runs the body of a package of which some submodules were imported before."""

    def __init__(self, finder: _LightFinder, real: Loader) -> None:
        self._finder = finder
        self._real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The real loader's module."""
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Bind what is there, as its import would have done, and run the body."""
        for name, submodule in list(sys.modules.items()):
            parent, _, child = name.rpartition(".")
            if parent == _DEFERRED:
                setattr(module, child, submodule)
        module.__loader__ = self._real
        self._real.exec_module(module)
        self._finder.complete()
