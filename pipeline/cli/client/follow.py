"""Follow a run to its end, on a terminal or in a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from pipeline.cli.client.lookup import live_number
from pipeline.cli.terminal.console import err, show
from pipeline.cli.terminal.exit_codes import ExitCode, message
from pipeline.cli.views.curves import curves_of, curves_table
from pipeline.cli.views.estimate import describe_estimate
from pipeline.cli.views.leaderboard import leaderboard
from pipeline.cli.views.tables import plain_stage, run_panel
from pipeline.cli.views.target import learning_lines
from pipeline.contracts.errors import NotFoundError, ObjectNotFoundError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.model_version import ModelCard
from pipeline.contracts.records.run import Run
from pipeline.contracts.records.training_curves import TrainingCurves
from pipeline.contracts.records.variant import Selection

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.cli.client.session import Connection

__all__ = [
    "RunReader",
    "exit_code",
    "follow_run",
    "print_locations",
    "report_end",
    "show_leaderboard",
    "show_warnings",
]

POLL_SECONDS = 0.5
_POLLS_A_CURVE = 4  # polls per read of the curves, which a job writes every two seconds
_START_SECONDS = 60.0
_ENDS: dict[str, ExitCode] = {
    "SUCCEEDED": ExitCode.OK,
    "FAILED": ExitCode.FAILED,
    "NEEDS_DECISION": ExitCode.NEEDS_DECISION,
}


class RunReader(Protocol):
    """Source of a run's current state: the run log, or the API."""

    def get(self, run: str) -> Run:
        """Return a run.

        Raises:
            NotFoundError: There is no such run.
        """
        ...


def follow_run(run: str, runs: RunReader, connection: Connection | None, *, sleep: Callable[[float], None]) -> Run:
    """Wait until a run has begun, and show each stage until it has ended.

    Args:
        run: Name of the run.
        runs: Reads the state of the run.
        connection: The stack, whose bucket has the training curves; None if only the API is reached.
        sleep: Waits between two reads.

    Raises:
        NotFoundError: The upload did not start a run.
    """
    _wait_for_start(run, runs, sleep)
    curves = tuple if connection is None else curves_of(run, connection.artifacts)
    console = err()
    updates = _updates(run, runs, sleep)
    return _follow_live(updates, console, curves) if console.is_terminal else _follow_as_lines(updates)


def exit_code(run: Run) -> ExitCode:
    """Return the exit code for a run that has ended."""
    return _ENDS[run.status]


def report_end(run: Run, connection: Connection | None) -> None:
    """Print how a run ended: the leaderboard, or the error and where its file and logs are.

    Args:
        run: The run.
        connection: The stack; None if only the API is reached, which returns only the record of the run.
    """
    if connection is not None:
        show_leaderboard(run, connection)
        show_warnings(run, connection)
    if run.error is not None:
        message(f"{run.run} failed: {run.error.message} ({run.error.type})", style="red")
        if connection is not None:
            print_locations(run, connection)
    elif run.status == "NEEDS_DECISION":
        message(f"version {run.version} waits for a decision: {run.reason}", style="yellow")
        if connection is not None:
            message(f"'modeldrop promote {run.model} {run.version} --tenant {run.tenant}' makes it live")
            _name_nearest(run, connection)
    else:
        message(_describe_success(run, connection), style="green")


def _name_nearest(run: Run, connection: Connection) -> None:
    """Print the variants that come nearest to the limits, and the command that serves one of them."""
    selection = _selection(run, connection)
    if selection is None or not selection.nearest:
        return
    rows = {row.variant.display_name: row for row in selection.leaderboard}
    message("nearest to the limits:")
    for name in selection.nearest:
        message(f"  {name}: {'; '.join(rows[name].misses)}")
    message(f"'modeldrop accept {run.run} {selection.nearest[0]}' serves one of them")


def _describe_success(run: Run, connection: Connection | None) -> str:
    """Describe the run's version and the version that is live now: another run or a person may have moved the alias."""
    outcome = f"this run made {run.model} version {run.version}"
    if connection is None:
        return f"{outcome}: {run.reason}" if run.reason else outcome
    live = live_number(connection, run.tenant, run.model)
    if run.reason and live != run.version:
        return f"{run.reason}; 'modeldrop promote {run.model} {run.version} --tenant {run.tenant}' makes it live"
    if live == run.version:
        return f"{run.model} version {run.version} is live"
    now = f"version {live} is live now" if live else "no version is live now"
    return f"{outcome}; {now}"


