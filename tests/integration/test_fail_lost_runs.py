"""The function ``fail_lost_runs`` on moto: executions of a real state machine, runs of a real table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.cloud.clients import Clients
from pipeline.cloud.dynamo_table import DynamoTable
from pipeline.cloud.step_functions_executions import StepFunctionsExecutions
from pipeline.intake.lost_runs import START_GRACE
from pipeline.intake.run_log import RunLog
from tests.fakes.table import FakeTable
from tests.helpers.function_files import event
from tests.helpers.handlers import handler
from tests.integration.conftest import TABLE

LOST, OWNED, NEW = (f"demo_adult_{number:012x}" for number in range(3))


def test_only_an_old_run_without_an_execution_fails(clients: Clients, account: dict[str, str]) -> None:
    runs = RunLog(DynamoTable(clients.dynamodb, TABLE))
    now = datetime.now(UTC)
    for run, age in ((LOST, START_GRACE), (OWNED, START_GRACE), (NEW, timedelta())):
        runs.create(run, tenant="demo", model="adult", file="train.csv", started_at=now - age)
    executions = StepFunctionsExecutions(clients.stepfunctions, account["STATE_MACHINE_ARN"])
    executions.start(OWNED, {"run": OWNED})
    assert handler("fail_lost_runs")(event("fail_lost_runs")) == {"runs": 1}
    assert [runs.get(run).status for run in (LOST, OWNED, NEW)] == ["FAILED", "RUNNING", "RUNNING"]


def test_describe_returns_the_status_and_end_of_an_execution(clients: Clients, state_machine: str) -> None:
    executions = StepFunctionsExecutions(clients.stepfunctions, state_machine)
    assert executions.describe(LOST) is None
    executions.start(LOST, {})
    running = executions.describe(LOST)
    assert running is not None
    assert (running.status, running.ended_at) == ("RUNNING", None)
    executions.stop(LOST, "by hand")
    stopped = executions.describe(LOST)
    assert stopped is not None
    assert stopped.status == "ABORTED"
    assert stopped.ended_at is not None
    assert abs(datetime.now(UTC) - stopped.ended_at) < timedelta(minutes=1)


def test_a_listing_starts_at_the_given_time(clients: Clients, tables: None) -> None:
    for table in (DynamoTable(clients.dynamodb, TABLE), FakeTable()):
        for number in range(3):
            table.put({"pk": f"p{number}", "sk": "s", "listing": "RUN", "listed_at": f"2026-0{number}#x"})
        assert [item["pk"] for item in table.listing("RUN", since="2026-01")] == ["p2", "p1"]
