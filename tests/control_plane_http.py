"""The HTTP side of ``tests.control_plane``: what each URL of the client and worker APIs does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import NoReturn

from aiohttp import web

from tests.control_plane_state import FINAL, Job, Json, Queue

LOOK_INTERVAL_S = 0.02
"""How often a held request looks whether it can be answered."""
QUEUE = web.AppKey("queue", Queue)
FAULTS = web.AppKey("faults", dict[str, float])
NO_FAULTS = {"take_503": 0.0, "done_502": 0.0, "progress_delay_s": 0.0}
"""take_503 and done_502: how many of the next requests for jobs, or posts of results, fail. Every
progress post is held for ``progress_delay_s``: a worker that does not wait for its posts then has
them after its result."""


def strict_json(raw: bytes) -> Json:
    """The object in ``raw``.

    Raises:
        ValueError: Not UTF-8, not JSON (NaN and infinity are not), or not an object.
    """

    def refuse(text: str) -> NoReturn:
        raise ValueError(f"{text} is not JSON")

    body = json.loads(raw.decode("utf-8"), parse_constant=refuse)
    if not isinstance(body, dict):
        raise ValueError("not an object")
    return body


def _refusal(status: int, error: str) -> web.Response:
    return web.json_response({"error": error}, status=status)


def _connected(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


async def _hold(request: web.Request, limit_s: float, ready: Callable[[], bool]) -> bool:
    """Wait until ``ready()``; False where the time is over or the other side has gone."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while _connected(request) and loop.time() < deadline:
        if ready():
            return True
        await asyncio.sleep(LOOK_INTERVAL_S)
    return False


def _job(request: web.Request) -> Job:
    job = request.app[QUEUE].jobs.get(request.match_info["id"])
    if job is None:
        raise web.HTTPNotFound(text='{"error": "job not found"}', content_type="application/json")
    return job


# ---- client API


async def submit(request: web.Request) -> web.Response:
    """POST /run and /runsync?wait=MS."""
    queue, sync = request.app[QUEUE], request.path.endswith("/runsync")
    raw = await request.read()
    if len(raw) > (queue.rules.max_runsync_bytes if sync else queue.rules.max_run_bytes):
        return _refusal(413, "request body too large")
    try:
        body = strict_json(raw)
    except ValueError as error:
        return _refusal(400, str(error))
    wait_ms = int(request.query.get("wait", 90_000))
    if "input" not in body or not 1000 <= wait_ms <= 300_000:
        return _refusal(400, "input is required; wait is 1000 to 300000")
    job = queue.submit(body["input"], body.get("policy") or {}, sync=sync)
    if sync:
        await _hold(request, wait_ms / 1000, lambda: job.status in FINAL)
    return web.json_response(job.view())


async def status(request: web.Request) -> web.Response:
    """GET /status/ID."""
    return web.json_response(_job(request).view())


async def stream(request: web.Request) -> web.Response:
    """GET /stream/ID: the chunks that came since the last call."""
    job = _job(request)
    chunks, job.chunks = job.chunks, []
    return web.json_response({"status": job.status, "stream": chunks})


async def cancel(request: web.Request) -> web.Response:
    """POST /cancel/ID."""
    job = _job(request)
    request.app[QUEUE].cancel(job)
    return web.json_response(job.view())


async def retry(request: web.Request) -> web.Response:
    """POST /retry/ID."""
    job = _job(request)
    if not request.app[QUEUE].retry(job):
        return _refusal(400, "only a failed or timed out job can be retried")
    return web.json_response(job.view())


async def health(request: web.Request) -> web.Response:
    """GET /health."""
    return web.json_response(request.app[QUEUE].health())


async def purge(request: web.Request) -> web.Response:
    """POST /purge-queue."""
    return web.json_response({"removed": request.app[QUEUE].purge(), "status": "completed"})


# ---- worker API


def _failing(request: web.Request, fault: str) -> bool:
    faults = request.app[FAULTS]
    if faults[fault] < 1:
        return False
    faults[fault] -= 1
    request.app[QUEUE].record(fault)
    return True


