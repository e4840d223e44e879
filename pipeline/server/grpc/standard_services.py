"""Health and reflection services, implemented by gRPC's own packages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NoReturn

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from pipeline.server.grpc.application import CallContext, Exchange, Method, Unary, Watch
from pipeline.server.grpc.messages import service_pool
from pipeline.server.grpc.wire import CallError

__all__ = ["HealthService", "reflection_methods"]

_SERVING = health_pb2.HealthCheckResponse.SERVING


class HealthService:
    """``grpc.health.v1.Health``.

    Args:
        services: Names of the services that are served.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._services = tuple(services)
        self._servicer = health.aio.HealthServicer()

    async def start(self) -> None:
        """Report the services as serving."""
        for name in self._services:
            await self._servicer.set(name, _SERVING)

    async def end(self) -> None:
        """Report the services as not serving."""
        await self._servicer.enter_graceful_shutdown()

    def methods(self) -> Mapping[str, Method]:
        """Return the methods by their paths."""
        path = f"/{health.SERVICE_NAME}"
        return {f"{path}/Check": Unary(self._check), f"{path}/Watch": Watch(self._watch)}

    async def _check(self, message: bytes, context: CallContext) -> bytes:
        response = await self._servicer.Check(_request(message), _Context())
        content: bytes = response.SerializeToString()
        return content

    async def _watch(self, message: bytes, write: Callable[[bytes], Awaitable[None]]) -> None:
        await self._servicer.Watch(_request(message), _Context(write))


class _Context:
    """The methods of a grpc.aio context that the health servicer calls."""

    def __init__(self, write: Callable[[bytes], Awaitable[None]] | None = None) -> None:
        self._write = write

    async def abort(self, code: grpc.StatusCode, details: str = "") -> NoReturn:
        raise CallError(code, details or "there is no such service")

    async def write(self, response: health_pb2.HealthCheckResponse) -> None:
        assert self._write is not None
        await self._write(response.SerializeToString())


def reflection_methods(services: Iterable[str]) -> Mapping[str, Method]:
    """Return the methods of ``grpc.reflection.v1alpha.ServerReflection`` by their paths.

    Args:
        services: Names of the services other than health and reflection.
    """
    names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
    servicer = reflection.ReflectionServicer(names, pool=service_pool())

    def respond(message: bytes) -> bytes:
        request = reflection_pb2.ServerReflectionRequest.FromString(message)
        (response,) = servicer.ServerReflectionInfo([request], None)
        content: bytes = response.SerializeToString()
        return content

    return {f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": Exchange(respond)}


def _request(message: bytes) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest.FromString(message)
