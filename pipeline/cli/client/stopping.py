"""Confirm that `down` may end running runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from pipeline.cli.terminal.exit_codes import ExitCode, StoppedError
from pipeline.contracts.errors import ModeldropError

if TYPE_CHECKING:
    from pipeline.cli.client.session import Session
    from pipeline.contracts.records.run import Run

__all__ = ["confirm_stop", "running_runs"]

_MAX_LISTED = 1000


def running_runs(session: Session) -> list[Run]:
    """Return the running runs of the embedded cloud; none if it does not respond, since `down` ends it anyway."""
    try:
        runs = session.connection().runs.list(limit=_MAX_LISTED)
    except ModeldropError:
        return []
    return [run for run in runs if run.status == "RUNNING"]


def confirm_stop(runs: Sequence[Run], *, confirmed: bool) -> None:
    """Ask on a terminal whether the runs may end.

    Raises:
        StoppedError: The user declined.
    """
    if confirmed or not runs or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    names = ", ".join(run.run for run in runs)
    is_one = len(runs) == 1
    question = f"{len(runs)} {'run is' if is_one else 'runs are'} going ({names}). End {'it' if is_one else 'them'}?"
    if not typer.confirm(question, err=True):
        raise StoppedError("nothing was stopped", "Declined", ExitCode.FAILED)
