"""Listen for gRPC calls: h2corn implements HTTP/2, GrpcApplication responds to the calls."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, NoReturn

import h2corn
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError

from pipeline.contracts.errors import InvalidRequestError
from pipeline.server.config import TlsFiles
from pipeline.server.grpc import open_inference, tensorflow_serving
from pipeline.server.grpc.application import CallContext, GrpcApplication, Method, Unary
from pipeline.server.grpc.calls import Call, CallRunner, Reply
from pipeline.server.grpc.messages import find_service, message_class
from pipeline.server.grpc.standard_services import HealthService, reflection_methods
from pipeline.server.limits import ServerLimits
from pipeline.server.repository import ModelRepository
from pipeline.serving.api.messages import Caller

__all__ = ["GrpcListener"]

_ModelMethod = Callable[[Any, Caller], Reply]
_SERVICES = (open_inference.SERVICE, tensorflow_serving.SERVICE)
_MODEL_FIELDS = ("model_name", "name")
_BACKLOG = 2048
_NOTICE_SECONDS = 0.1  # seconds for clients that watch the health service to learn of the shutdown
_IDLE_SECONDS = 3_600.0  # seconds that a connection may be idle; gRPC clients keep connections open
_MAX_HEADER_BLOCK_BYTES = 1 << 20  # compressed bytes; a larger header block ends the connection, not only the call
_STALL_SECONDS = 60.0  # seconds that a client may stop reading a response


class GrpcListener:
    """Accepts gRPC calls of all services.

    Args:
        models: The models.
        runner: Runs calls.
        limits: Bounds of sizes and times.
    """

    def __init__(self, models: ModelRepository, runner: CallRunner, limits: ServerLimits) -> None:
        self._runner = runner
        self._limits = limits
        self._is_draining = False
        self._health = HealthService(("", *_SERVICES))
        implementations: Mapping[str, object] = {
            open_inference.SERVICE: open_inference.OpenInferenceService(models, lambda: self._is_draining),
            tensorflow_serving.SERVICE: tensorflow_serving.TensorFlowService(models),
        }
        methods: dict[str, Method] = {
            f"/{name}/{method.name}": self._method(method, implementation)
            for name, implementation in implementations.items()
            for method in find_service(name).methods
        }
        methods.update(self._health.methods())
        methods.update(reflection_methods(_SERVICES))
        self._application = GrpcApplication(methods, limits, runner.report)
        self._bound: socket.socket | None = None
        self._server: h2corn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self, bound: socket.socket, tls: TlsFiles | None = None) -> None:
        """Start accepting calls.

        Args:
            bound: Bound socket, which the listener closes when it stops.
            tls: Files of TLS; None for plain text.
        """
        await self._health.start()
        bound.listen(_BACKLOG)
        self._bound = bound
        self._server = h2corn.Server(self._application, self._config(bound, tls))
        self._serving = asyncio.create_task(self._server.serve())
        await self._server.wait_started()

    async def stop(self) -> None:
        """Refuse new calls and wait for the open ones."""
        assert self._server is not None
        assert self._serving is not None
        assert self._bound is not None
        self._is_draining = True
        await self._health.end()
        await asyncio.sleep(_NOTICE_SECONDS)
        self._application.end_watches()
        self._server.shutdown()
        self._bound.close()
        await asyncio.gather(self._serving, return_exceptions=True)  # raises if calls had to be aborted

    def _config(self, bound: socket.socket, tls: TlsFiles | None) -> h2corn.Config:
        limits = self._limits
        policies = tuple(
            h2corn.RequestPolicy(
                path=f"/{service}/*",
                max_request_body_size=0,  # no limit: MessageReader refuses a large message with a gRPC status instead
                timeout_request_body_idle=limits.max_request_seconds,
                h2_timeout_response_stall=_STALL_SECONDS,
            )
            for service in _SERVICES
        )
        files: dict[str, Any] = {}
        if tls is not None:
            files = {"certfile": tls.certificate, "keyfile": tls.key}
            if tls.client_ca is not None:
                files |= {"ca_certs": tls.client_ca, "cert_reqs": "required"}
        return h2corn.Config(
            bind=(f"fd://{bound.fileno()}",),
            grpc=True,
            http1=False,
            lifespan="off",
            access_log=False,
            log_format="json",
            date_header=False,
            runtime_threads=1,
            request_policies=policies,
            limit_connections=limits.max_connections,
            h2_max_header_list_size=limits.max_header_bytes,
            h2_max_header_block_size=_MAX_HEADER_BLOCK_BYTES,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=limits.max_drain_seconds,
            **files,
        )

    def _method(self, descriptor: MethodDescriptor, implementation: object) -> Unary:
        method: _ModelMethod = getattr(implementation, _snake_case(descriptor.name))
        name = descriptor.name
        request_class = message_class(descriptor.input_type.full_name)
        model_of = _model_reader(request_class)

        def refuse(caller: Caller) -> NoReturn:
            raise InvalidRequestError(f"a message {request_class.DESCRIPTOR.full_name} is expected")

        async def respond(message: bytes, context: CallContext) -> bytes:
            try:
                request = request_class.FromString(message)
            except DecodeError:
                call = Call(run=refuse, method=name, key=name, size=len(message))
            else:
                call = Call(
                    run=lambda caller: method(request, caller),
                    method=name,
                    key=f"{name} {model_of(request)}",
                    size=len(message),
                )
            response = await self._runner.run(context, call)
            content: bytes = response.SerializeToString()
            return content

        return Unary(respond)


def _model_reader(request_class: Any) -> Callable[[Any], str]:
    """Return a function that reads the name of the model from a request; it returns "" if requests have no model."""
    fields = request_class.DESCRIPTOR.fields_by_name
    if "model_spec" in fields:
        return attrgetter("model_spec.name")
    if "tasks" in fields:
        return lambda request: ",".join(task.model_spec.name for task in request.tasks)
    return next((attrgetter(field) for field in _MODEL_FIELDS if field in fields), lambda request: "")


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
