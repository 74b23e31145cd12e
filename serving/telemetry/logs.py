"""Log lines as JSON, with pseudonyms in the place of people's ids."""

import hashlib
import hmac
import logging
import sys
from logging.handlers import WatchedFileHandler
from typing import Final

from coterie.json_logs import JsonFormatter

LOGGER: Final = "coterie.serving"
AUDIT: Final = f"{LOGGER}.audit"
"""Tells of every write, and who asked for it, whatever the level is."""
STANDARD_ERROR: Final = "-"
_LENGTH: Final = 16


class Pseudonyms:
    """Gives an id and a salt one pseudonym; without the salt there is no way back."""

    def __init__(self, salt: str) -> None:
        self._key = salt.encode()

    def of(self, user_id: str) -> str:
        """Make an id's pseudonym: 16 hexadecimal digits."""
        digest = hmac.new(self._key, user_id.encode("utf-8", "replace"), hashlib.sha256)
        return digest.hexdigest()[:_LENGTH]


def start_logging(level: str, path: str) -> logging.Logger:
    """Make a logger write JSON, whatever others do to the root logger.

    Args:
        level: Lines below it are left out; DEBUG also tells of health checks and scrapes.
        path: File that all processes append to, and that may be moved away meanwhile; ``-`` is
            standard error.
    """
    logger = logging.getLogger(LOGGER)
    logger.setLevel(level)
    logging.getLogger(AUDIT).setLevel(logging.INFO)
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
