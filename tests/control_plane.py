"""A stand-in of RunPod's control plane: one endpoint's client API and worker API on one port.

The loop of ``runpod.serverless.start`` works against it, and so does ``runpod.Endpoint``.
For a try by hand: ``python -m tests.control_plane --port 8900``.

Not modelled: webhooks, autoscaling, FlashBoot, rate limits, authorisation, deletion of old results.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from typing import Any

from aiohttp import web

from tests import control_plane_http as http
from tests.control_plane_state import Queue, Rules

ENDPOINT_ID = "stand-in"


def worker_environment(name: str, url: str, ping_interval_s: int = 1) -> dict[str, str]:
    """The variables that make the runpod package run its production loop against ``url``.

    The package itself replaces ``$ID`` and ``$RUNPOD_POD_ID``, derives the URLs of job-take-batch
    and job-stop from ``/job-take/``, and appends ``&name=value``: hence a query in each URL.
    """
    base = f"{url}/v2/{ENDPOINT_ID}"
    return {
        "RUNPOD_POD_ID": name,
        "RUNPOD_ENDPOINT_ID": ENDPOINT_ID,
        "RUNPOD_AI_API_KEY": "any",
        "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=none",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=none",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=none",
        "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID",
        "RUNPOD_PING_INTERVAL": str(1000 * ping_interval_s),
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }


async def _expire(app: web.Application) -> AsyncIterator[None]:
    async def watch() -> None:
        while True:
            app[http.QUEUE].expire()
            await asyncio.sleep(0.1)

    watcher = asyncio.create_task(watch())
    yield
    watcher.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watcher


def application(rules: Rules) -> web.Application:
    """The aiohttp application of one endpoint."""
    app = web.Application(client_max_size=256 << 20)
    app[http.QUEUE], app[http.FAULTS] = Queue(rules), dict(http.NO_FAULTS)
    app.cleanup_ctx.append(_expire)
    base = f"/v2/{ENDPOINT_ID}"
    app.add_routes(
        [
            web.post(f"{base}/run", http.submit),
            web.post(f"{base}/runsync", http.submit),
            web.get(f"{base}/status/{{id}}", http.status),
            web.get(f"{base}/stream/{{id}}", http.stream),
            web.post(f"{base}/cancel/{{id}}", http.cancel),
            web.post(f"{base}/retry/{{id}}", http.retry),
            web.get(f"{base}/health", http.health),
            web.post(f"{base}/purge-queue", http.purge),
            web.get(f"{base}/job-take/{{worker}}", http.take),
            web.get(f"{base}/job-take-batch/{{worker}}", http.take),
            web.get(f"{base}/job-stop/{{worker}}", http.job_stop),
            web.get(f"{base}/ping/{{worker}}", http.ping),
            web.post(f"{base}/job-done/{{worker}}/{{id}}", http.job_done),
            web.post(f"{base}/job-stream/{{worker}}/{{id}}", http.job_stream),
            web.get("/_events", http.events),
            web.get("/_ended", http.ended),
            web.post("/_faults", http.set_faults),
        ]
    )
    return app


@contextlib.contextmanager
def serving(rules: Rules) -> Iterator[str]:
    """Serve an endpoint from a thread on a free port, and give its URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="control plane")
    thread.start()

    async def start() -> tuple[web.AppRunner, str]:
        runner = web.AppRunner(application(rules), shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"

    try:
        runner, url = asyncio.run_coroutine_threadsafe(start(), loop).result(timeout=30)
        try:
            yield url
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout=30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def main() -> None:
    """Serve until a signal; the rules are options."""
    parser = argparse.ArgumentParser(description="A stand-in of RunPod's control plane.")
    parser.add_argument("--port", type=int, default=8900)
    for name, value in asdict(Rules()).items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
    options: dict[str, Any] = vars(parser.parse_args())
    port = options.pop("port")
    for name, value in worker_environment("worker-1", f"http://127.0.0.1:{port}").items():
        print(f"export {name}='{value}'")
    web.run_app(application(Rules(**options)), host="127.0.0.1", port=port)


if __name__ == "__main__":
    main()
