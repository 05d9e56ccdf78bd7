"""What a webhook is told of a job: how it goes, and how it ended. Failing to tell fails no job."""

from __future__ import annotations

import logging

from speech.errors import WorkerError
from speech.request import Webhook
from utils import webhook as webhooks
from utils.progress import Send

log = logging.getLogger(__name__)


async def tell_end(webhook: Webhook, job_id: str, answer: dict[str, object]) -> None:
    """Tell how the job ended. An answer that nobody took says so in its warnings.

    Args:
        webhook: Whom to tell.
        job_id: RunPod's.
        answer: Of the job; what is told, and where a failure to tell is noted.
    """
    event: webhooks.Event = "job.failed" if answer.get("success") is False else "job.completed"
    try:
        await webhooks.call(webhook, event, job_id, answer)
    except WorkerError as error:
        log.warning("job %s: its webhook was not told: %s", job_id, error.code)
        warnings = answer.get("warnings")
        if isinstance(warnings, list):
            warnings.append(f"The webhook was not told: {error.message}")


def with_progress(send: Send, webhook: Webhook, job_id: str) -> Send:
    """Tell the webhook what the job's status is told, once each: progress is not retried."""

    async def both(update: dict[str, object]) -> None:
        await send(update)
        try:
            await webhooks.call(webhook, "job.progress", job_id, update, attempts=1)
        except WorkerError as error:
            log.info("job %s: its webhook was not told of progress: %s", job_id, error.code)

    return both
