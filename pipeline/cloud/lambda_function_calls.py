"""Synchronous calls of Lambda functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.cloud.errors import translate_errors
from pipeline.contracts.errors import error_named

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

__all__ = ["LambdaFunctionCalls"]


class LambdaFunctionCalls:
    """Calls functions and waits for their responses."""

    def __init__(self, client: LambdaClient) -> None:
        self._client = client

    def call(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Call a function synchronously, and return its response (Invoke).

        Raises:
            ModeldropError: The error that the function raised, by the name of its class.
            TransientError: Lambda did not respond, or throttled the call.
        """
        with translate_errors(f"the function {function}"):
            response = self._client.invoke(FunctionName=function, Payload=json.dumps(event))
            document: dict[str, Any] = json.loads(response["Payload"].read())
        if response.get("FunctionError"):
            raise error_named(document.get("errorType", "Unhandled"), document.get("errorMessage", ""))
        return document
