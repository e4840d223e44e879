"""A job's log: JSON lines on stdout, as the functions write them, each with the run's name."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

from pipeline.contracts.errors import ModeldropError
from pipeline.contracts.tracebacks import frame_locations

__all__ = ["log_to_stdout"]

_APPLICATION_LOGGERS = ("pipeline", "__main__")
# A hint of the quantizer that does not apply: the files are preprocessed already.
_KNOWN_HINTS = ("Please consider to run pre-processing before quantization",)
_PACKAGES = re.compile(r"(?:site|dist)-packages/(\w+)")
_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def log_to_stdout(*, run: str, job: str) -> None:
    """Log to stdout from now on: all records of our code, and warnings of libraries."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines(run=run, job=job))
    handler.addFilter(lambda record: not str(record.msg).startswith(_KNOWN_HINTS))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for logger_name in _APPLICATION_LOGGERS:
        logging.getLogger(logger_name).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


class _JsonLines(logging.Formatter):
    def __init__(self, *, run: str, job: str) -> None:
        super().__init__()
        self._about = {"run": run, "job": job}

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "level": record.levelname,
            "location": f"{record.funcName}:{record.lineno}",
            "message": _describe_record(record),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            **self._about,
            **{name: value for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES},
        }
        if record.exc_info and record.exc_info[1]:
            line["error"] = type(record.exc_info[1]).__name__
            line["at"] = frame_locations(record.exc_info[1])
            if isinstance(record.exc_info[1], ModeldropError):
                line["reason"] = record.exc_info[1].message
        return json.dumps(line, default=str)


def _describe_record(record: logging.LogRecord) -> str:
    """Return the message of our own record; of a library's, which may quote data, only its level."""
    if record.name.partition(".")[0] in _APPLICATION_LOGGERS:
        return record.getMessage()
    kind = "a line"
    if record.levelno >= logging.WARNING:  # a library may name levels of its own
        kind = "an error" if record.levelno > logging.WARNING else "a warning"
    return f"{_find_library(record)} logged {kind}; its text is left out, since it may quote the data"


def _find_library(record: logging.LogRecord) -> str:
    """Return the package that logged; for the loggers root and py.warnings, find it by the file's path."""
    name = record.name.partition(".")[0]
    if name not in ("root", "py"):
        return name
    file = record.getMessage().partition(": ")[0] if name == "py" else record.pathname  # FILE:LINE: Warning: words
    match = _PACKAGES.search(file)
    return match[1] if match else "a library"
