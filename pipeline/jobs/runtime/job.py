"""The common part of all jobs: arguments, log, and an outcome that is written whatever happens.

``.sync`` gives the state machine only States.TaskFailed; the function collect_job reads the outcome and raises its
error.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from pipeline import bootstrap
from pipeline.contracts.compute_cluster import Process
from pipeline.contracts.errors import InternalError, ModeldropError, ObjectNotFoundError, TransientError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.outcome import TRAINED, CandidateOutcome, JobOutcome, TrainedCandidate
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.run import RunError, StageName
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.intake.run_log import RunLog
from pipeline.jobs.runtime.attempts import AttemptClock
from pipeline.jobs.runtime.logs import log_to_stdout
from pipeline.jobs.sandbox.sandbox import Isolation
from pipeline.training.distributed.machine import Machine, this_machine

__all__ = ["JobContext", "JobWork", "end_process", "make_work", "run_error", "run_job"]

_log = logging.getLogger(__name__)

_PROGRESS_SECONDS = 1.0  # minimum time between two writes to the run's log, so that a person can follow them


def _ignore(text: str) -> None:
    """Do nothing: only the main process reports."""


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """The context of a job.

    Attributes:
        run: The run's name.
        job: The job's name in the plan.
        artifacts: Bucket of the run's documents.
        machine: The machine that the job runs on.
        workdir: A folder that is deleted when the job ends.
        report: Shows a short text beside the run's stage.
        event: Adds a text to the run's timeline.
        finish_stage: Ends a stage that is not the job's last.
        process: This process among those of the job; the main one writes the results.
        isolation: Isolation of the process that runs a user's code (jobs.sandbox.sandbox).
        environment: Environment variables, some of which that process gets.
    """

    run: str
    job: str
    artifacts: ObjectStore
    machine: Machine
    workdir: Path
    report: Callable[[str], None]
    event: Callable[[str], None] = _ignore
    finish_stage: Callable[[StageName], None] = _ignore
    process: Process = field(default_factory=Process)
    isolation: Isolation = "refused"
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> RunKeys:
        """Return the keys of the run's documents."""
        return RunKeys(self.run)

    def read_plan(self) -> Plan:
        """Read the run's plan."""
        return Plan.from_bytes(self.artifacts.get(self.keys.plan))

    def read_spec(self) -> JobSpec:
        """Read the run's job spec."""
        return JobSpec.from_bytes(self.artifacts.get(self.keys.spec))

    def read_dataset(self) -> Dataset:
        """Read the run's data set."""
        return Dataset.from_bytes(self.artifacts.get(self.keys.dataset))

    def read_trained(self, candidate: str) -> TrainedCandidate | None:
        """Read the record of a candidate; None if it was not trained."""
        try:
            return TrainedCandidate.from_bytes(self.artifacts.get(self.keys.candidate(candidate, TRAINED)))
        except ObjectNotFoundError:
            return None

    def keep_candidate(self, candidate: str, folder: Path) -> None:
        """Upload a candidate's files, trained.json last, which marks it as complete."""
        for file in sorted(folder.iterdir(), key=lambda file: file.name == TRAINED):
            self.artifacts.upload(file, self.keys.candidate(candidate, file.name))


JobWork = Callable[[JobContext], Sequence[CandidateOutcome]]


def make_work(step: Callable[[str], None]) -> JobWork:
    """Return the work of a job that does a function's step on larger data.

    Args:
        step: Called with the run's name. Its errors fail the job as they fail the function.
    """

    def work(context: JobContext) -> Sequence[CandidateOutcome]:
        step(context.run)
        return ()

    return work


class _SpotInterruptionError(BaseException):
    """SIGTERM was received. It is not an Exception, so that no library catches it."""


