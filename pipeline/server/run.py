"""Run one server process: listen, serve, refresh the models, and drain after SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import ssl
from collections.abc import Callable

import uvloop

from pipeline.contracts.errors import ModeldropError
from pipeline.server.application import ServerApplication
from pipeline.server.authentication import Authenticator
from pipeline.server.config import ServerConfig, TlsFiles
from pipeline.server.execution.dispatcher import Dispatcher
from pipeline.server.grpc.calls import CallRunner
from pipeline.server.grpc.listener import GrpcListener
from pipeline.server.http.listener import HttpListener
from pipeline.server.repository import ModelRepository
from pipeline.server.repository_api import RepositoryApi
from pipeline.server.telemetry.access_log import AccessLog
from pipeline.server.telemetry.metrics import ServerMetrics
from pipeline.server.telemetry.observer import RequestObserver
from pipeline.serving.api.prediction_api import PredictionApi
from pipeline.serving.cors import CorsPolicy

__all__ = ["ServingProcess", "run_server", "tls_context"]

_GARBAGE_OBJECTS = 10_000  # new objects between two garbage collections


def run_server(
    server: ServingProcess, *, http: socket.socket, grpc: socket.socket, on_ready: Callable[[], object]
) -> None:
    """Serve until SIGTERM or SIGINT; then refuse new connections, finish open requests and return.

    Args:
        server: The server process.
        http: Bound socket for HTTP.
        grpc: Bound socket for gRPC.
        on_ready: Called once when requests are accepted.
    """

    def announce() -> None:
        _freeze_objects()
        on_ready()

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await server.serve(http, grpc, stop, announce)

    uvloop.run(run())


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Return the TLS context for HTTP; with ``client_ca``, clients without a valid certificate are refused."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    if files.client_ca is not None:
        context.load_verify_locations(files.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class ServingProcess:
    """One server process.

    Args:
        config: Configuration of the server.
        models: Models to serve.
        authenticator: Finds callers.
        metrics: Measures requests.
        observer: Counts, logs and traces each request.
        events: Logs events of the server.
    """

    def __init__(  # noqa: PLR0913 - dependencies, all but one keyword-only
        self,
        config: ServerConfig,
        *,
        models: ModelRepository,
        authenticator: Authenticator,
        metrics: ServerMetrics,
        observer: RequestObserver,
        events: AccessLog,
    ) -> None:
        self._config = config
        self._models = models
        self._observer = observer
        self._events = events
        self._dispatcher = Dispatcher(config.limits, metrics)
        self._calls = CallRunner(
            authenticator=authenticator, dispatcher=self._dispatcher, observer=observer, events=events
        )
        self._application = ServerApplication(
            PredictionApi(models, max_body_bytes=config.limits.max_body_bytes),
            RepositoryApi(models),
            authenticator=authenticator,
            dispatcher=self._dispatcher,
            metrics=metrics,
            observer=observer,
            events=events,
            default_model=self._only_model,
            cors=CorsPolicy(config.cors_origins),
        )

    async def serve(
        self, http: socket.socket, grpc: socket.socket, stop: asyncio.Event, on_ready: Callable[[], object]
    ) -> None:
        """Serve until ``stop`` is set; then refuse new connections, finish open requests and return.

        Args:
            http: Bound socket for HTTP.
            grpc: Bound socket for gRPC.
            stop: Event that ends the server.
            on_ready: Called once when requests are accepted.
        """
        listener = HttpListener(self._application.handle, self._config.limits)
        await listener.start(http, tls_context(self._config.tls) if self._config.tls else None)
        rpc = GrpcListener(self._models, self._calls, self._config.limits)
        await rpc.start(grpc, self._config.tls)
        refresher = asyncio.create_task(self._refresh())
        on_ready()
        await stop.wait()
        self._application.is_draining = True
        refresher.cancel()
        await asyncio.gather(listener.stop(), rpc.stop())
        self._dispatcher.close()
        await asyncio.to_thread(self._models.close)
        self._observer.close()

    async def _refresh(self) -> None:
        """Check for new versions periodically, in a separate thread; one check ends before the next one begins."""
        while True:
            await asyncio.sleep(self._config.refresh_seconds)
            try:
                await asyncio.to_thread(self._models.refresh)
            except ModeldropError as error:
                self._events.report("models could not be refreshed", error=type(error).__name__)

    def _only_model(self) -> str | None:
        names = self._models.names(self._config.tenant)
        return names[0] if len(names) == 1 else None


def _freeze_objects() -> None:
    """Exclude the objects that live as long as the server from garbage collection, which would delay requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_OBJECTS)
