"""The webhook: the summary of each run as JSON, for whoever wants to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nightly.record import one_line

if TYPE_CHECKING:
    from warehouse.settings import Settings

TIMEOUT_SECONDS = 10


def notify(settings: Settings, summary: dict[str, Any]) -> str | None:
    """POST a summary to AFTERCLOSE_WEBHOOK_URL, if it is set; returns what went wrong in one line, without the address.

    It never raises: a night does not fail because nobody could be told.
    """
    if settings.webhook_url is None:
        return None
    import httpx

    try:
        reply = httpx.post(settings.webhook_url.get_secret_value(), json=summary, timeout=TIMEOUT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return f"the webhook was not told: {one_line(type(error).__name__)}; look at AFTERCLOSE_WEBHOOK_URL"
    if reply.is_success:
        return None
    return f"the webhook was not told: it answered {reply.status_code}; look at AFTERCLOSE_WEBHOOK_URL"
