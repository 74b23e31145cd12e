"""Log lines as JSON, with pseudonyms in the place of people's ids."""

import hashlib
import hmac
import json
import logging
import sys
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from typing import Any, Final

LOGGER: Final = "coterie.serving"
STANDARD_ERROR: Final = "-"
_LENGTH: Final = 16


class Pseudonyms:
    """The same id and salt give the same pseudonym; without the salt, nobody gets back."""

    def __init__(self, salt: str) -> None:
        self._key = salt.encode()

    def of(self, user_id: str) -> str:
        """16 hexadecimal digits."""
        digest = hmac.new(self._key, user_id.encode("utf-8", "replace"), hashlib.sha256)
        return digest.hexdigest()[:_LENGTH]


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level and message, then what was given as ``extra={"fields": {...}}``."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            # The text of an exception may quote what a caller sent; its type and place do not.
            line["error"] = record.exc_info[0].__name__
            line["trace"] = _places(record.exc_info[2])
        return json.dumps(line, ensure_ascii=False)


def start_logging(level: str, path: str) -> logging.Logger:
    """A logger that writes JSON, whatever others do to the root logger.

    Args:
        level: Lines below it are left out; DEBUG also tells of health checks and scrapes.
        path: File that all processes append to, and that may be moved away meanwhile; ``-`` is
            standard error.
    """
    logger = logging.getLogger(LOGGER)
    logger.setLevel(level)
    logger.propagate = False
    if not logger.handlers:
        handler = _handler(path)
        handler.setFormatter(JsonFormatter())
        logger.addHandler(handler)
    return logger


def _handler(path: str) -> logging.Handler:
    if path == STANDARD_ERROR:
        # Not sys.stderr: Ray Serve puts a text logger of its own in its place.
        return logging.StreamHandler(sys.__stderr__)
    return WatchedFileHandler(path, encoding="utf-8", delay=True)


def _places(trace: Any) -> list[str]:
    """File, line and function of each frame, outermost first."""
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return places