async def take(request: web.Request) -> web.Response:
    """GET /job-take/WORKER, one job, and /job-take-batch/WORKER?batch_size=N, a list."""
    queue, name = request.app[QUEUE], request.match_info["worker"]
    queue.heard(name)
    if _failing(request, "take_503"):
        return web.Response(status=503)
    if not queue.workers[name].asked:
        queue.workers[name].asked = True
        queue.record("asked", worker=name)
    wanted = int(request.query.get("batch_size", 1))
    given: list[Json] = []

    def found() -> bool:
        given.extend(queue.take(name, wanted))
        return bool(given)

    if not await _hold(request, queue.rules.poll_s, found):
        return web.Response(status=204)
    return web.json_response(given if "/job-take-batch/" in request.path else given[0])


async def job_stop(request: web.Request) -> web.Response:
    """GET /job-stop/WORKER."""
    queue = request.app[QUEUE]
    worker = queue.heard(request.match_info["worker"])
    if not await _hold(request, queue.rules.poll_s, lambda: bool(worker.to_stop)):
        return web.Response(status=204)
    stopped, worker.to_stop = worker.to_stop, []
    queue.record("stop", worker=request.match_info["worker"], jobs=stopped)
    return web.json_response({"jobsToStop": stopped})


async def ping(request: web.Request) -> web.Response:
    """GET /ping/WORKER?job_id=A,B."""
    name, jobs = request.match_info["worker"], request.query.get("job_id")
    request.app[QUEUE].heard(name)
    request.app[QUEUE].record("ping", worker=name, jobs=jobs.split(",") if jobs else [])
    return web.json_response({})


async def job_done(request: web.Request) -> web.Response:
    """POST /job-done/WORKER/ID: a result, or progress where its status is IN_PROGRESS."""
    queue = request.app[QUEUE]
    name, job_id = request.match_info["worker"], request.match_info["id"]
    queue.heard(name)
    raw = await request.read()
    job = queue.jobs.get(job_id)
    sync = job is not None and job.sync
    limit = queue.rules.max_runsync_result_bytes if sync else queue.rules.max_run_result_bytes
    try:
        body = strict_json(raw)
        if len(raw) > limit:
            raise ValueError(f"more than {limit} bytes")
    except ValueError as error:
        queue.record("refused", job=job_id, worker=name, size_bytes=len(raw), reason=str(error))
        return _refusal(400, str(error))
    if body.get("status") == "IN_PROGRESS":
        await asyncio.sleep(request.app[FAULTS]["progress_delay_s"])
        queue.progress(name, job_id, body.get("output"))
    elif _failing(request, "done_502"):
        return web.Response(status=502)
    else:
        queue.result(name, job_id, body, len(raw))
    return web.json_response({})


async def job_stream(request: web.Request) -> web.Response:
    """POST /job-stream/WORKER/ID: one chunk of a generator handler."""
    queue = request.app[QUEUE]
    queue.heard(request.match_info["worker"])
    chunk = strict_json(await request.read())  # first: /stream may take the list meanwhile
    job = queue.owned(request.match_info["worker"], request.match_info["id"])
    if job is not None:
        job.chunks.append(chunk)
    return web.json_response({})


# ---- for tests


async def events(request: web.Request) -> web.Response:
    """GET /_events?NAME=VALUE...: the events with these values, in order."""
    wanted = request.query.items()
    found = [
        event
        for event in request.app[QUEUE].events
        if all(str(event.get(name)) == value for name, value in wanted)
    ]
    return web.json_response(found)


async def ended(request: web.Request) -> web.Response:
    """GET /_ended?worker=NAME: what became of each job that this worker had last."""
    jobs = request.app[QUEUE].jobs.values()
    found = [job for job in jobs if job.worker == request.query.get("worker")]
    return web.json_response([job.outcome() for job in found if job.status in FINAL])


async def set_faults(request: web.Request) -> web.Response:
    """POST /_faults: replace them all, those not named by none."""
    wanted = strict_json(await request.read())
    if unknown := wanted.keys() - NO_FAULTS.keys():
        return _refusal(400, f"unknown faults: {sorted(unknown)}")
    request.app[FAULTS].update({**NO_FAULTS, **wanted})
    return web.json_response(request.app[FAULTS])
