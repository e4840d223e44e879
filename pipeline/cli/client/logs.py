"""Print the log lines of a run's functions and jobs."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from pipeline.cli.terminal.console import out, wrap_words
from pipeline.cli.terminal.exit_codes import message

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.cli.client.session import Connection, LogLine
    from pipeline.contracts.records.run import Run

__all__ = ["log_text", "print_logs"]

_POLL_SECONDS = 1.0
_INDENT = 14  # width of the time, in characters; continuation lines have this indentation
_HEAD = 41  # width of the time and the source, in characters
_BEFORE = timedelta(minutes=1)  # the event's own functions log before the run's record exists
_STYLES = {"ERROR": "red", "CRITICAL": "red", "WARNING": "yellow"}
# Fields that Powertools adds to every line, and that do not help here.
_NOISE = frozenset({
    "level", "location", "message", "timestamp", "service", "run", "cold_start", "sampling_rate", "xray_trace_id",
    "function_name", "function_memory_size", "function_arn", "function_request_id",
    "exception", "exception_name", "stack_trace",
})  # fmt: skip


def print_logs(run: Run, connection: Connection, *, follow: bool, json: bool, sleep: Callable[[float], None]) -> None:
    """Print the log lines; with ``follow`` also new ones, until the run has ended."""
    console = out()
    printed = 0
    while True:
        ended = connection.runs.get(run.run).status != "RUNNING"
        lines = connection.logs.lines(run.run, since=run.started_at - _BEFORE)
        for line in lines[printed:]:
            if json:
                typer.echo(
                    jsonlib.dumps({"at": line.timestamp.isoformat(), "group": line.group, "message": line.message})
                )
            else:
                _print_line(log_text(line), console)
        printed = len(lines)
        if ended or not follow:
            break
        sleep(_POLL_SECONDS)
    if not printed:
        message("nothing was logged for this run yet")


def log_text(line: LogLine) -> Text:
    """Format a log line: time, source and message; for JSON, its fields follow, and its traceback comes last."""
    fields = _fields(line.message)
    level = str(fields.get("level", "INFO"))
    message_text = str(fields.get("message", line.message))
    details = "  ".join(f"{name}={_value(value)}" for name, value in fields.items() if _is_shown(name, value))
    text = Text.assemble(
        (f"{line.timestamp.astimezone():%H:%M:%S.%f}"[:12], "dim"),
        (f"  {line.group.rsplit('/', 1)[-1]:<26} ", "cyan"),
        (message_text, _STYLES.get(level, "")),
        (f"  {details}" if details else "", "dim"),
    )
    if fields.get("exception"):
        text.append(f"\n{fields['exception']}", style="dim")
    return text


def _print_line(text: Text, console: Console) -> None:
    """Print a line: wrapped between words on a terminal, unwrapped in a pipe."""
    if not console.is_terminal:
        console.print(text, soft_wrap=True)
        return
    styled = Text(wrap_words(text.plain, console.width, indent=_INDENT))
    styled.spans = [span for span in text.spans if span.end <= _HEAD]  # wrapping may have moved the rest
    console.print(styled, soft_wrap=True)


def _is_shown(name: str, value: object) -> bool:
    return name not in _NOISE and value not in (None, "", {}, [])


def _value(value: object) -> str:
    """Round a number to six digits; ``--json`` has all of them."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else jsonlib.dumps(value, ensure_ascii=False)


def _fields(message_text: str) -> dict[str, Any]:
    try:
        document = jsonlib.loads(message_text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
