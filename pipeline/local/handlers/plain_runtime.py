"""Lambda runtime in plain Python, for machines without a wheel of awslambdaric."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse
from typing import Any

__all__ = ["Context", "run"]

Handler = Callable[[Any, "Context"], Any]
_API = "/2018-06-01/runtime"


@dataclass(frozen=True, kw_only=True)
class Context:
    """Context object of a handler; times are in milliseconds."""

    aws_request_id: str
    invoked_function_arn: str
    deadline_ms: int
    function_name: str
    function_version: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str
    identity: None = None
    client_context: None = None
    tenant_id: None = None

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the timeout."""
        return max(0, self.deadline_ms - int(time.time() * 1000))


def run(handler_name: str, address: str) -> None:
    """Load ``module.function`` and handle events until the API ends; exit with 1 if the handler cannot be loaded."""
    connection = HTTPConnection(address)
    try:
        handler = _load(handler_name)
    except Exception as error:  # noqa: BLE001 - any error of an import is reported, as in AWS's client
        _post_error(connection, f"{_API}/init/error", error)
        sys.exit(1)
    while (response := _request(connection, "GET", f"{_API}/invocation/next"))[0].status == HTTPStatus.OK:
        _handle_event(connection, handler, *response)


def _load(name: str) -> Handler:
    module_name, _, function = name.rpartition(".")
    module = __import__(module_name.replace("/", "."), fromlist=[function])
    handler: Handler = getattr(module, function)
    return handler


def _handle_event(connection: HTTPConnection, handler: Handler, response: HTTPResponse, event: bytes) -> None:
    context = _context(response)
    path = f"{_API}/invocation/{context.aws_request_id}"
    try:
        body = json.dumps(handler(json.loads(event), context)).encode()
    except Exception as error:  # noqa: BLE001 - the outermost edge of a function: its class is reported
        traceback.print_exc()
        _post_error(connection, f"{path}/error", error)
    else:
        _request(connection, "POST", f"{path}/response", body)


def _post_error(connection: HTTPConnection, path: str, error: Exception) -> None:
    document = {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }
    _request(connection, "POST", path, json.dumps(document).encode())


def _request(connection: HTTPConnection, method: str, path: str, body: bytes = b"") -> tuple[HTTPResponse, bytes]:
    connection.request(method, path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response, response.read()


def _context(response: HTTPResponse) -> Context:
    return Context(
        aws_request_id=response.headers["Lambda-Runtime-Aws-Request-Id"],
        invoked_function_arn=response.headers["Lambda-Runtime-Invoked-Function-Arn"],
        deadline_ms=int(response.headers["Lambda-Runtime-Deadline-Ms"]),
        function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        function_version=os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        log_group_name=os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
    )
