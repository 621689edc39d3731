"""Logs are facts: one JSON object a line on standard error, ids as keys, no sentences."""

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

SAME_AGAIN_SECONDS = 60.0


def _line(event: MutableMapping[str, Any]) -> bytes:
    """One JSON object; what JSON or orjson cannot hold is said as text, never raised."""
    try:
        return orjson.dumps(dict(event), default=str)
    except TypeError:  # a number past 64 bits, half a surrogate pair, a key that is no text
        return json.dumps({str(key): _plain(value) for key, value in event.items()}).encode()


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else str(value)


def _render(_: Any, __: str, event: MutableMapping[str, Any]) -> bytes:
    return _line(event)


class _Once(logging.Filter):
    """Lets a library say the same thing again only after a while.

    Each of dramatiq's consumers tries an absent broker twice a second, and says so each time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, tuple[str, float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        said, at = self._said.get(record.name, ("", 0.0))
        if text == said and record.created - at < SAME_AGAIN_SECONDS:
            return False
        self._said[record.name] = (text, record.created)
        return True


def configure(level: str = "info", process: str | None = None) -> None:
    """Send structlog and the standard library's loggers to one stream; call once at start."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, _render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                lambda _, __, event: _line(event).decode(),
            ],
        )
    )
    handler.addFilter(_Once())
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    # These say once a second that a store is away, which we say once.
    for noisy in ("apscheduler", "psycopg.pool"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # its errors are raised, too
    if process:
        structlog.contextvars.bind_contextvars(process=process)


def log() -> structlog.typing.FilteringBoundLogger:
    """The logger; call it where you log, events are named `noun.verb`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
