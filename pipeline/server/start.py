"""Start a server: bind its ports, compose its processes, announce when it is ready."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from pipeline.contracts.errors import ConfigurationError
from pipeline.contracts.processors import count_processors
from pipeline.server.authentication import Authenticator
from pipeline.server.config import ServerConfig
from pipeline.server.execution.sessions import make_server_session
from pipeline.server.models.tensor_model import TensorSession
from pipeline.server.repository import ModelRepository
from pipeline.server.run import ServingProcess, run_server
from pipeline.server.sockets import allow_connections, bind_socket
from pipeline.server.telemetry.access_log import AccessLog
from pipeline.server.telemetry.metrics import ServerMetrics
from pipeline.server.telemetry.observer import RequestObserver, RequestTracer
from pipeline.server.workers import run_workers

__all__ = ["ComposeModels", "start_server"]

# (function that creates a session, function that logs a message) -> models; called in each process before it listens
ComposeModels = Callable[[Callable[[bytes], TensorSession], Callable[[str], None]], ModelRepository]


def start_server(
    config: ServerConfig,
    *,
    compose_models: ComposeModels,
    compose_authenticator: Callable[[], Authenticator],
    announce: Callable[[bytes], None],
) -> int:
    """Serve until SIGTERM.

    Args:
        config: Configuration of the server.
        compose_models: Composes the models of a process.
        compose_authenticator: Composes the authenticator of a process.
        announce: Called with one JSON line when requests are accepted: ``{"http", "grpc", "models"}``.

    Returns:
        Exit code.

    Raises:
        ConfigurationError: A port cannot be bound, or there is no model to serve.
    """
    try:
        http, grpc = bind_socket(config.host, config.http_port), bind_socket(config.host, config.grpc_port)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {config.host}: {error.strerror or error}") from error
    allow_connections(config.limits.max_connections)
    stream = sys.stderr.buffer

    def run(on_ready: Callable[[Sequence[str]], object]) -> None:
        metrics = ServerMetrics()
        tracer = _tracer(config.otlp_endpoint) if config.otlp_endpoint else None
        observer = RequestObserver(metrics, AccessLog(stream if config.with_access_log else None), tracer)
        events = AccessLog(stream)

        def make_session(file: bytes) -> TensorSession:
            threads = max(1, count_processors() // config.workers)
            return make_server_session(
                file, threads=threads, with_batching=config.with_batching, on_batch=metrics.record_batch
            )

        models = compose_models(make_session, events.report)
        models.refresh()
        authenticator = compose_authenticator()
        server = ServingProcess(
            config, models=models, authenticator=authenticator, metrics=metrics, observer=observer, events=events
        )
        run_server(server, http=http, grpc=grpc, on_ready=lambda: on_ready(models.names(config.tenant)))

    scheme = "https" if config.tls else "http"
    address = f"[{config.host}]" if ":" in config.host else config.host

    def announce_ready(models: Sequence[str]) -> None:
        ready: dict[str, Any] = {
            "http": f"{scheme}://{address}:{http.getsockname()[1]}",
            "grpc": f"{address}:{grpc.getsockname()[1]}",
            "models": list(models),
        }
        announce(orjson.dumps(ready))

    if config.workers == 1:
        run(announce_ready)
        return 0
    return run_workers(
        config.workers,
        lambda ready: run(lambda models: ready(orjson.dumps(models))),
        on_ready=lambda line: announce_ready(orjson.loads(line)),
    )


def _tracer(endpoint: str) -> RequestTracer:
    try:
        from pipeline.server.telemetry.tracing import OpenTelemetryTracer, otlp_exporter
    except ImportError as error:
        raise ConfigurationError(
            "--otlp-endpoint requires OpenTelemetry: pip install 'modeldrop[tracing]' installs it"
        ) from error
    return OpenTelemetryTracer(otlp_exporter(endpoint))
