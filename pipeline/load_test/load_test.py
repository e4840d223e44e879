"""Measure an endpoint with increasing numbers of clients."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import grpc
import httpx
import uvloop

from pipeline.contracts.errors import InvalidRequestError, TransientError
from pipeline.load_test.grpc_load import GrpcEndpoint, infer_message, load_by_grpc, read_metadata
from pipeline.load_test.http_load import HttpTarget, load_by_http
from pipeline.load_test.infer_request import binary_body, json_body, make_inputs
from pipeline.load_test.load_level import LoadLevel, LoadTally

__all__ = ["LoadTest", "run_load_test"]

_TIMEOUT = 60.0  # seconds for each request before the measurement
_MAX_WARM_UP = 1.0  # seconds
_SCHEMES = ("http", "https", "grpc", "grpcs")

Protocol = Literal["json", "binary", "grpc"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadTest:
    """An endpoint, the request to send to it, and the numbers of clients to measure.

    Attributes:
        url: ``http://HOST:PORT`` or ``https://HOST/PATH``, without ``/v2/models``; ``grpc://HOST:PORT``, or ``grpcs://``
            with TLS.
        model: Name of the model.
        version: Number of the version; None to let the server choose.
        rows: Rows per request, if the first axis of the inputs is free.
        is_binary: Send values with the binary tensor extension; gRPC always does.
        body: JSON request to send over HTTP instead of generated values.
        clients: Numbers of connections to measure.
        seconds: Measured time for each number of connections, after a warm-up.
        api_key: API key to send as ``x-api-key``; None to send no key.
        ca: CA certificates that must have signed the server's certificate; None for the system's.
    """

    url: str
    model: str
    version: str | None = None
    rows: int = 1
    is_binary: bool = False
    body: bytes | None = None
    clients: Sequence[int] = (1, 2, 4, 8, 16, 32)
    seconds: float = 3.0
    api_key: str | None = None
    ca: Path | None = None

    @property
    def protocol(self) -> Protocol:
        """Return the protocol of the requests."""
        if self.url.startswith("grpc"):
            return "grpc"
        return "binary" if self.is_binary else "json"


_Load = Callable[[int, LoadTally], Coroutine[Any, Any, None]]  # (number of clients, tally of their requests)


def run_load_test(test: LoadTest, on_level: Callable[[LoadLevel], None]) -> list[LoadLevel]:
    """Measure each number of clients, in order.

    Args:
        test: The load test.
        on_level: Called with each level when it has ended.

    Returns:
        The levels.

    Raises:
        InvalidRequestError: The URL is invalid, or the server refuses the request; the message quotes the server's.
        TransientError: The server cannot be reached.
    """
    if urlsplit(test.url).scheme not in _SCHEMES or not urlsplit(test.url).hostname:
        raise InvalidRequestError(f"'{test.url}' is not an endpoint: http://HOST:PORT or grpc://HOST:PORT is expected")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = runner.run(_prepare_grpc(test)) if test.protocol == "grpc" else _prepare_http(test)
        levels = []
        for clients in test.clients:
            levels.append(runner.run(_measure(test, load, clients)))
            on_level(levels[-1])
        return levels


async def _measure(test: LoadTest, load: _Load, clients: int) -> LoadLevel:
    started, cpu = time.perf_counter(), time.process_time()
    tally = LoadTally(warm_up=min(_MAX_WARM_UP, test.seconds / 3), seconds=test.seconds)
    try:
        await load(clients, tally)
    except OSError as error:
        raise TransientError(f"{test.url} cannot be reached by {clients} clients: {error}") from error
    return tally.summarize(
        clients=clients,
        rows=test.rows,
        cpu_seconds=time.process_time() - cpu,
        seconds=time.perf_counter() - started,
    )


def _prepare_http(test: LoadTest) -> _Load:
    model = test.model if test.version is None else f"{test.model}/versions/{test.version}"
    resource = f"{test.url.rstrip('/')}/v2/models/{model}"
    headers = {"content-type": "application/json"} | ({"x-api-key": test.api_key} if test.api_key else {})
    tls = ssl.create_default_context(cafile=test.ca) if test.url.startswith("https") else None
    try:
        with httpx.Client(headers=headers, timeout=_TIMEOUT, verify=tls or True) as client:
            body = test.body
            if body is None:
                inputs = make_inputs(_document(client.get(resource)), test.rows)
                body = json_body(inputs)
                if test.is_binary:
                    body, length = binary_body(inputs)
                    headers["content-type"] = "application/octet-stream"
                    headers["inference-header-content-length"] = str(length)
            _check(client.post(f"{resource}/infer", content=body, headers=headers))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TransientError(f"{test.url} did not answer: {error or type(error).__name__}") from error
    target = HttpTarget.of(f"{resource}/infer", body, headers, tls)
    return lambda clients, tally: load_by_http(target, clients, tally)


async def _prepare_grpc(test: LoadTest) -> _Load:
    credentials = None
    if test.url.startswith("grpcs"):
        credentials = grpc.ssl_channel_credentials(test.ca.read_bytes() if test.ca else None)
    endpoint = GrpcEndpoint(
        address=urlsplit(test.url).netloc,
        metadata=(("x-api-key", test.api_key),) if test.api_key else (),
        credentials=credentials,
    )
    try:
        metadata = await read_metadata(endpoint, test.model)
    except grpc.aio.AioRpcError as error:
        if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            raise TransientError(f"{test.url} did not answer: {error.details()}") from error
        raise InvalidRequestError(f"{test.url} refused: {error.details()}") from error
    message = infer_message(test.model, make_inputs(metadata, test.rows), test.version or "")
    return lambda clients, tally: load_by_grpc(endpoint, message, clients, tally)


def _document(response: httpx.Response) -> dict[str, Any]:
    _check(response)
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise InvalidRequestError(f"{response.url} is not the metadata of a model: a JSON object is expected")
    return document


def _check(response: httpx.Response) -> None:
    """Raise InvalidRequestError with the server's message if it refused a request."""
    if not response.is_success:
        words = " ".join(response.text.split())[:300]
        raise InvalidRequestError(f"{response.url} answered {response.status_code}: {words}")