def run_job(
    work: JobWork, arguments: Sequence[str] | None = None, *, connect: Callable[[str], bootstrap.Job] = bootstrap.job
) -> int:
    """Do ``work`` for the run and job that the arguments name, write the outcome, and return the exit code.

    The outcome's error is what ``work`` raised; a Spot interruption (SIGTERM) is a retryable TransientError.
    """
    named = _parse(arguments)
    log_to_stdout(run=named.run, job=named.job)
    job = connect(named.run)
    machine = _machine(job)
    _log.info("started", extra={"device": machine.description, "threads": machine.threads, "attempt": job.attempt})
    if not job.process.is_main:
        _, error = _attempt(work, named, job, machine)
        return 1 if error else 0
    keys = RunKeys(named.run)
    spend = AttemptClock(job.artifacts, keys.attempts(named.job))
    timeline = _RunTimeline(job.runs, named.run, named.job, spend)
    timeline.begin()
    candidates, error = _attempt(work, named, job, machine, timeline)
    spend.close()
    outcome = JobOutcome(
        job=named.job,
        status="FAILED" if error else "SUCCEEDED",
        error=run_error(error) if error else None,
        retryable=isinstance(error, ModeldropError) and error.retryable,
        device=machine.description,
        seconds=spend.seconds,
        attempts=spend.attempt,
        candidates=candidates,
    )
    job.artifacts.put(keys.outcome(named.job), outcome.to_bytes(), content_type="application/json")
    _log.info("finished", extra={"status": outcome.status, "seconds": outcome.seconds})
    return 1 if error else 0


def end_process(code: int) -> NoReturn:
    """End this process at once, after its log is written.

    Otherwise Python would first unload the modules of the training libraries one by one, which takes a second.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _machine(job: bootstrap.Job) -> Machine:
    machine = this_machine(job.queue, job.process.local_rank)
    if job.process.size == 1:
        return machine
    return replace(machine, description=f"{job.process.size} processes, each on {machine.description}")


def run_error(error: Exception) -> RunError:
    """Convert an exception to a run's error, without the text of an unexpected one, which may quote user data."""
    if isinstance(error, ModeldropError):
        return RunError(type=type(error).__name__, message=error.message)
    message = f"an unexpected {type(error).__name__}: the log of this job says where"
    return RunError(type=InternalError.__name__, message=message)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A job of one run of the pipeline.")
    parser.add_argument("--run", required=True, help="the run's name")
    parser.add_argument("--job", required=True, help="the job's name in the run's plan")
    return parser.parse_args(arguments)


def _attempt(
    work: JobWork,
    named: argparse.Namespace,
    job: bootstrap.Job,
    machine: Machine,
    timeline: _RunTimeline | None = None,
) -> tuple[tuple[CandidateOutcome, ...], Exception | None]:
    try:
        with _sigterm_as_exception(), tempfile.TemporaryDirectory() as folder:
            context = JobContext(
                run=named.run,
                job=named.job,
                artifacts=job.artifacts,
                machine=machine,
                workdir=Path(folder),
                report=timeline.report if timeline else _ignore,
                event=timeline.event if timeline else _ignore,
                finish_stage=timeline.finish_stage if timeline else _ignore,
                process=job.process,
                isolation=job.isolation,
                environment=job.environment,
            )
            return tuple(work(context)), None
    except _SpotInterruptionError:
        _log.warning("taken back")
        if timeline:
            timeline.record_interruption()
        return (), TransientError("the machine was reclaimed before the job finished")
    except Exception as error:  # noqa: BLE001 - the outermost edge: the outcome has the error
        _log.error("failed", exc_info=error)
        return (), error


@contextmanager
def _sigterm_as_exception() -> Iterator[None]:
    """Raise _SpotInterruptionError on SIGTERM, which Spot sends before it reclaims a machine; ignore later ones."""

    def take_back(number: int, frame: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _SpotInterruptionError

    before = signal.signal(signal.SIGTERM, take_back)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _RunTimeline:
    """Writes progress and events of the job to the run."""

    def __init__(self, runs: RunLog, run: str, job: str, spend: AttemptClock) -> None:
        self._runs, self._run, self._job, self._spend = runs, run, job, spend
        self._last = float("-inf")
        self._words = ""

    def begin(self) -> None:
        if self._spend.earlier:
            spent = f"at least {sum(self._spend.earlier):.0f} s were spent before"
            self.event(f"attempt {self._spend.attempt} begins, {spent}")

    def record_interruption(self) -> None:
        details = f" ({self._words})" if self._words else ""
        self.event(f"the machine was reclaimed in attempt {self._spend.attempt}{details}")

    def report(self, text: str) -> None:
        self._words = text
        self._spend.note()
        if time.monotonic() - self._last < _PROGRESS_SECONDS:
            return
        self._last = time.monotonic()
        try:
            self._runs.show_progress(self._run, text)
        except TransientError as error:
            _log.warning("progress was not recorded", exc_info=error)

    def finish_stage(self, stage: StageName) -> None:
        self._runs.finish_stage(self._run, stage)

    def event(self, text: str) -> None:
        try:
            self._runs.add_event(self._run, f"{self._job}: {text}")
        except TransientError as error:
            _log.warning("an event was not recorded", exc_info=error)
