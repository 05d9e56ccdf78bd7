"""The calls of RunPod's REST API that a job needs, through the session of RunPod's own package.

Its ``Job`` loses what a status says beside "output" (errors, whether a job ended), and its asyncio
half does not look at HTTP's status: so the session is used, and what it answers is read here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from client.errors import TranscriptionError

SUBMIT_TIMEOUT_S: Final = 600
"""A request of 10 MB over a slow line. The package's own is 10 s."""
LOOK_TIMEOUT_S: Final = 30
CANCEL_TIMEOUT_S: Final = 10
_TRANSIENT: Final = (408, 425, 429)

Json = dict[str, Any]


class Calls:
    """One endpoint."""

    def __init__(self, endpoint_id: str, api_key: str | None) -> None:
        """Args: api_key: None takes RUNPOD_API_KEY of the environment."""
        import runpod  # takes seconds

        key = api_key or os.environ.get("RUNPOD_API_KEY", "").strip()
        if not key:
            raise TranscriptionError("endpoint_refused", "No API key: set RUNPOD_API_KEY.")
        self._endpoint_id = endpoint_id
        self._client = runpod.Endpoint(endpoint_id, api_key=key).rp_client

    def submit(self, request: Mapping[str, Any]) -> str:
        """Queue a job. Its id.

        Raises:
            TranscriptionError: The endpoint refused it or could not be reached.
        """
        view = self._call("run", lambda path: self._client.post(path, request, SUBMIT_TIMEOUT_S))
        if "id" not in view:
            raise TranscriptionError("endpoint_refused", "RunPod took the request, but no job.")
        return str(view["id"])

    def look(self, job_id: str) -> Json:
        """The job's status, with its output or error.

        Raises:
            TranscriptionError: As above; "job_lost" where the endpoint knows no such job.
        """
        view = self._call(
            f"status/{job_id}", lambda path: self._client.get(path, timeout=LOOK_TIMEOUT_S)
        )
        return view if "status" in view else {**view, "status": "UNKNOWN"}

    def chunks(self, job_id: str) -> list[Any]:
        """What the job has streamed since the last call."""
        view = self._call(
            f"stream/{job_id}", lambda path: self._client.get(path, timeout=LOOK_TIMEOUT_S)
        )
        return [chunk["output"] for chunk in view.get("stream") or []]

    def cancel(self, job_id: str) -> None:
        """End a job. One that is over already stays as it is."""
        self._call(f"cancel/{job_id}", lambda path: self._client.post(path, None, CANCEL_TIMEOUT_S))

    def close(self) -> None:
        """Close the connections."""
        self._client.rp_session.close()

    def _call(self, path: str, call: Callable[[str], Any]) -> Json:
        import requests

        try:
            answer = call(f"{self._endpoint_id}/{path}")
        except requests.HTTPError as error:
            assert error.response is not None  # raised for its status
            raise _refused(error.response.status_code, path) from error
        except requests.RequestException as error:
            raise TranscriptionError(
                "endpoint_unreachable",
                f"RunPod did not answer ({type(error).__name__}). Try again.",
                retryable=True,
            ) from error
        except RuntimeError as error:  # the package's way to say 401
            raise TranscriptionError(
                "endpoint_refused", "RunPod refuses the API key (401); check RUNPOD_API_KEY."
            ) from error
        return answer if isinstance(answer, dict) else {}


def _refused(status: int, path: str) -> TranscriptionError:
    """What an answer of HTTP that is no success means."""
    if status >= 500 or status in _TRANSIENT:
        return TranscriptionError(
            "endpoint_unreachable", f"RunPod answered {status}. Try again.", retryable=True
        )
    if status == 404 and path != "run":
        return TranscriptionError(
            "job_lost", "The endpoint knows the job no more: its time to live is over."
        )
    if status == 413:
        return TranscriptionError(
            "recording_too_large", "The request is larger than the endpoint accepts (413)."
        )
    what = "there is no such endpoint" if status == 404 else "it refuses the request"
    return TranscriptionError("endpoint_refused", f"RunPod answered {status}: {what}.")
