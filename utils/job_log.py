"""One line of JSON in the log for each job: what it was, how long each stage took, how it ended.

Neither what was said nor where it came from is in it.
"""

from __future__ import annotations

import json

from speech.request import Request
from speech.types import Result


def success(job_id: str, request: Request, result: Result, result_bytes: int) -> str:
    """The line of a job that succeeded.

    Args:
        job_id: RunPod's.
        request: What was asked for.
        result: What is answered.
        result_bytes: The answer's size as it is sent.
    """
    total_s = result.timings_s.get("total", 0.0)
    return _line(
        job_id,
        ok=True,
        source=type(request.source).__name__.removesuffix("Source").lower(),
        audio_s=round(result.duration_s, 3),
        times_real_time=round(result.duration_s / total_s, 1) if total_s else None,
        cold_start=result.cold,
        attention=result.attention,
        words=len(result.words),
        speakers=len(result.speakers) if result.diarized else None,
        warnings=len(result.warnings),
        result_bytes=result_bytes,
        timings_s={stage: round(seconds, 3) for stage, seconds in result.timings_s.items()},
    )


def failure(job_id: str, error_code: str, total_s: float) -> str:
    """The line of a job that failed after ``total_s``."""
    return _line(job_id, ok=False, error_code=error_code, timings_s={"total": round(total_s, 3)})


def _line(job_id: str, **fields: object) -> str:
    return json.dumps({"event": "job", "job": job_id, **fields})