def show_leaderboard(run: Run, connection: Connection, *, details: bool = False) -> None:
    """Print the leaderboard, with ``details`` also why each candidate was tried; nothing before the stage select."""
    selection = _selection(run, connection)
    if selection is not None:
        tenant = "" if run.tenant == connection.tenant(None) else f" --tenant {run.tenant}"
        card = f"modeldrop card {run.model} {run.version}{tenant}" if run.version else ""
        show(leaderboard(selection, details=None if details else f"modeldrop runs {run.run}", card=card))


def show_warnings(run: Run, connection: Connection) -> None:
    """Print the warnings of the model card, such as target leakage; nothing before the stage evaluate."""
    with suppress(ObjectNotFoundError):
        card = ModelCard.from_bytes(connection.artifacts.get(RunKeys(run.run).card))
        for warning in card.warnings:
            message(f"! {warning}", style="yellow")


def _wait_for_start(run: str, runs: RunReader, sleep: Callable[[float], None]) -> None:
    """Wait until the run's record exists.

    Raises:
        NotFoundError: The upload did not start a run.
    """
    for _ in range(int(_START_SECONDS / POLL_SECONDS)):
        try:
            runs.get(run)
        except NotFoundError:
            sleep(POLL_SECONDS)
        else:
            return
    raise NotFoundError(
        f"no run began within {_START_SECONDS:.0f} s of the upload (its name would be {run}): 'modeldrop runs' lists "
        "uploads that were refused, 'modeldrop dead-letters' counts those whose handling failed"
    )


def _updates(run: str, runs: RunReader, sleep: Callable[[float], None]) -> Iterator[Run]:
    while True:
        state = runs.get(run)
        yield state
        if state.status != "RUNNING":
            return
        sleep(POLL_SECONDS)


def _follow_live(updates: Iterator[Run], console: Console, read: Callable[[], Sequence[TrainingCurves]]) -> Run:
    from rich.console import Group
    from rich.live import Live
    from rich.spinner import Spinner

    run = next(updates)
    spinner = Spinner("dots", style="cyan")
    curves: Sequence[TrainingCurves] = ()
    with Live(
        console=console,
        refresh_per_second=8,
        get_renderable=lambda: Group(run_panel(run, now=datetime.now(UTC), mark=spinner), curves_table(curves)),
    ):
        for number, run in enumerate(updates):
            if number % _POLLS_A_CURVE == 0 or not _is_training(run):
                curves = read() if _is_training(run) else ()
    return run


def _is_training(run: Run) -> bool:
    return any(stage.name == "train" and stage.status == "RUNNING" for stage in run.stages)


def _follow_as_lines(updates: Iterator[Run]) -> Run:
    printed: dict[str, str] = {}
    events = 0
    for run in updates:
        for event in run.events[events:]:
            message(event.text)
        events = len(run.events)
        for stage in run.stages:
            if stage.status != "PENDING" and printed.get(stage.name) != stage.status:
                printed[stage.name] = stage.status
                message(plain_stage(stage))
        if run.learning is not None and "learning" not in printed:
            printed["learning"] = run.learning.target
            for line in learning_lines(run.learning):
                message(line.plain, style="yellow" if line.style else None)
        if run.estimate is not None and "estimate" not in printed:
            printed["estimate"] = describe_estimate(run.estimate)
            message(f"estimated at {printed['estimate']}")
    return run


def _selection(run: Run, connection: Connection) -> Selection | None:
    """Return the selection of a run; None if the run ended before the stage select."""
    try:
        return Selection.from_bytes(connection.artifacts.get(RunKeys(run.run).selection))
    except ObjectNotFoundError:
        return None


def print_locations(run: Run, connection: Connection) -> None:
    """Print where the file, the report and the logs of a failed run are."""
    prefix = RunKeys(run.run).quarantine("")
    report = f"{prefix}report.json"
    for key in sorted(connection.artifacts.keys(prefix), key=lambda key: key == report):
        document = "report" if key == report else "file (in quarantine)"
        message(f"  {document}: s3://{connection.artifacts.bucket}/{key}")
    message(f"  logs: modeldrop logs {run.run}")
