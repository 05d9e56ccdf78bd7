"""What an engine is started with, who provides that, and how long it may all take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from speech.protocol import EngineSettings
from speech.types import Report


@dataclass(frozen=True, slots=True)
class Launch:
    """What an engine is started with."""

    python: Path
    """Of the models' environment."""
    settings: EngineSettings


class Launcher(Protocol):
    """Provides what an engine is started with. Both may block."""

    def provide(self, report: Report) -> Launch:
        """Install and download what is missing.

        Raises:
            WorkerError: It cannot be had.
        """

    def reject(self, reason: str) -> bool:
        """The environment that came last does not start. Whether ``provide`` may do better now."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long an engine may take."""

    hello_s: float
    """From its start to its handshake."""
    ready_s: float
    """From its handshake to loaded models."""
    cancel_s: float
    """To let go of a job that was cancelled while it worked on it. Then it is stuck, and killed."""
    bootstrap_s: float
    """For which a job waits until there is an environment with models."""
    bootstrap_report_s: float
    """Between two reports of that."""
