"""The edge: RunPod jobs in, envelopes out.

``python handler.py`` runs the SDK's loop: against RunPod where its environment says so, else on
``test_input.json``, ``--test_input '{...}'``, or as an HTTP server (``--rp_serve_api``).
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import bootstrap
import config
import pipeline
from speech import envelope
from speech.errors import WorkerError
from speech.protocol import EngineSettings
from speech.types import Progress, Report
from utils import validation, workspace
from utils.engine_client import EngineClient, Timeouts
from utils.progress import ProgressPoster, Send
from volume.environment import InstallError

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
    job_id = str(job.get("id", "local"))
    poster = ProgressPoster(send, config.PROGRESS_INTERVAL_S)
    try:
        return await transcribe(job_id, job.get("input"), engine, poster.report)
    except WorkerError as error:
        log.info("job %s failed: %s", job_id, error.code)
        return envelope.failure(error)
    except Exception as error:  # noqa: BLE001  else the SDK shows callers the traceback
        # Its text may hold a URL or what was said: only its kind and place are logged.
        place = "".join(traceback.format_tb(error.__traceback__))
        log.error("job %s: %s\n%s", job_id, type(error).__name__, place)
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
    envelope.check_size({"output": answer}, result_limit_bytes(job_id))
    log.info(
        "job %s: %.1f s of audio, %s",
        job_id,
        result.duration_s,
        {stage: round(seconds, 2) for stage, seconds in result.timings_s.items()},
    )
    return answer


def result_limit_bytes(job_id: str) -> int:
    """RunPod names the jobs of /runsync ``sync-...``; their results may be larger."""
    return config.MAX_SYNC_RESULT_BYTES if job_id.startswith("sync-") else config.MAX_RESULT_BYTES


def start_engine() -> EngineClient:
    """Start the engine as the configuration says."""
    settings = EngineSettings(
        asr_model=config.ASR_MODEL,
        asr_revision=config.ASR_REVISION,
        diarization_model=config.DIARIZATION_MODEL,
        diarization_revision=config.DIARIZATION_REVISION,
        models_dir=str(bootstrap.home_dir() / "models"),
        hf_token=config.HF_TOKEN,
        offline=config.OFFLINE,
        device=config.DEVICE,
        threads=config.THREADS,
    )
    timeouts = Timeouts(
        hello_s=config.ENGINE_HELLO_TIMEOUT_S,
        ready_s=config.ENGINE_READY_TIMEOUT_S,
        cancel_s=config.ENGINE_CANCEL_TIMEOUT_S,
    )
    return EngineClient(provide_python, config.ROOT, settings, timeouts)


def provide_python(report: Report) -> Path:
    """The interpreter of the models' environment.

    Raises:
        WorkerError: It could not be installed.
    """
    try:
        return bootstrap.provide_python(lambda step: report(Progress("install", detail=step)))
    except InstallError as error:
        log.error("bootstrap: %s", error)
        raise WorkerError(
            "bootstrap_failed",
            "The models' environment could not be installed on the volume; the worker's log says "
            "why.",
            retryable=True,
        ) from error


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

    runpod.serverless.start(
        {"handler": handler, "concurrency_modifier": lambda _: config.CONCURRENCY}
    )


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
