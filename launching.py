"""What the engine is started with: the volume's environment and models, in the engine's terms."""

from __future__ import annotations

import logging

import config
from speech.errors import CODES, WorkerError
from speech.protocol import EngineSettings, Problem
from speech.types import Progress, Report
from utils.engine_client import EngineClient
from utils.engine_launch import Launch, Timeouts
from volume import configured
from volume.errors import BootstrapError
from volume.provide import Provided, Provider
from volume.steps import Step

log = logging.getLogger("worker")


def start_engine() -> EngineClient:
    """Start the engine as the configuration says."""
    timeouts = Timeouts(
        hello_s=config.ENGINE_HELLO_TIMEOUT_S,
        ready_s=config.ENGINE_READY_TIMEOUT_S,
        cancel_s=config.ENGINE_CANCEL_TIMEOUT_S,
        bootstrap_s=config.BOOTSTRAP_TIMEOUT_S,
        bootstrap_report_s=config.BOOTSTRAP_PROGRESS_INTERVAL_S,
    )
    return EngineClient(VolumeLauncher(), config.ROOT, timeouts)


class VolumeLauncher:
    """What an engine is started with, from the volume, in the engine's terms."""

    def __init__(self) -> None:
        self._provider = Provider()

    def provide(self, report: Report) -> Launch:
        """Install and download what is missing.

        Raises:
            WorkerError: It cannot be had.
        """
        try:
            provided = self._provider.provide(lambda step: report(as_progress(step)))
        except BootstrapError as error:
            log.error("bootstrap: %s", error.message)
            raise as_worker_error(error) from error
        return Launch(provided.python, engine_settings(provided))

    def reject(self, reason: str) -> bool:
        """The environment that came last does not start. Whether ``provide`` may do better now."""
        return self._provider.reject(reason)


def engine_settings(provided: Provided) -> EngineSettings:
    """What the engine is told."""
    diarizers = provided.diarizers
    return EngineSettings(
        asr_model=str(provided.speech_model),
        asr_name=configured.speech_model().title,
        fast_model=str(provided.fast_model) if provided.fast_model else None,
        diarization_model=str(diarizers.pyannote) if diarizers.pyannote else None,
        diarization_name=configured.diarization_model().title,
        diarization_problem=as_problem(diarizers.pyannote_problem),
        device=config.DEVICE,
        threads=config.THREADS,
        cpu_fallback=config.CPU_FALLBACK,
        sortformer_model=str(diarizers.sortformer) if diarizers.sortformer else None,
        sortformer_name=configured.sortformer_model().title,
        sortformer_problem=as_problem(diarizers.sortformer_problem),
    )


def as_problem(error: BootstrapError | None) -> Problem | None:
    """Why the engine lacks something."""
    return Problem(error.code, error.message, error.retryable) if error else None


def as_progress(step: Step) -> Progress:
    """A step of the bootstrap, for the jobs that wait for it."""
    by = f", by {step.worker}" if step.worker else ""
    return Progress(
        "install",
        step.fraction,
        f"{step.name}{by}",
        done_bytes=step.done_bytes,
        total_bytes=step.total_bytes,
        remaining_s=step.remaining_s,
    )


def as_worker_error(error: BootstrapError) -> WorkerError:
    """What callers are told. The text is the operator's where it may hold paths or packages."""
    told_whole = error.code in ("model_unavailable", "diarization_unavailable", "gpu_unusable")
    text = error.message if told_whole else PREPARATION_FAILED
    # A record of another release may hold a code that this one does not know.
    code = error.code if error.code in CODES else "bootstrap_failed"
    return WorkerError(code, text, retryable=error.retryable)


PREPARATION_FAILED = (
    "The models' environment could not be prepared; the worker's log says why, and so does `python "
    "bootstrap.py --doctor`."
)
