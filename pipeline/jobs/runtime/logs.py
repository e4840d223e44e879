"""A job's log: JSON lines on stdout, as the functions write them, the run's name on every one."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from pipeline.contracts.errors import ModeldropError
from pipeline.contracts.tracebacks import places

__all__ = ["log_to_stdout"]

_APPLICATION_LOGGERS = ("pipeline", "__main__")
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def log_to_stdout(*, run: str, job: str) -> None:
    """From now on, whatever our code logs, and what libraries warn of."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines(run=run, job=job))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for ours in _APPLICATION_LOGGERS:
        logging.getLogger(ours).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


class _JsonLines(logging.Formatter):
    def __init__(self, *, run: str, job: str) -> None:
        super().__init__()
        self._about = {"run": run, "job": job}

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "level": record.levelname,
            "location": f"{record.funcName}:{record.lineno}",
            "message": _extra_fields(record),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            **self._about,
            **{name: value for name, value in vars(record).items() if name not in _OWN},
        }
        if record.exc_info and record.exc_info[1]:
            line["error"] = type(record.exc_info[1]).__name__
            line["at"] = places(record.exc_info[1])
            if isinstance(record.exc_info[1], ModeldropError):
                line["reason"] = record.exc_info[1].message
        return json.dumps(line, default=str)


def _extra_fields(record: logging.LogRecord) -> str:
    """A library's words may quote the data that it warns of: only whose they are is said."""
    if record.name.partition(".")[0] in _APPLICATION_LOGGERS:
        return record.getMessage()
    return f"a library's message (logger '{record.name}') is not kept: it may quote the data"
