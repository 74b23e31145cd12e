"""Log lines as JSON, for programs whose lines are collected and searched."""

import json
import logging
from datetime import UTC, datetime
from types import TracebackType
from typing import Any


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    # Ours in a few lines: what libraries for this have, they add from a record's fields, and most
    # of ours would be to take out again what they say of exceptions (ADR 25).

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level and message, then what was given as ``extra={"fields": {...}}``."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            # An exception's text may quote what a caller sent; its type and where it was do not.
            line["error"] = record.exc_info[0].__name__
            line["trace"] = _frames(record.exc_info[2])
        return json.dumps(line, ensure_ascii=False)


def _frames(trace: TracebackType | None) -> list[str]:
    """List file, line and function of each frame, outermost first."""
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return frames
