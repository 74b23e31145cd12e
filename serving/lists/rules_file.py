"""The shop's rules as their file has them at the moment: read again when it changes."""

import logging
import time
from pathlib import Path
from typing import Final

from coterie.errors import BadInputError
from coterie.recommend.rules import NO_RULES, ListRules, read_rules_file
from serving.telemetry.logs import LOGGER
from serving.telemetry.metrics import ServingMetrics

log: Final = logging.getLogger(LOGGER)


class RulesFile:
    """A file of rules that an operator edits while lists are made by it."""

    def __init__(self, path: str, metrics: ServingMetrics) -> None:
        """Read the file, or begin without rules where it cannot be read.

        Args:
            path: Of the file; there are no rules if it is empty.
            metrics: Where it is shown whether its last form is in force.
        """
        self._path, self._metrics = path, metrics.rules
        self._seen: tuple[int, ...] | str = ""
        self._refused = ""
        self.rules: ListRules = NO_RULES
        """Those in force: replaced whole, never changed."""
        self.look()

    def look(self) -> None:
        """Take the file's rules where it has changed; where it does not fit, keep the last ones."""
        if not self._path:
            return
        seen = _mark(self._path)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self.rules = read_rules_file(self._path)
        except BadInputError as error:
            self._metrics.refuse()
            if self._refused != (said := str(error)):
                self._refused = said
                fields = {"in_force": self.rules.digest, "why": said}
                log.error("rules refused: the last good ones stay", extra={"fields": fields})
            return
        self._refused = ""
        self._metrics.take(time.time())
        log.info("rules taken", extra={"fields": {"in_force": self.rules.digest}})


def _mark(path: str) -> tuple[int, ...] | str:
    """Tell one form of a file from another; a ConfigMap's is another file at the same path."""
    try:
        found = Path(path).stat()
    except OSError as error:
        return f"gone: {error.errno}"
    return found.st_ino, found.st_mtime_ns, found.st_size
