"""API Gateway's question whose key a request bears -> an IAM policy, or the exception that is a 401 there."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import authorizer
from pipeline.lambda_handlers import event_function

authorize = authorizer()


@event_function
def handler(event: dict[str, Any]) -> dict[str, Any]:
    return authorize(event)
