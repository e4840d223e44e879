"""The server's HTTP application: authenticate, admit, respond, measure and log."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from functools import partial

from pipeline.contracts.errors import ModeldropError
from pipeline.contracts.tracebacks import frame_locations
from pipeline.server.authentication import Authenticator
from pipeline.server.execution.dispatcher import Dispatcher
from pipeline.server.http.responses import error_response
from pipeline.server.repository_api import REPOSITORY_PREFIX, RepositoryApi
from pipeline.server.telemetry.access_log import AccessLog
from pipeline.server.telemetry.metrics import CONTENT_TYPE, ServerMetrics
from pipeline.server.telemetry.observer import EndedRequest, RequestObserver
from pipeline.serving.api.errors import is_server_error, respond_to_error
from pipeline.serving.api.messages import Caller, HttpRequest, HttpResponse
from pipeline.serving.api.prediction_api import PredictionApi
from pipeline.serving.cors import CorsPolicy
from pipeline.serving.credentials import find_credential

__all__ = ["ServerApplication"]

_Respond = Callable[[HttpResponse], None]
_Run = Callable[[str, Callable[[], HttpResponse]], HttpResponse]
_DEADLINE = "x-envoy-expected-rq-timeout-ms"  # Envoy and Istio send upstream servers their timeout in this header
_MAX_DIGITS = 12
_RETRY = {"retry-after": "1"}
_METRICS, _INVOCATIONS = "/metrics", "/invocations"
_PROBES = frozenset({"/ping", "/v2/health/live", "/v2/health/ready"})  # health checks send no API key
_OWN_PATHS = _PROBES | {_METRICS, _INVOCATIONS}  # paths that the prediction API does not handle
_STATUSES = {status: str(status) for status in range(100, 600)}


def _deadline(request: HttpRequest) -> float | None:
    """Return how many seconds the proxy in front of the server waits for a response; None if it does not say."""
    milliseconds = request.headers.get(_DEADLINE, "")
    return int(milliseconds) / 1e3 if milliseconds.isdecimal() and len(milliseconds) < _MAX_DIGITS else None


class ServerApplication:
    """Responds to HTTP requests. Used in the thread of the event loop.

    Args:
        api: The prediction API.
        repository: Lists, loads and unloads models.
        authenticator: Finds callers.
        dispatcher: Runs requests.
        metrics: Rendered for Prometheus.
        observer: Counts, logs and traces each request.
        events: Logs failures of the server.
        default_model: Returns the model that ``/invocations`` calls; None if the server has several models.
        cors: Origins whose pages may call the server from a browser; none by default.
    """

    def __init__(  # noqa: PLR0913 - dependencies, most of them keyword-only
        self,
        api: PredictionApi,
        repository: RepositoryApi,
        *,
        authenticator: Authenticator,
        dispatcher: Dispatcher,
        metrics: ServerMetrics,
        observer: RequestObserver,
        events: AccessLog,
        default_model: Callable[[], str | None] = lambda: None,
        cors: CorsPolicy | None = None,
    ) -> None:
        self._api = api
        self._repository = repository
        self._authenticator = authenticator
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._observer = observer
        self._events = events
        self._default_model = default_model
        self._cors = cors or None
        self._numbers = itertools.count(1)
        self.is_draining = False

    def handle(self, request: HttpRequest, respond: _Respond) -> None:
        """Call ``respond`` once with the response, now or later. Never raise."""
        started = time.perf_counter()
        if self._cors and (origin := request.headers.get("origin")) is not None:
            if request.method == "OPTIONS":
                respond(self._cors.preflight(request.headers))
                return
            respond = partial(_respond_with, respond, self._cors.headers(origin))
        if request.path in _OWN_PATHS:
            if request.path != _INVOCATIONS:
                respond(self._probe(request) if request.path in _PROBES else self._render_metrics())
                return
            model = self._default_model() or request.headers.get("x-amzn-sagemaker-target-model", "")
            request = request._replace(path=f"/v1/models/{model}/invocations")
        try:
            self._dispatcher.enter()
        except ModeldropError as error:
            self._finish(request, started, respond, self._respond_to(error, request))
            return
        key = find_credential(request.headers.get)
        caller = self._authenticator.recall(key)
        is_compressed = "content-encoding" in request.headers  # the size of the decompressed body is unknown
        if caller is not None and not is_compressed and self._dispatcher.is_fast(request.path, len(request.body)):
            self._complete(request, started, respond, self._call(request, caller, self._dispatcher.run_in_loop))
            return
        call = partial(self._authenticate_and_call, request, key, caller)
        future = self._dispatcher.run_in_thread(call, _deadline(request))
        future.add_done_callback(partial(self._on_done, request, started, respond))

    def _authenticate_and_call(self, request: HttpRequest, key: str, caller: Caller | None) -> HttpResponse:
        try:
            caller = caller or self._authenticator.authenticate(key)
        except ModeldropError as error:
            return self._respond_to(error, request)
        return self._call(request, caller, self._dispatcher.run_measured)

    def _call(self, request: HttpRequest, caller: Caller, run: _Run) -> HttpResponse:
        try:
            api = self._repository if request.path.startswith(REPOSITORY_PREFIX) else self._api
            return run(request.path, lambda: api.respond(request, caller))
        except Exception as error:  # noqa: BLE001 - the outermost edge: a failed request must not end the server
            return self._respond_to(error, request)

    def _on_done(
        self, request: HttpRequest, started: float, respond: _Respond, future: asyncio.Future[HttpResponse]
    ) -> None:
        error = future.exception()
        response = future.result() if error is None else self._respond_to(error, request)
        self._complete(request, started, respond, response)

    def _complete(self, request: HttpRequest, started: float, respond: _Respond, response: HttpResponse) -> None:
        self._dispatcher.leave()
        self._finish(request, started, respond, response)

    def _finish(self, request: HttpRequest, started: float, respond: _Respond, response: HttpResponse) -> None:
        seconds = time.perf_counter() - started
        if response.status in (429, 503):
            response = response._replace(headers={**response.headers, **_RETRY})
        respond(response)
        status = _STATUSES[response.status]
        if not self._observer.needs_details:
            self._observer.count("http", status, seconds, response.facts)
            return
        self._observer.observe(
            EndedRequest(
                protocol="http",
                operation=request.method,
                status=status,
                has_failed=response.status >= 500,
                seconds=seconds,
                facts=response.facts,
                sizes={"bytes_in": len(request.body), "bytes_out": len(response.body)},
                parent=request.headers.get("traceparent", ""),
            )
        )

    def _render_metrics(self) -> HttpResponse:
        return HttpResponse(200, self._metrics.render(), {"content-type": CONTENT_TYPE})

    def _probe(self, request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return error_response(405, "GET is expected", allow="GET, HEAD")
        if self.is_draining and not request.path.endswith("/live"):
            return error_response(503, "the server is stopping", retry_after="1")
        body = b'{"live":true}' if request.path.endswith("/live") else b'{"ready":true}'
        return HttpResponse(200, body)

    def _respond_to(self, error: BaseException, request: HttpRequest) -> HttpResponse:
        request_id = request.headers.get("x-request-id", "")[:64] or f"server-{next(self._numbers)}"
        if is_server_error(error):
            self._events.report(
                "request failed", error=type(error).__name__, request_id=request_id, places=frame_locations(error)
            )
        return respond_to_error(error, request_id)


def _respond_with(respond: _Respond, headers: Mapping[str, str], response: HttpResponse) -> None:
    respond(response._replace(headers={**response.headers, **headers}))
