"""gRPC apart from the services: compression, limits, deadlines, streams and shutdown."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from h2.connection import H2Connection
from h2.events import StreamEnded, StreamReset

from pipeline.contracts.errors import DeadlineExceededError, OverloadedError
from pipeline.server.authentication import OpenAccess
from pipeline.server.execution.dispatcher import Dispatcher
from pipeline.server.grpc.application import CallContext, GrpcApplication, Unary
from pipeline.server.grpc.calls import Call, CallRunner, Reply, status_code
from pipeline.server.grpc.messages import message_class
from pipeline.server.grpc.wire import CallError, MessageReader, parse_timeout, status_trailers, write_message
from pipeline.server.limits import ServerLimits
from pipeline.server.telemetry.access_log import AccessLog
from pipeline.server.telemetry.metrics import ServerMetrics
from pipeline.server.telemetry.observer import RequestObserver
from pipeline.serving.api.messages import Caller
from tests.helpers.running_server import run_folder, write_scaling_model

INFER = "/inference.GRPCInferenceService/ModelInfer"
CALL = {b"content-type": b"application/grpc"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_scaling_model(folder)
    return folder


def _request(rows: int = 1) -> bytes:
    message: Any = message_class("inference.ModelInferRequest")(model_name="scale")
    message.inputs.add(name="x", datatype="FP32", shape=[rows, 2])
    message.raw_input_contents.append(bytes(8 * rows))
    content: bytes = message.SerializeToString()
    return content


def _code(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    code: grpc.StatusCode = caught.value.code()
    return code


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_compressed_request_is_read(channel: grpc.Channel, compression: grpc.Compression) -> None:
    plain = channel.unary_unary(INFER)(_request(1_000), timeout=5)
    assert channel.unary_unary(INFER)(_request(1_000), timeout=5, compression=compression) == plain


def test_a_message_that_is_too_large_after_decompression_is_refused(channel: grpc.Channel) -> None:
    call = channel.unary_unary(INFER)
    assert (
        _code(lambda: call(_request(1_000_000), timeout=5, compression=grpc.Compression.Gzip))
        == grpc.StatusCode.RESOURCE_EXHAUSTED
    )
    assert call(_request(), timeout=5)


def test_a_method_that_does_not_exist_is_unimplemented(channel: grpc.Channel) -> None:
    call = channel.unary_unary("/inference.GRPCInferenceService/Other")
    assert _code(lambda: call(b"", timeout=5)) == grpc.StatusCode.UNIMPLEMENTED


def test_headers_above_the_limit_fail_only_that_call(channel: grpc.Channel) -> None:
    call = channel.unary_unary(INFER)
    with pytest.raises(grpc.RpcError):
        call(_request(), timeout=5, metadata=(("x-large", "a" * 100_000),))
    assert call(_request(), timeout=5)


def test_a_health_watch_reports_the_shutdown_and_does_not_delay_it(folder: Path) -> None:
    with run_folder(folder) as server, grpc.insecure_channel(server.grpc) as channel:
        statuses = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=20)
        assert next(statuses).status == health_pb2.HealthCheckResponse.SERVING
        started = time.perf_counter()
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert next(statuses).status == health_pb2.HealthCheckResponse.NOT_SERVING
        stopping.join()
        assert time.perf_counter() - started < 5


def test_the_health_of_an_unknown_service_is_not_found(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service="other")
    assert _code(lambda: stub.Check(request, timeout=5)) == grpc.StatusCode.NOT_FOUND


def test_a_call_that_runs_past_its_deadline_fails() -> None:
    metrics, log = ServerMetrics(), AccessLog(None)
    runner = CallRunner(
        authenticator=OpenAccess("local"),
        dispatcher=Dispatcher(ServerLimits(), metrics),
        observer=RequestObserver(metrics, log),
        events=log,
    )
    release = threading.Event()

    def run(caller: Caller) -> Reply:
        release.wait(5)
        return Reply(None)

    async def call() -> None:
        try:
            await runner.run(CallContext({b"grpc-timeout": b"50m"}), Call(run=run, method="Slow", key="slow", size=1))
        finally:
            release.set()

    with pytest.raises(CallError) as caught:
        asyncio.run(call())
    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_call_without_a_message_is_ended_after_the_time_limit(folder: Path) -> None:
    with run_folder(folder, limits=ServerLimits(max_request_seconds=0.3)) as server:
        client = H2Connection()
        client.initiate_connection()
        path, authority = (":path", INFER), (":authority", "server")
        headers = [(":method", "POST"), (":scheme", "http"), path, authority, ("content-type", "application/grpc")]
        client.send_headers(1, [*headers, ("te", "trailers")])
        host, port = server.grpc.split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(client.data_to_send())
            events: list[Any] = []
            while not any(isinstance(event, StreamReset | StreamEnded) for event in events):
                events += client.receive_data(connection.recv(65_536))


class TestApplication:
    """The ASGI application, without a server."""

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ([b"\0\0\0\0\0"], b"0"),
            ([b"\0\0", b"\0\0\0"], b"0"),
            ([b"\0\0\0\0\0\0\0\0\0\0"], b"13"),
            ([b""], b"13"),
            ([b"\0\0\0\0\1"], b"13"),
            ([b"\1\0\0\0\0"], b"13"),
            ([b"\0\0\x10\0\0"], b"8"),
        ],
        ids=["empty message", "in pieces", "two messages", "no message", "truncated", "no encoding", "too large"],
    )
    def test_a_request_must_be_exactly_one_complete_message(self, body: list[bytes], code: bytes) -> None:
        sent = _run(body)
        assert dict(sent[-1]["headers"])[b"grpc-status"] == code

    def test_an_unknown_encoding_is_refused_with_the_supported_ones(self) -> None:
        trailers = dict(_run([b"\0\0\0\0\0"], {b"grpc-encoding": b"snappy"})[-1]["headers"])
        assert (trailers[b"grpc-status"], b"gzip" in trailers[b"grpc-accept-encoding"]) == (b"12", True)

    def test_reading_stops_at_a_second_message(self) -> None:
        read: list[bytes] = []
        sent = _run([b"\0\0\0\0\0"] * 100, ends=False, read=read)
        assert (dict(sent[-1]["headers"])[b"grpc-status"], len(read)) == (b"13", 2)

    def test_a_body_that_does_not_end_exceeds_the_deadline(self) -> None:
        sent = _run([b"\0\0"], ends=False)
        assert dict(sent[-1]["headers"])[b"grpc-status"] == b"4"

    @pytest.mark.parametrize(
        "call",
        [{"method": "GET"}, {"headers": {b"content-type": b"application/json"}}, {"extensions": {}}],
        ids=["method", "content type", "te"],
    )
    def test_a_request_that_is_not_a_grpc_call_gets_http_415(self, call: dict[str, Any]) -> None:
        assert _run([b""], **call)[0]["status"] == 415

    def test_an_error_of_a_method_is_reported_and_hidden_from_the_client(self) -> None:
        reported: list[Exception] = []

        async def fail(message: bytes, context: CallContext) -> bytes:
            raise ZeroDivisionError("secret")

        trailers = dict(_run([b"\0\0\0\0\0"], respond=fail, reported=reported)[-1]["headers"])
        assert (trailers[b"grpc-status"], trailers[b"grpc-message"]) == (b"13", b"internal error")
        assert isinstance(reported[0], ZeroDivisionError)


def _run(
    body: list[bytes],
    headers: Mapping[bytes, bytes] = {},
    *,
    ends: bool = True,
    respond: Any = None,
    reported: list[Exception] | None = None,
    read: list[bytes] | None = None,
    **scope: Any,
) -> list[dict[str, Any]]:
    """Call a method that returns its request; return what is sent, and add to ``read`` what is received."""

    async def echo(message: bytes, context: CallContext) -> bytes:
        return message

    limits = ServerLimits(max_body_bytes=1_000, max_request_seconds=0.05)
    report = (reported if reported is not None else []).append
    application = GrpcApplication({"/a/b": Unary(respond or echo)}, limits, report)
    events = [{"type": "http.request", "body": piece, "more_body": True} for piece in body]
    events[-1]["more_body"] = not ends
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        event: dict[str, Any] = events.pop(0) if events else await asyncio.Future()
        if read is not None:
            read.append(event["body"])
        return event

    async def send(event: Any) -> None:
        sent.append(event)

    extensions: dict[str, Any] = {"http.response.trailers": {}}
    call = {"method": "POST", "path": "/a/b", "headers": [*(CALL | headers).items()], "extensions": extensions}
    asyncio.run(application(call | scope, receive, send))
    return sent


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), (b"5S", 5.0), (b"250m", 0.25), (b"2M", 120.0), (b"1H", 3600.0), (b"7u", 7e-6), (b"100n", 1e-7)],
)
def test_the_grpc_timeout_header_is_parsed(value: bytes | None, seconds: float | None) -> None:
    assert parse_timeout(value) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("value", [b"", b"5", b"S", b"-1S", b"1.5S", b"123456789S", b"5X"])
def test_an_invalid_grpc_timeout_is_refused(value: bytes) -> None:
    with pytest.raises(CallError):
        parse_timeout(value)


def test_messages_are_read_from_pieces_of_any_size() -> None:
    messages = [b"", b"a", b"bc" * 300]
    stream = b"".join(map(write_message, messages))
    for size in (1, 2, 7, len(stream)):
        reader = MessageReader(None, 1_000)
        read = [m for start in range(0, len(stream), size) for m in reader.feed(stream[start : start + size])]
        assert (read, reader.is_between) == (messages, True)


@pytest.mark.parametrize(
    "content", [zlib.compress(b"a" * 100)[:-3], zlib.compress(b"a" * 100) + b"more"], ids=["truncated", "more follows"]
)
def test_a_truncated_or_extended_compressed_message_is_refused(content: bytes) -> None:
    with pytest.raises(CallError) as caught:
        MessageReader(b"deflate", 1_000).feed(b"\1" + len(content).to_bytes(4) + content)
    assert caught.value.code == grpc.StatusCode.INTERNAL


def test_a_status_message_is_percent_encoded() -> None:
    trailers = dict(status_trailers(CallError(grpc.StatusCode.NOT_FOUND, "100 % naïve\n")))
    assert trailers == {b"grpc-status": b"5", b"grpc-message": b"100 %25 na%C3%AFve%0A"}


def test_overload_and_deadline_errors_have_their_status_codes() -> None:
    assert status_code(OverloadedError("full")) == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert status_code(DeadlineExceededError("late")) == grpc.StatusCode.DEADLINE_EXCEEDED
