"""Executions of the state machine in Step Functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from pipeline.cloud.errors import IgnoredCodes, translate_errors
from pipeline.contracts.ports import Execution

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

__all__ = ["StepFunctionsExecutions"]


class StepFunctionsExecutions:
    """Executions of one state machine; an execution has the name of its run."""

    def __init__(self, client: SFNClient, state_machine_arn: str) -> None:
        self._client = client
        self._arn = state_machine_arn

    def start(self, name: str, document: Mapping[str, Any]) -> bool:
        """Start an execution; return False if there already is an execution of this name."""
        with self._translate_errors(), IgnoredCodes("ExecutionAlreadyExists"):
            self._client.start_execution(stateMachineArn=self._arn, name=name, input=json.dumps(document))
            return True
        return False

    def stop(self, name: str, cause: str) -> None:
        """Stop an execution.

        Raises:
            NotFoundError: There is no such execution.
        """
        with self._translate_errors():
            self._client.stop_execution(executionArn=self._execution(name), cause=cause)

    def describe(self, name: str) -> Execution | None:
        """Return the state of an execution; None if there is no execution of this name."""
        with self._translate_errors(), IgnoredCodes("ExecutionDoesNotExist"):
            response = self._client.describe_execution(executionArn=self._execution(name))
            return Execution(
                status=response["status"],
                ended_at=response.get("stopDate"),
                error=response.get("error"),
                cause=response.get("cause"),
            )
        return None

    def _translate_errors(self) -> AbstractContextManager[None]:
        return translate_errors(f"the state machine {self._arn}")

    def _execution(self, name: str) -> str:
        return f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
