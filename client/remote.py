"""An endpoint, for the command line."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from client.endpoint import Client
from client.items import Item
from speech.types import Report


class AnEndpoint:
    """One endpoint for all recordings."""

    def __init__(
        self, endpoint_id: str, fields: Mapping[str, Any], timeout_s: float | None
    ) -> None:
        """Args: fields: the request's, without its source; timeout_s: for each job."""
        self._endpoint_id = endpoint_id
        self._fields = fields
        self._timeout_s = timeout_s
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    async def transcribe(self, item: Item, report: Report) -> dict[str, Any]:
        """The answer, files included.

        Raises:
            TranscriptionError: With the worker's code, or one of the client's.
        """
        if self._client is None:
            self._client = Client(self._endpoint_id)
        transcript = await self._client.transcribe_async(
            item.url or item.path,
            on_progress=report,
            timeout_s=self._timeout_s,
            **self._fields,
        )
        return dict(transcript.raw)
