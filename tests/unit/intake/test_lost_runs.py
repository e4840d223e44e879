"""Runs whose execution never started or ended unrecorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from pipeline.contracts.errors import TransientError
from pipeline.contracts.object_keys import tenant_of_run
from pipeline.contracts.ports import Execution
from pipeline.contracts.records.run import RunError
from pipeline.intake.lost_runs import END_GRACE, MAX_RUN_AGE, START_GRACE, fail_lost_runs
from pipeline.intake.run_log import RunLog
from tests.fakes.clock import FakeClock
from tests.fakes.executions import FakeExecutions
from tests.fakes.table import FakeTable
from tests.helpers.template import resources, state_machine

RUN, OTHER = "demo_adult_000000000001", "acme_adult_000000000002"


@dataclass
class World:
    clock: FakeClock = field(default_factory=FakeClock)
    executions: FakeExecutions = field(default_factory=FakeExecutions)

    def __post_init__(self) -> None:
        self.runs = RunLog(FakeTable(), now=self.clock)

    def create(self, run: str = RUN, *, started: bool = True) -> None:
        self.runs.create(run, tenant=tenant_of_run(run), model="adult", file="train.csv", started_at=self.clock())
        if started:
            self.executions.start(run, {"run": run})

    def end(self, status: str, error: str | None = None, cause: str | None = None) -> None:
        self.executions.ended[RUN] = Execution(status=status, ended_at=self.clock(), error=error, cause=cause)

    def fail_lost_runs(self) -> list[str]:
        return list(fail_lost_runs(self.runs, self.executions, now=self.clock()))

    def error(self) -> RunError | None:
        return self.runs.get(RUN).error


@pytest.fixture
def world() -> World:
    return World()


def test_a_run_whose_execution_never_started_fails_after_the_start_grace(world: World) -> None:
    world.create(started=False)
    world.create(OTHER)
    world.clock.pass_seconds(START_GRACE.total_seconds() - 1)
    assert world.fail_lost_runs() == []
    world.clock.pass_seconds(2)
    assert world.fail_lost_runs() == [RUN]
    assert world.fail_lost_runs() == []
    run = world.runs.get(RUN)
    assert run.status == "FAILED"
    assert run.error is not None
    assert run.error.type == "ExecutionEndedError"
    assert f"modeldrop retry {RUN}" in run.error.message
    assert world.runs.get(OTHER).status == "RUNNING"


def test_runs_are_checked_for_longer_than_an_execution_can_last() -> None:
    assert timedelta(seconds=state_machine()["TimeoutSeconds"]) + timedelta(days=1) < MAX_RUN_AGE


def test_the_start_grace_is_longer_than_all_deliveries_of_a_message() -> None:
    queue = resources("AWS::SQS::Queue")["UploadsQueue"]
    deliveries = queue["RedrivePolicy"]["maxReceiveCount"] * queue["VisibilityTimeout"]
    assert timedelta(seconds=deliveries) + timedelta(minutes=10) < START_GRACE


def test_a_running_run_does_not_fail_after_any_time(world: World) -> None:
    world.create()
    world.clock.pass_seconds(47 * 3600)
    assert world.fail_lost_runs() == []
    assert world.runs.get(RUN).status == "RUNNING"


@pytest.mark.parametrize(
    ("end", "kind", "words"),
    [
        (("TIMED_OUT", None, None), "ExecutionEndedError", "time limit"),
        (("ABORTED", None, None), "ExecutionEndedError", "aborted"),
        (("FAILED", "InvalidTargetError", "the target is constant"), "InvalidTargetError", "the target is constant"),
        (("FAILED", "States.Runtime", "a secret"), "InternalError", "States.Runtime"),
        (("SUCCEEDED", None, None), "ExecutionEndedError", f"modeldrop retry {RUN}"),
    ],
)
def test_a_run_whose_execution_ended_unrecorded_fails_with_the_error_of_the_execution(
    world: World, end: tuple[str, str | None, str | None], kind: str, words: str
) -> None:
    world.create()
    world.end(*end)
    world.clock.pass_seconds(END_GRACE.total_seconds() - 1)
    assert world.fail_lost_runs() == []  # the event of the end may still arrive
    world.clock.pass_seconds(2)
    assert world.fail_lost_runs() == [RUN]
    error = world.error()
    assert error is not None
    assert error.type == kind
    assert words in error.message
    assert "secret" not in error.message


def test_a_run_that_ends_during_the_check_keeps_its_status(world: World) -> None:
    class Late(FakeExecutions):
        def describe(self, name: str) -> Execution | None:
            world.runs.succeed(RUN, 1)
            return super().describe(name)

    world.executions = Late()
    world.create()
    world.end("FAILED")
    world.clock.pass_seconds(3600)
    assert world.fail_lost_runs() == []
    assert world.runs.get(RUN).status == "SUCCEEDED"


def test_a_run_that_cannot_be_checked_does_not_stop_the_check_of_others(world: World) -> None:
    class Busy(FakeExecutions):
        def describe(self, name: str) -> Execution | None:
            if name == OTHER:
                raise TransientError("Step Functions is busy")
            return super().describe(name)

    world.executions = Busy()
    for run in (RUN, OTHER):
        world.create(run, started=False)
    world.clock.pass_seconds(START_GRACE.total_seconds() + 1)
    with pytest.raises(TransientError):
        world.fail_lost_runs()
    assert [world.runs.get(run).status for run in (RUN, OTHER)] == ["FAILED", "RUNNING"]


def test_runs_older_than_the_maximum_age_are_not_checked(world: World) -> None:
    world.create(started=False)
    world.clock.pass_seconds(MAX_RUN_AGE.total_seconds() + 1)
    assert world.fail_lost_runs() == []
