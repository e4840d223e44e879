"""Listen for gRPC calls."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from operator import attrgetter
from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from pipeline.contracts.errors import InvalidRequestError
from pipeline.server.config import TlsFiles
from pipeline.server.grpc import open_inference, tensorflow_serving
from pipeline.server.grpc.calls import Call, CallRunner, Reply
from pipeline.server.grpc.messages import find_service, message_class, service_pool
from pipeline.server.limits import ServerLimits
from pipeline.server.repository import ModelRepository
from pipeline.serving.api.messages import Caller

__all__ = ["GrpcListener"]

_Method = Callable[[Any, Caller], Reply]
_SERVICES = (open_inference.SERVICE, tensorflow_serving.SERVICE)
_SERVING, _NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
_MODEL_FIELDS = ("model_name", "name")


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
        self._health = health.aio.HealthServicer()
        self._implementations: Mapping[str, object] = {
            open_inference.SERVICE: open_inference.OpenInferenceService(models, lambda: self._is_draining),
            tensorflow_serving.SERVICE: tensorflow_serving.TensorFlowService(models),
        }
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str, tls: TlsFiles | None = None) -> None:
        """Start to accept calls.

        Args:
            address: ``host:port``; the port may be bound by a socket that does not listen.
            tls: Files of TLS; None for plain text.
        """
        server = grpc.aio.server(options=self._options())
        for name, implementation in self._implementations.items():
            handlers = {method.name: self._handler(method, implementation) for method in find_service(name).methods}
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        for name in ("", *_SERVICES):
            await self._health.set(name, _SERVING)
        names = (*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server, service_pool())
        if tls is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, _credentials(tls))
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Refuse new calls and wait for the open ones."""
        assert self._server is not None
        self._is_draining = True
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._limits.max_drain_seconds)

    def _options(self) -> list[tuple[str, int]]:
        return [
            ("grpc.max_receive_message_length", self._limits.max_body_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", self._limits.max_header_bytes),
            ("grpc.absolute_max_metadata_size", self._limits.max_header_bytes),
            ("grpc.max_connection_idle_ms", 1_000 * 3_600),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.so_reuseport", 1),
        ]

    def _handler(self, descriptor: MethodDescriptor, implementation: object) -> grpc.RpcMethodHandler[Any, Any]:
        method: _Method = getattr(implementation, _snake_case(descriptor.name))
        request_class = message_class(descriptor.input_type.full_name)
        response_class = message_class(descriptor.output_type.full_name)
        return grpc.unary_unary_rpc_method_handler(
            self._behavior(descriptor.name, method, request_class),
            response_serializer=response_class.SerializeToString,
        )

    def _behavior(
        self, name: str, method: _Method, request_class: Any
    ) -> Callable[[Any, grpc.aio.ServicerContext], Awaitable[Any]]:
        model_of = _model_reader(request_class)

        async def respond(message: bytes, context: grpc.aio.ServicerContext) -> Any:
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
            return await self._runner.run(context, call)

        def refuse(caller: Caller) -> NoReturn:
            raise InvalidRequestError(f"a message {request_class.DESCRIPTOR.full_name} is expected")

        return respond


def _model_reader(request_class: Any) -> Callable[[Any], str]:
    """Return the function that reads the name of the model from a request; empty for one without a model."""
    fields = request_class.DESCRIPTOR.fields_by_name
    if "model_spec" in fields:
        return attrgetter("model_spec.name")
    if "tasks" in fields:
        return lambda request: ",".join(task.model_spec.name for task in request.tasks)
    return next((attrgetter(field) for field in _MODEL_FIELDS if field in fields), lambda request: "")


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _credentials(tls: TlsFiles) -> grpc.ServerCredentials:
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    if tls.client_ca is None:
        return grpc.ssl_server_credentials([pair])
    return grpc.ssl_server_credentials([pair], tls.client_ca.read_bytes(), require_client_auth=True)
