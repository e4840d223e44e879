"""Traces: one span per request with the client's span as parent, exported before the server ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pipeline.load_test.grpc_load import infer_message
from pipeline.load_test.infer_request import make_inputs
from pipeline.server.telemetry.tracing import OpenTelemetryTracer, otlp_exporter
from tests.helpers.running_server import run_folder, write_scaling_model

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
INPUTS = make_inputs({"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]}, 3)


@contextmanager
def _collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Accept OTLP over HTTP; yield its URL and what it received."""
    received: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()


def _spans(received: list[ExportTraceServiceRequest]) -> list[Span]:
    scopes = [scope for request in received for resource in request.resource_spans for scope in resource.scope_spans]
    return [span for scope in scopes for span in scope.spans]


def _attributes(span: Span) -> dict[str, object]:
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in span.attributes}


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> list[Span]:
    """Spans of a prediction by HTTP and by gRPC, each with a parent, and of a request for an unknown model."""
    folder = tmp_path_factory.mktemp("models")
    write_scaling_model(folder)
    header = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    with _collector() as (url, received):
        with run_folder(folder, tracer=OpenTelemetryTracer(otlp_exporter(url))) as server:
            body = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
            assert server.client.post("/v2/models/scale/infer", json=body, headers=header).status_code == 200
            with grpc.insecure_channel(server.grpc) as channel:
                call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
                call(infer_message("scale", INPUTS), metadata=tuple(header.items()), timeout=5)
            assert server.client.get("/v2/models/none").status_code == 404
        assert server.client.is_closed
        return _spans(received)


def test_a_prediction_has_a_span_whose_parent_is_the_span_of_the_client(spans: list[Span]) -> None:
    http, rpc = (span for span in spans if span.parent_span_id)
    for span, rows in ((http, 1), (rpc, 3)):
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
        assert span.kind == Span.SPAN_KIND_SERVER
        assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 10e9
        facts = {"modeldrop.model": "scale", "modeldrop.version": 1, "modeldrop.rows": rows}
        assert _attributes(span).items() >= facts.items()
    assert (http.name, rpc.name) == ("POST scale", "ModelInfer scale")
    assert _attributes(http)["http.response.status_code"] == 200
    assert _attributes(rpc)["rpc.response.status_code"] == "OK"


def test_a_client_error_is_not_an_error_of_the_span(spans: list[Span]) -> None:
    (refused,) = (span for span in spans if not span.parent_span_id)
    assert _attributes(refused)["http.response.status_code"] == 404
    assert refused.status.code == Status.STATUS_CODE_UNSET


def test_requests_succeed_when_the_collector_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    write_scaling_model(tmp_path)
    with run_folder(tmp_path, tracer=OpenTelemetryTracer(otlp_exporter("http://127.0.0.1:1"))) as server:
        assert server.infer(1, 2).status_code == 200
