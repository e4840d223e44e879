"""Messages and services of the protos, from their compiled descriptors.

They are in a separate descriptor pool, so that generated modules with the same messages, such as tritonclient's, can
be imported in the same process.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

__all__ = ["find_service", "message_class", "service_pool"]


@cache
def service_pool() -> DescriptorPool:
    """Return the descriptor pool of all services of the server, including health and reflection."""
    pool = DescriptorPool()
    content = (files("pipeline.server.grpc") / "protos" / "descriptors.binpb").read_bytes()
    for file in FileDescriptorSet.FromString(content).file:
        pool.AddSerializedFile(file.SerializeToString())
    for module in (health_pb2, reflection_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    return pool


def find_service(name: str) -> ServiceDescriptor:
    """Return a service by its full name."""
    service: ServiceDescriptor = service_pool().FindServiceByName(name)
    return service


@cache
def message_class(name: str) -> Any:
    """Return the class of a message by its full name."""
    return GetMessageClass(service_pool().FindMessageTypeByName(name))
