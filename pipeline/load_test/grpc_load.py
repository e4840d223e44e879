"""Load over gRPC: calls of ModelInfer with one prepared message."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from pipeline.load_test.infer_request import InputTensor
from pipeline.load_test.load_level import LoadTally
from pipeline.server.grpc.messages import message_class

__all__ = ["GrpcEndpoint", "infer_message", "load_by_grpc", "read_metadata"]

_SERVICE = "/inference.GRPCInferenceService"
_TIMEOUT = 30.0  # seconds per call, and to open all connections


@dataclass(frozen=True, kw_only=True, slots=True)
class GrpcEndpoint:
    """A gRPC server.

    Attributes:
        address: HOST:PORT.
        metadata: Metadata of each call, such as the API key.
        credentials: Credentials for TLS; None for plain text.
    """

    address: str
    metadata: tuple[tuple[str, str], ...] = ()
    credentials: grpc.ChannelCredentials | None = None


def infer_message(model: str, inputs: Sequence[InputTensor], version: str = "") -> bytes:
    """Return a serialized ModelInferRequest with its tensors as raw contents."""
    message: Any = message_class("inference.ModelInferRequest")(model_name=model, model_version=version)
    for tensor in inputs:
        message.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=list(tensor.values.shape))
        message.raw_input_contents.append(tensor.binary())
    content: bytes = message.SerializeToString()
    return content


async def read_metadata(endpoint: GrpcEndpoint, model: str) -> dict[str, Any]:
    """Request the inputs of a model.

    Args:
        endpoint: The server.
        model: Name of the model.

    Returns:
        ``{"inputs": [{"name", "datatype", "shape"}]}``.

    Raises:
        grpc.RpcError: The server refuses the call, or cannot be reached.
    """
    request: Any = message_class("inference.ModelMetadataRequest")(name=model)
    response_class = message_class("inference.ModelMetadataResponse")
    async with _open_channel(endpoint) as channel:
        call = channel.unary_unary(f"{_SERVICE}/ModelMetadata")
        content = await call(request.SerializeToString(), timeout=_TIMEOUT, metadata=endpoint.metadata)
    response = response_class.FromString(content)
    inputs = [
        {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)} for tensor in response.inputs
    ]
    return {"inputs": inputs}


async def load_by_grpc(endpoint: GrpcEndpoint, message: bytes, clients: int, tally: LoadTally) -> None:
    """Call ModelInfer over ``clients`` connections until the tally ends.

    Args:
        endpoint: The server.
        message: Serialized request.
        clients: Number of channels, with one open call each.
        tally: Counts the calls.

    Raises:
        TimeoutError: A connection cannot be opened.
    """

    async def call_until_the_end(channel: grpc.aio.Channel) -> None:
        call = channel.unary_unary(f"{_SERVICE}/ModelInfer")
        while (sent := time.perf_counter()) < tally.end:
            error = None
            try:
                await call(message, timeout=_TIMEOUT, metadata=endpoint.metadata)
            except grpc.aio.AioRpcError as failure:
                error = f"gRPC {failure.code().name}"
            tally.count(sent, time.perf_counter(), error)

    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(_open_channel(endpoint)) for _ in range(clients)]
        await asyncio.wait_for(asyncio.gather(*(channel.channel_ready() for channel in channels)), _TIMEOUT)
        tally.start(time.perf_counter())
        await asyncio.gather(*map(call_until_the_end, channels))


def _open_channel(endpoint: GrpcEndpoint) -> grpc.aio.Channel:
    # Without a local pool, all channels would share one connection.
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
    if endpoint.credentials is None:
        return grpc.aio.insecure_channel(endpoint.address, options=options)
    return grpc.aio.secure_channel(endpoint.address, endpoint.credentials, options=options)
