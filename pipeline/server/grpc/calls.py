"""Run gRPC calls: authenticate, admit, map errors to status codes, measure and log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import grpc

from pipeline.contracts.errors import (
    ConflictError,
    DeadlineExceededError,
    ForbiddenError,
    InputError,
    IntegrityError,
    NotFoundError,
    ObjectNotFoundError,
    OverloadedError,
    TransientError,
    UnauthenticatedError,
)
from pipeline.contracts.tracebacks import frame_locations
from pipeline.server.authentication import Authenticator
from pipeline.server.execution.dispatcher import Dispatcher
from pipeline.server.grpc.application import CallContext
from pipeline.server.grpc.wire import CallError
from pipeline.server.telemetry.access_log import AccessLog
from pipeline.server.telemetry.observer import EndedRequest, RequestObserver
from pipeline.serving.api.errors import describe_server_error, is_server_error
from pipeline.serving.api.messages import Caller
from pipeline.serving.credentials import find_credential

__all__ = ["Call", "CallRunner", "Reply", "status_code"]

_Result = TypeVar("_Result")
_CODES: Mapping[type[BaseException], grpc.StatusCode] = {
    InputError: grpc.StatusCode.INVALID_ARGUMENT,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    ForbiddenError: grpc.StatusCode.PERMISSION_DENIED,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    ObjectNotFoundError: grpc.StatusCode.INTERNAL,
    ConflictError: grpc.StatusCode.FAILED_PRECONDITION,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlineExceededError: grpc.StatusCode.DEADLINE_EXCEEDED,
    IntegrityError: grpc.StatusCode.UNAVAILABLE,
    TransientError: grpc.StatusCode.UNAVAILABLE,
    BaseException: grpc.StatusCode.INTERNAL,
}
_NAMES: Mapping[grpc.StatusCode, str] = {code: code.name for code in grpc.StatusCode}
_RETRY = (("grpc-retry-pushback-ms", "1000"),)
_SERVER_FAULTS = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
_RETRIED = frozenset({grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE})


class Reply(NamedTuple):
    """Result of a call.

    Attributes:
        message: Message to send.
        facts: Facts for logs and metrics: ``tenant``, ``model``, ``version`` and ``rows`` of a prediction.
    """

    message: Any
    facts: Mapping[str, Any] = {}


class Call(NamedTuple):
    """A call to run.

    Attributes:
        run: Takes the caller and returns the reply.
        method: Name of the method.
        key: Key of the dispatcher's average duration: method and model.
        size: Size of the request in bytes.
    """

    run: Callable[[Caller], Reply]
    method: str
    key: str
    size: int


def status_code(error: BaseException) -> grpc.StatusCode:
    """Return the gRPC status code of an error: that of its nearest base class in the table."""
    return next(_CODES[base] for base in type(error).__mro__ if base in _CODES)


class CallRunner:
    """Runs calls. Used in the thread of the event loop.

    Args:
        authenticator: Finds callers.
        dispatcher: Runs requests.
        observer: Counts, logs and traces each call.
        events: Logs failures of the server.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        dispatcher: Dispatcher,
        observer: RequestObserver,
        events: AccessLog,
    ) -> None:
        self._authenticator = authenticator
        self._dispatcher = dispatcher
        self._observer = observer
        self._events = events

    async def run(self, context: CallContext, call: Call) -> Any:
        """Run a call and return the message of its reply.

        Raises:
            CallError: The call failed; the error has the status code.
        """
        started = time.perf_counter()
        try:
            reply = await self._run(context, call)
        except Exception as error:
            self._finish(context, call, status_code(error), started, {})
            raise self._call_error(error) from error
        self._finish(context, call, grpc.StatusCode.OK, started, reply.facts)
        return reply.message

    async def _run(self, context: CallContext, call: Call) -> Reply:
        self._dispatcher.enter()
        key = find_credential(context.get)
        caller = self._authenticator.recall(key)
        if caller is not None and self._dispatcher.is_fast(call.key, call.size):
            try:
                return self._dispatcher.run_in_loop(call.key, lambda: call.run(caller))
            finally:
                self._dispatcher.leave()

        def run() -> Reply:
            owner = caller or self._authenticator.authenticate(key)
            return self._dispatcher.run_measured(call.key, lambda: call.run(owner))

        future = self._dispatcher.run_in_thread(run, context.seconds)
        future.add_done_callback(self._leave)  # a call occupies its thread until it ends, even after its deadline
        await asyncio.wait({future}, timeout=context.seconds)
        if not future.done():
            raise DeadlineExceededError("the deadline passed while the call ran")
        return future.result()

    def _leave(self, future: asyncio.Future[Reply]) -> None:
        self._dispatcher.leave()
        if not future.cancelled():
            future.exception()  # mark the exception as retrieved, so that asyncio does not log it

    def _call_error(self, error: Exception) -> CallError:
        code = status_code(error)
        message = str(error)
        if is_server_error(error):
            self.report(error)
            message = describe_server_error(error)
        return CallError(code, message, _RETRY if code in _RETRIED else ())

    def report(self, error: Exception) -> None:
        """Log a failure of the server."""
        self._events.report("call failed", error=type(error).__name__, places=frame_locations(error))

    def _finish(
        self,
        context: CallContext,
        call: Call,
        code: grpc.StatusCode,
        started: float,
        facts: Mapping[str, Any],
    ) -> None:
        seconds = time.perf_counter() - started
        if not self._observer.needs_details:
            self._observer.count("grpc", _NAMES[code], seconds, facts)
            return
        self._observer.observe(
            EndedRequest(
                protocol="grpc",
                operation=call.method,
                status=_NAMES[code],
                has_failed=code in _SERVER_FAULTS,
                seconds=seconds,
                facts=facts,
                sizes={"bytes_in": call.size},
                parent=context.get("traceparent") or "",
            )
        )
