"""A worker that echoes its input: what ``tests.control_plane`` is tried with."""

from __future__ import annotations

import asyncio
from typing import Any

import runpod


async def handler(job: dict[str, Any]) -> Any:
    """Do what the input names: sleep, report, fail, or return what cannot be sent."""
    options = job["input"]
    for step in range(options.get("progress", 0)):
        runpod.serverless.progress_update(job, {"step": step})
    await asyncio.sleep(options.get("sleep_s", 0))
    if "fail" in options:
        return {"error": options["fail"], "error_code": "failed"}
    if "nan" in options:
        return {"value": float("nan")}
    return {"echo": options, "padding": "x" * options.get("padding_bytes", 0)}


if __name__ == "__main__":
    runpod.serverless.start({"handler": handler, "concurrency_modifier": lambda current: 2})
