"""Gap: a stopped execution continues and ends as FAILED, and TimeoutSeconds of an execution is ignored.

An execution that was running when the server ended becomes FAILED at the next start, but MiniStack sends no event.
Install this after ``persistence.executions``.
"""

from __future__ import annotations

import json
import threading
from contextvars import ContextVar, copy_context
from typing import Any

from ministack.core import responses
from ministack.services import stepfunctions

from pipeline.local.private_names import private_names

__all__ = ["PRIVATE_NAMES", "Execution", "current_execution", "emit_interrupted_events", "freeze", "install"]

PRIVATE_NAMES = (
    *private_names(
        stepfunctions,
        "_ExecutionError(error, cause)",
        "_add_event(execution, event_type, details)",
        "_emit_execution_status_event(execution)",
        "_execute_task(state_def, raw_input, execution, ctx)",
        "_executions",
        "_fail_execution(execution, error, cause)",
        "_run_execution(exec_arn)",
        "_state_machines",
        "now_iso()",
    ),
    *private_names(responses, "set_request_account_id(access_key_id)", "set_request_region(region)"),
)

Execution = dict[str, Any]  # MiniStack's record of an execution

current_execution: ContextVar[Execution | None] = ContextVar("current_execution", default=None)
_interrupted: list[tuple[str, str, Execution]] = []  # account, region, execution
_frozen = threading.Event()


def install() -> None:
    """End executions when they are stopped or time out; mark those of a previous server as failed."""
    execute, fail, run = stepfunctions._execute_task, stepfunctions._fail_execution, stepfunctions._run_execution

    def execute_while_running(state: Any, raw_input: Any, execution: Execution, context: Any) -> Any:
        _block_if_frozen()
        if execution["status"] != "RUNNING":
            raise stepfunctions._ExecutionError("States.Runtime", "the execution has ended")
        token = current_execution.set(execution)
        try:
            return execute(state, raw_input, execution, context)
        finally:
            current_execution.reset(token)
            _block_if_frozen()

    def fail_once(execution: Execution, error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    def run_in_time(arn: str) -> None:
        timer = _start_timer(stepfunctions._executions.get(arn))
        try:
            run(arn)
        finally:
            if timer is not None:
                timer.cancel()

    stepfunctions._execute_task = execute_while_running
    stepfunctions._fail_execution = fail_once
    stepfunctions._run_execution = run_in_time
    _interrupt_running()


def freeze() -> None:
    """Block executions while their functions and jobs are killed; the next start marks them as interrupted."""
    _frozen.set()


def _block_if_frozen() -> None:
    """Block until the process exits, if executions are frozen."""
    if _frozen.is_set():
        threading.Event().wait()


def _interrupt_running() -> None:
    """Mark the running executions of a previous server as failed."""
    for (account, region, _), execution in stepfunctions._executions.all_items():
        if execution["status"] == "RUNNING":
            execution.update(
                status="FAILED",
                stopDate=stepfunctions.now_iso(),
                error="ExecutionEndedError",
                cause="the run was interrupted because the embedded cloud ended: "
                f"'modeldrop retry {execution['name']}' goes on from its stage",
            )
            _interrupted.append((account, region, execution))


def emit_interrupted_events() -> None:
    """Send the events of executions that a restart ended. Their targets call the server, so it must be listening."""
    while _interrupted:
        account, region, execution = _interrupted.pop()
        copy_context().run(_emit, account, region, execution)


def _emit(account: str, region: str, execution: Execution) -> None:
    responses.set_request_account_id(account)
    responses.set_request_region(region)
    stepfunctions._emit_execution_status_event(execution)


def _start_timer(execution: Execution | None) -> threading.Timer | None:
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) if execution else None
    seconds = json.loads(machine["definition"]).get("TimeoutSeconds") if machine else None
    if seconds is None:
        return None
    timer = threading.Timer(seconds, copy_context().run, (_time_out, execution))
    timer.daemon = True
    timer.start()
    return timer


def _time_out(execution: Execution) -> None:
    if execution["status"] != "RUNNING":
        return
    execution.update(status="TIMED_OUT", stopDate=stepfunctions.now_iso())
    stepfunctions._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
    stepfunctions._emit_execution_status_event(execution)
