"""The edge: RunPod jobs in, answers out.

``python handler.py`` runs the SDK's loop: against RunPod where its environment says so, else on
``test_input.json``, ``--test_input '{...}'``, or as an HTTP server (``--rp_serve_api``).
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import config
import delivery
import launching
import pipeline
import presentation
from speech import chunks, envelope, recording
from speech.errors import RequestError, WorkerError
from speech.forecast import Forecast, Pace
from speech.live import LiveSegments
from speech.request import EarlierResult, Request
from speech.types import Report, Result, Segment
from utils import job_log, notices, validation, workspace
from utils.progress import ProgressPoster, Send
from volume import programs

log = logging.getLogger("worker")

Job = Mapping[str, Any]
Answer = dict[str, object]

PACE = Pace()
"""What this worker has learned of how long jobs take."""


async def handle(
    job: Job,
    engine: pipeline.Engine,
    send: Send,
    *,
    heard: Callable[[Segment], None] | None = None,
    measure: delivery.Measure = delivery.as_output,
) -> Answer:
    """One job, from its input to its answer. Never raises but when it is cancelled.

    Args:
        job: RunPod's: at least "id" and "input".
        engine: Hears.
        send: Posts one progress update of this job.
        heard: Called with segments as they are heard, on the event loop, where the job asks for it.
        measure: What an answer counts for, in bytes.
    """
    begin_s = time.monotonic()
    job_id = str(job.get("id", "local"))
    request: Request | None = None
    try:
        request = validation.parse_request(job.get("input"))
        answer = await work(job_id, request, engine, send, heard=heard, measure=measure)
    except WorkerError as error:
        log.info(job_log.failure(job_id, error.code, time.monotonic() - begin_s))
        answer = envelope.failure(error)
    except Exception as error:  # noqa: BLE001  else the SDK shows callers the traceback
        # Its text may hold a URL or what was said: only its kind and place are logged.
        place = "".join(traceback.format_tb(error.__traceback__))
        log.error("job %s: %s\n%s", job_id, type(error).__name__, place)
        log.info(job_log.failure(job_id, "internal_error", time.monotonic() - begin_s))
        answer = envelope.failure(
            WorkerError(
                "internal_error",
                "A fault of the worker, not of the request. Try again, and report it with the "
                f"job's id {job_id} if it stays.",
                retryable=True,
            )
        )
    if request is not None and request.webhook is not None:
        await notices.tell_end(request.webhook, job_id, answer)
    return answer


async def work(
    job_id: str,
    request: Request,
    engine: pipeline.Engine,
    send: Send,
    *,
    heard: Callable[[Segment], None] | None,
    measure: delivery.Measure,
) -> Answer:
    """The answer of a success.

    Raises:
        WorkerError: With a code and a message for the caller.
    """
    delivery.check(request)
    if request.options.stream and heard is None:
        raise RequestError(
            "stream needs an endpoint that streams: set PARAKEET_STREAM=true on it, or leave it "
            "out and poll the job's status."
        )
    if request.webhook is not None and request.webhook.progress:
        send = notices.with_progress(send, request.webhook, job_id)
    forecast = Forecast(PACE, time.monotonic(), diarized=request.options.diarize)
    poster = ProgressPoster(send, config.PROGRESS_INTERVAL_S, forecast)
    report = poster.report
    if request.options.stream and heard is not None:
        report = LiveSegments(poster.report, heard, asyncio.get_running_loop()).report
    try:
        result = await hear(job_id, request, engine, report)
        shown = await asyncio.to_thread(
            presentation.show, result, request.presentation, recording.describe(request.source)
        )
        way = delivery.Way(request, job_id, result_limit_bytes(job_id), measure)
        answer, size_bytes = await delivery.deliver(shown, way)
    finally:
        await poster.drain()  # an update that arrives after the result would undo it
    log.info(job_log.success(job_id, request, result, size_bytes))
    return answer


async def hear(job_id: str, request: Request, engine: pipeline.Engine, report: Report) -> Result:
    """What a recording holds; or an earlier job has found.

    Raises:
        WorkerError: With a code and a message for the caller.
    """
    if isinstance(request.source, EarlierResult):
        return await asyncio.to_thread(presentation.reuse, request)
    with workspace.job_directory(job_id) as directory:
        return await pipeline.run(request, engine, job_id, directory, report)


def result_limit_bytes(job_id: str) -> int:
    """RunPod names the jobs of /runsync ``sync-...``; their results may be larger."""
    return config.MAX_SYNC_RESULT_BYTES if job_id.startswith("sync-") else config.MAX_RESULT_BYTES


async def stream(job: Job, engine: pipeline.Engine, send: Send) -> AsyncIterator[Answer]:
    """One job as chunks: segments as they are heard, where it asks for them; the answer last.

    Of a failure RunPod keeps the text alone: its code stands in a chunk before it.
    """
    told: asyncio.Queue[Segment | None] = asyncio.Queue()
    sent_bytes = 0

    def measure(answer: Answer) -> int:
        return sent_bytes + chunks.size_bytes(answer)

    task = asyncio.create_task(handle(job, engine, send, heard=told.put_nowait, measure=measure))
    task.add_done_callback(lambda _: told.put_nowait(None))
    try:
        while (segment := await told.get()) is not None:
            chunk = chunks.of_segment(segment)
            sent_bytes += len(envelope.encode(chunk))
            yield chunk
        for chunk in chunks.of_answer(await task):
            yield chunk
    finally:
        task.cancel()  # where nobody wants the rest; it removes its files before it ends
        await asyncio.wait({task})


def main() -> None:
    """Start the engine, then RunPod's loop."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s"
    )
    workspace.sweep()
    engine = launching.start_engine()

    # The SDK's default level is DEBUG, at which it prints every result: transcripts in a log.
    os.environ.setdefault("RUNPOD_LOG_LEVEL", "INFO")
    import runpod  # takes seconds, during which the engine starts

    async def handler(job: Job) -> Answer:
        return await handle(job, engine, sdk_sender(job))

    async def streaming_handler(job: Job) -> AsyncIterator[Answer]:
        async for chunk in stream(job, engine, sdk_sender(job)):
            yield chunk

    try:
        runpod.serverless.start(
            {
                # The SDK looks at the function itself to see whether it streams.
                "handler": streaming_handler if config.STREAM else handler,
                "return_aggregate_stream": True,
                "concurrency_modifier": lambda _: config.CONCURRENCY,
            }
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
