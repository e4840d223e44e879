"""Decorators and helpers of the Lambda handlers. No other module of the library imports Powertools.

A handler binds its run once (``bind_run``), which adds the run to every log line. User data is never logged: an
unexpected exception may quote user data, so the function logs only the exception's class and location, and raises an
InternalError that names only its class.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn, cast

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from pipeline.bootstrap import cors_policy
from pipeline.contracts.errors import MAX_MESSAGE, InternalError, ModeldropError, NotFoundError, error_named
from pipeline.serving.api.errors import describe_error
from pipeline.serving.http import Response, respond_to_event

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

__all__ = [
    "bind_run",
    "count",
    "describe_error",
    "event_function",
    "http_function",
    "log_errors",
    "logger",
    "reference_page",
    "reject_unknown_route",
    "state_function",
]

Event = dict[str, Any]
Handler = Callable[[Event, "LambdaContext"], Any]
LogFields = Mapping[str, Any]  # loggable facts about a request: ids and counts, no user data

logger = Logger()
# All functions share one dimension: beyond ten custom metrics, each pair of name and dimension costs $0.30 a month.
# Lambda's own metrics (invocations, errors and durations per function) are free.
metrics = Metrics(service="modeldrop")
_CORS = cors_policy()


def _forward_library_logs() -> None:
    """Write the log records of the library, which uses the standard library's logging, as Powertools' JSON lines."""
    library = logging.getLogger("pipeline")
    library.handlers = [logger.registered_handler]
    library.setLevel(logger.log_level)
    library.propagate = False


_forward_library_logs()


def bind_run(run: str) -> None:
    """Add the run to all further log lines of this invocation."""
    logger.append_keys(run=run)


def count(name: str, number: int = 1) -> None:
    """Add ``number`` to the stack's custom metric ``name``. Zero writes nothing."""
    if number:
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)
        metrics.flush_metrics()


def state_function(work: Callable[..., Mapping[str, Any] | None]) -> Handler:
    """Make a handler for the state machine.

    Args:
        work: Called with the event's fields, including ``run``, as keyword arguments. Its result is the state's output;
            None becomes an empty object.

    Returns:
        The handler. It raises the same errors as a handler of ``event_function``.
    """

    @event_function
    @wraps(work)
    def handler(event: Event) -> Mapping[str, Any]:
        bind_run(event["run"])
        logger.info("started", stage=event.get("stage"), job=event.get("job"))
        response = work(**event) or {}
        logger.info("finished", result=response)
        return response

    return handler


def reference_page() -> str:
    """Return an HTML page that shows the ``openapi.json`` beside it, with the Swagger UI included in Powertools."""
    from importlib.resources import files  # noqa: PLC0415 - one route needs it

    folder = files("aws_lambda_powertools.event_handler.openapi.swagger_ui")
    script, style = (folder.joinpath(f"swagger-ui{name}").read_text() for name in ("-bundle.min.js", ".min.css"))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>modeldrop API</title><style>{style}</style>'
        f'</head><body><div id="ui"></div><script>{script}</script>'
        '<script>SwaggerUIBundle({url: "openapi.json", dom_id: "#ui"})</script></body></html>'
    )


def event_function(work: Callable[[Event], Any]) -> Handler:
    """Make a handler for any event, which logs, counts and raises errors.

    Args:
        work: Called with the event; its result is the result of the Lambda function.

    Returns:
        The handler. It raises ModeldropErrors as they are, and InternalError for any other exception.
    """

    @logger.inject_lambda_context(clear_state=True)
    @wraps(work)
    def handler(event: Event, context: LambdaContext) -> Any:
        with log_errors():
            return work(event)

    return cast("Handler", handler)


def http_function(work: Callable[[Event, LambdaContext], tuple[Response, LogFields]]) -> Handler:
    """Make a handler for API requests, which never raises.

    Each request writes one log line and one metrics record. Powertools' decorators would take twice the time.

    Args:
        work: Called with event and context; returns the response and the fields to log.
    """

    @wraps(work)
    def handler(event: Event, context: LambdaContext) -> Response:
        return respond_to_event(event, context, respond=work, log=_log_invocation, cors=_CORS)

    return handler


def reject_unknown_route(_: Exception) -> NoReturn:
    """Refuse a route that does not exist.

    Raises:
        NotFoundError: Always.
    """
    raise NotFoundError("this route does not exist")


def _log_invocation(context: LambdaContext, fields: LogFields) -> None:
    status = fields["status"]
    log = logger.info if status < 400 else logger.warning if status < 500 else logger.error
    log("answered", function_name=context.function_name, function_request_id=context.aws_request_id, **fields)
    if "rows" in fields:
        metrics.add_metric(name="Milliseconds", unit=MetricUnit.Milliseconds, value=fields["milliseconds"])
        metrics.add_metric(name="Rows", unit=MetricUnit.Count, value=fields["rows"])
    metrics.add_metric(name="Crashed", unit=MetricUnit.Count, value=int(status >= 500))
    for name in ("model", "version"):
        metrics.add_metadata(key=name, value=fields.get(name))
    metrics.flush_metrics()


@contextmanager
def log_errors() -> Iterator[None]:
    """Log and count an error, and raise it for the state machine.

    A ModeldropError keeps its class; its message is cut to MAX_MESSAGE characters. Any other exception becomes an
    InternalError without the original message, which may quote user data.

    Raises:
        ModeldropError: As it was raised, with a message that fits the state machine.
        InternalError: Any other exception was raised.
    """
    try:
        yield
    except ModeldropError as error:
        logger.warning("failed", error=type(error).__name__, reason=error.message[:MAX_MESSAGE])
        count("Failed")
        if len(error.message) > MAX_MESSAGE:  # a payload over 256 KB ends the execution without a Catch
            raise error_named(type(error).__name__, f"{error.message[: MAX_MESSAGE - 4]} ...") from None
        raise
    except Exception as error:  # noqa: BLE001 - the outermost edge
        logger.error("crashed", **describe_error(error))  # noqa: TRY400 - a traceback may quote user data
        count("Crashed")
        raise InternalError(f"unexpected {type(error).__name__}: the function's log says where") from None
