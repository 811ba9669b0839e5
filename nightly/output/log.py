"""The log: structured, one event a line, the run's id on each, on standard error; secrets are masked in it."""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from warehouse.secrets import mask

Format = Literal["logfmt", "json"]

_BARE = re.compile('[^ "=]+')


class EventLog:
    """A log of events with fields, such as `phase finished` with phase=2 and seconds=1.5."""

    def __init__(self, logger: logging.Logger, **bound: Any) -> None:
        self._logger = logger
        self._bound = bound

    def bind(self, **fields: Any) -> EventLog:
        """Return a log whose every event has these fields as well."""
        return EventLog(self._logger, **{**self._bound, **fields})

    def write(self, level: int, event: str, **fields: Any) -> None:
        """Write one event, at a level of `logging`; fields that are None are left out."""
        self._logger.log(level, event, extra={"fields": {**self._bound, **fields}})


def open_log(form: Format, *, verbose: bool, secrets: Sequence[str] = ()) -> EventLog:
    """Return the log on standard error: `key=value` or JSON lines; with events of level DEBUG where `verbose`."""
    logger = logging.Logger("afterclose", logging.DEBUG if verbose else logging.INFO)
    logger.addHandler(log_handler(form, secrets))
    return EventLog(logger)


def log_handler(form: Format, secrets: Sequence[str]) -> logging.Handler:
    """The handler that writes events as lines on standard error; their fields come as the `extra` named `fields`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_EventFormatter(form, secrets))
    return handler


class _EventFormatter(logging.Formatter):
    def __init__(self, form: Format, secrets: Sequence[str]) -> None:
        super().__init__()
        self._write = _json if form == "json" else _logfmt
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **{name: value for name, value in getattr(record, "fields", {}).items() if value is not None},
        }
        if record.exc_info and record.exc_info[1]:
            event["error"] = "".join(traceback.format_exception(record.exc_info[1], limit=-4))
        return self._write(mask(event, self._secrets) if self._secrets else event)


def _json(event: dict[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False, default=str)


def _logfmt(event: dict[str, Any]) -> str:
    return " ".join(f"{name}={_quoted(value)}" for name, value in event.items())


def _quoted(value: Any) -> str:
    """A value in logfmt: bare if it is one word, else in quotes; always on one line."""
    text = str(value)
    if _BARE.fullmatch(text) and text.isprintable():
        return text
    return json.dumps(text, ensure_ascii=False)
