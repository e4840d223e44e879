"""REQUEST authorizer of API Gateway: returns an IAM policy, or raises the error that API Gateway turns into a 401."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import authorizer
from pipeline.lambda_handlers import event_function

authorize = authorizer()


@event_function
def handler(event: dict[str, Any]) -> dict[str, Any]:
    """Authorize a request by its API key or its token."""
    return authorize(event)
