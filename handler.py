"""The edge: RunPod jobs in, envelopes out.

``python handler.py`` runs the SDK's loop: against RunPod where its environment says so, else on
``test_input.json``, ``--test_input '{...}'``, or as an HTTP server (``--rp_serve_api``).
"""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import config
import pipeline
from speech import envelope
from speech.errors import CODES, WorkerError
from speech.protocol import EngineSettings, Problem
from speech.types import Progress, Report
from utils import job_log, validation, workspace
from utils.engine_client import EngineClient
from utils.engine_launch import Launch, Timeouts
from utils.progress import ProgressPoster, Send
from volume import configured, programs
from volume.errors import BootstrapError
from volume.provide import Provided, Provider
from volume.steps import Step

log = logging.getLogger("worker")

Job = Mapping[str, Any]
Envelope = dict[str, object]


async def handle(job: Job, engine: pipeline.Engine, send: Send) -> Envelope:
    """One job, from its input to its envelope. Never raises but when it is cancelled.

    Args:
        job: RunPod's: at least "id" and "input".
        engine: Hears.
        send: Posts one progress update of this job.
    """
    begin_s = time.monotonic()
    job_id = str(job.get("id", "local"))
    poster = ProgressPoster(send, config.PROGRESS_INTERVAL_S)
    try:
        return await transcribe(job_id, job.get("input"), engine, poster.report)
    except WorkerError as error:
        log.info(job_log.failure(job_id, error.code, time.monotonic() - begin_s))
        return envelope.failure(error)
    except Exception as error:  # noqa: BLE001  else the SDK shows callers the traceback
        # Its text may hold a URL or what was said: only its kind and place are logged.
        place = "".join(traceback.format_tb(error.__traceback__))
        log.error("job %s: %s\n%s", job_id, type(error).__name__, place)
        log.info(job_log.failure(job_id, "internal_error", time.monotonic() - begin_s))
        return envelope.failure(
            WorkerError(
                "internal_error",
                "A fault of the worker, not of the request. Try again, and report it with the "
                f"job's id {job_id} if it stays.",
                retryable=True,
            )
        )
    finally:
        await poster.drain()  # an update that arrives after the result would undo it


async def transcribe(
    job_id: str, job_input: object, engine: pipeline.Engine, report: Report
) -> Envelope:
    """The envelope of a success.

    Raises:
        WorkerError: With a code and a message for the caller.
    """
    request = validation.parse_request(job_input)
    with workspace.job_directory(job_id) as directory:
        result = await pipeline.run(request, engine, job_id, directory, report)
    answer = envelope.success(result)
    # The SDK posts it wrapped like this, and the limit is on what is posted.
    size_bytes = envelope.check_size({"output": answer}, result_limit_bytes(job_id))
    log.info(job_log.success(job_id, request, result, size_bytes))
    return answer


def result_limit_bytes(job_id: str) -> int:
    """RunPod names the jobs of /runsync ``sync-...``; their results may be larger."""
    return config.MAX_SYNC_RESULT_BYTES if job_id.startswith("sync-") else config.MAX_RESULT_BYTES


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


def main() -> None:
    """Start the engine, then RunPod's loop."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s"
    )
    workspace.sweep()
    engine = start_engine()

    # The SDK's default level is DEBUG, at which it prints every result: transcripts in a log.
    os.environ.setdefault("RUNPOD_LOG_LEVEL", "INFO")
    import runpod  # takes seconds, during which the engine starts

    async def handler(job: Job) -> Envelope:
        return await handle(job, engine, sdk_sender(job))

    try:
        runpod.serverless.start(
            {"handler": handler, "concurrency_modifier": lambda _: config.CONCURRENCY}
        )
    finally:
        programs.end_all()  # an install under way would keep this process for as long as it takes


def sdk_sender(job: Job) -> Callable[[dict[str, object]], Awaitable[None]]:
    """Posts an update through the SDK, and returns when it has been posted.

    Without RunPod's environment (local modes) there is nowhere to post to: the log gets it.
    """
    if "RUNPOD_WEBHOOK_POST_OUTPUT" not in os.environ:

        async def tell(update: dict[str, object]) -> None:
            log.info("job %s: %s", job.get("id"), update)

        return tell

    from runpod.http_client import AsyncClientSession
    from runpod.serverless.modules.rp_http import send_result

    async def send(update: dict[str, object]) -> None:
        try:
            async with AsyncClientSession() as session:
                await send_result(session, {"status": "IN_PROGRESS", "output": update}, job)
        except (OSError, TimeoutError) as error:  # what the SDK lets through
            log.info("job %s: an update was not delivered: %s", job["id"], type(error).__name__)

    return send


if __name__ == "__main__":
    main()
