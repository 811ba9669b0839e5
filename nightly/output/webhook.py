"""The webhook: the summary of each run as JSON, for whoever wants to be told."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any

from nightly.record import one_line

if TYPE_CHECKING:
    from warehouse.settings import Settings

# The limit for the whole request. A timeout of httpx would begin anew with each byte that arrives.
DEADLINE_SECONDS = 10


def notify(settings: Settings, summary: dict[str, Any], deadline_seconds: float = DEADLINE_SECONDS) -> str | None:
    """POST a summary to AFTERCLOSE_WEBHOOK_URL, if it is set; returns what went wrong in one line, without the address.

    It never raises: a night does not fail because nobody could be told. Only the status of the answer is read.
    """
    if settings.webhook_url is None:
        return None
    answers: list[str | None] = []
    url = settings.webhook_url.get_secret_value()
    post = Thread(
        target=lambda: answers.append(_post(url, summary, deadline_seconds)),
        name="the webhook is told",
        daemon=True,  # a thread that misses the deadline is left alone, and ends with the process
    )
    post.start()
    post.join(deadline_seconds)
    (problem,) = answers or [f"no answer within {deadline_seconds:g} s"]
    return problem and f"the webhook did not get the summary: {problem}; look at AFTERCLOSE_WEBHOOK_URL"


def _post(url: str, summary: dict[str, Any], timeout_seconds: float) -> str | None:
    """What went wrong, in words; None where the hook has taken it."""
    import httpx

    try:
        with httpx.stream("POST", url, json=summary, timeout=timeout_seconds) as reply:
            return None if reply.is_success else f"it answered {reply.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return one_line(type(error).__name__)
