"""Predict: API Gateway's requests through the prediction API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.bootstrap import prediction_api
from pipeline.lambda_handlers import http_function
from pipeline.serving.http import Response, find_caller, read_request, write_response

api = prediction_api()


@http_function
def handler(event: dict[str, Any], context: object) -> tuple[Response, Mapping[str, Any]]:
    """Predict on the rows of a request."""
    caller = find_caller(event)
    response = api.respond(read_request(event), caller)
    return write_response(response), response.facts
