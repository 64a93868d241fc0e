"""Logs and metrics that cannot hold personal data: an allow-list of fields and of what their values may look like."""

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from enum import Enum
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

ALLOWED = frozenset(
    {
        "event", "level", "timestamp", "node", "peer", "loop", "code", "error", "where", "failures", "count", "size",
        "seconds", "bytes", "status", "route", "version", "kind", "state", "message_id", "thread_id", "outcome", "port",
        "host", "mode", "lane", "revision", "problem",
    }
)  # fmt: skip
"""Names a log line may have. Everything else is dropped, whatever it is."""

# Ids, codes, numbers, addresses of our own sockets. No spaces: no sentence, and no name, fits.
_VALUE = re.compile(r"[A-Za-z0-9_.:#/@+-]{1,120}")
_SECRET = re.compile(r"eyJ[A-Za-z0-9_-]{8}|AGE-SECRET-KEY")

registry = CollectorRegistry()
loop_failures = Counter("paradero_loop_failures", "Turns of a loop that failed", ["loop"], registry=registry)
door_results = Counter("paradero_door_results", "Envelopes at the doors by result", ["door", "result"], registry=registry)
deliveries = Counter("paradero_deliveries", "Requests to peers by outcome", ["peer", "outcome"], registry=registry)
queue_size = Gauge("paradero_queue_messages", "Messages by queue and state", ["queue", "state"], registry=registry)
log_size = Gauge("paradero_log_leaves", "Leaves in the audit log", registry=registry)
alarms_open = Gauge("paradero_alarms_open", "Alarms nobody has acknowledged", registry=registry)
register_age = Gauge("paradero_register_age_seconds", "Age of the register of members", registry=registry)
lines_lost = Counter("paradero_log_lines_lost", "Log lines that standard error did not take", registry=registry)


def filter_fields(_logger: object, _name: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Keep allowed fields with values that are ids, codes or numbers; turn an exception into its type and place."""
    error = fields.pop("exc_info", None)
    kept = {
        name: value
        for name, value in ((key, _safe(item)) for key, item in fields.items() if key in ALLOWED)
        if value is not None
    }
    if isinstance(error, BaseException):
        kept |= {"error": type(error).__name__, "where": place(error)}
    return kept


def place(error: BaseException) -> str:
    """Return file and line where an exception was raised: never its text, which can hold values."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"


def _safe(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        return value
    text = str(value.value if isinstance(value, Enum) else value)
    if _SECRET.search(text) or not _VALUE.fullmatch(text):
        return "dropped"
    return text


def configure_logging(level: str) -> None:
    """Write JSON lines to stderr; other libraries' logs only from WARNING on, and through the same filter."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            filter_fields,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=_StandardError,
        cache_logger_on_first_use=True,
    )
    handler = _LibraryHandler()
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


class _StandardError:
    """Standard error as it is when a line comes. A reader that left costs the line, never the effect it tells of."""

    def msg(self, line: str) -> None:
        """Write one line, or count it as lost."""
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            lines_lost.inc()

    debug = info = warning = error = critical = exception = msg


class _LibraryHandler(logging.Handler):
    """Says which library had something to say and how bad it is; never what, since that can hold values."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        error = record.exc_info[1] if record.exc_info else None
        log.warning("library", where=record.name, level=record.levelname.lower(), exc_info=error)


def metrics() -> bytes:
    """Return the metrics in the Prometheus text format."""
    return generate_latest(registry)


log: structlog.stdlib.BoundLogger = structlog.get_logger()
