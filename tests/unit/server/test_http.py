"""The HTTP server through its socket: requests, limits, invalid requests and shutdown."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.server.authentication import FixedKeys
from pipeline.server.execution.dispatcher import MAX_INLINE_BYTES
from pipeline.server.http.heads import HeadCache
from pipeline.server.limits import ServerLimits
from pipeline.server.models.model_files import LOCAL_TENANT
from pipeline.serving.api.messages import HttpRequest
from tests.helpers.running_server import RunningServer, run_folder, write_scaling_model

BODY = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'
LIMITS = ServerLimits(
    max_body_bytes=1_000, max_header_bytes=2_000, max_connections=20, max_request_seconds=0.3, max_idle_seconds=0.3
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    write_scaling_model(folder)
    with run_folder(folder) as running:
        yield running


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    write_scaling_model(folder)
    with run_folder(folder, limits=LIMITS) as running:
        yield running


def _request(body: bytes = BODY, *headers: str) -> bytes:
    lines = ["POST /v2/models/scale/infer HTTP/1.1", "host: test", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _connect(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.http_port), timeout=5)


def _read_all(client: socket.socket) -> bytes:
    received = b""
    while block := client.recv(65_536):
        received += block
    return received


def test_tensors_are_multiplied(server: RunningServer) -> None:
    response = server.infer(1, 2, 3, 4)
    assert response.status_code == 200
    assert response.json()["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [2, 4, 6, 8]}]


def test_metadata_describes_the_graph(server: RunningServer) -> None:
    document = server.client.get("/v2/models/scale").json()
    assert document["versions"] == ["1"]
    assert document["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    assert document["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}]


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/ping"])
def test_probes_succeed(server: RunningServer, path: str) -> None:
    assert server.client.get(path).status_code == 200


def test_pipelined_requests_get_their_responses_in_order(server: RunningServer) -> None:
    bodies = [BODY.replace(b"[1,2]}", b"[%d,0]}" % number) for number in range(30)]
    with _connect(server) as client:
        client.sendall(b"".join(map(_request, bodies)))
        client.shutdown(socket.SHUT_WR)  # a half-closed connection still gets its responses
        responses = _read_all(client).split(b"HTTP/1.1 200 OK")[1:]
    values = [json.loads(response.partition(b"\r\n\r\n")[2])["outputs"][0]["data"][0] for response in responses]
    assert values == [2 * number for number in range(30)]


def test_a_request_may_come_byte_by_byte(server: RunningServer) -> None:
    with _connect(server) as client:
        for byte in _request():
            client.send(bytes([byte]))
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")


def test_chunked_bodies_are_read(server: RunningServer) -> None:
    response = server.client.post("/v2/models/scale/infer", content=iter([BODY[:10], BODY[10:]]))
    assert response.status_code == 200


def test_a_client_that_expects_100_continue_gets_it_before_the_response(server: RunningServer) -> None:
    with _connect(server) as client:
        client.sendall(_request(BODY, "expect: 100-continue")[: -len(BODY)])
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(BODY)
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")


def test_head_has_no_body(server: RunningServer) -> None:
    response = server.client.head("/ping")
    assert (response.status_code, response.content) == (200, b"")


def test_the_body_limit_applies_to_the_decompressed_body(strict: RunningServer) -> None:
    content, headers = gzip.compress(b" " * 1_001), {"content-encoding": "gzip"}
    response = strict.client.post("/v2/models/scale/infer", content=content, headers=headers)
    assert (response.status_code, "more than 1000 bytes" in response.text) == (413, True)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /v2 HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (_request(b"a" * 1_001), 413),
        (_request(b"")[:-4].replace(b"content-length: 0", b"transfer-encoding: chunked")
         + b"\r\n\r\n" + b"3e9\r\n" + b"a" * 0x3E9 + b"\r\n", 413),
        (b"GET /v2 HTTP/1.1\r\nlarge: " + b"a" * 1_000_000, 431),
        (b"GET /v2 HTTP/1.1\r\n" + b"".join(b"h%d: a\r\n" % number for number in range(400)) + b"\r\n", 431),
        (b"POST /v2/models/scale/infer HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nslow", 408),
        (b"GET /v2 HTTP/1.1\r\nhos", 408),
    ],
    ids=["no HTTP", "two lengths", "body", "chunks", "header", "many headers", "slow body", "slow head"],
)  # fmt: skip
def test_an_invalid_request_gets_an_error_status_and_closes_the_connection(
    strict: RunningServer, sent: bytes, status: int
) -> None:
    with _connect(strict) as client:
        try:
            client.sendall(sent)
            response = _read_all(client)
        except ConnectionError:
            response = b""  # closed while it was still sending
    assert response.startswith(b"HTTP/1.1 %d" % status) or (status == 431 and len(sent) > 500_000 and not response)
    assert strict.infer(1, 2).status_code == 200


def test_idle_connections_are_closed(strict: RunningServer) -> None:
    with _connect(strict) as client:
        client.sendall(_request())
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        assert client.recv(1) == b""


def test_connections_beyond_the_limit_are_refused(strict: RunningServer) -> None:
    clients = [_connect(strict) for _ in range(21)]
    try:
        assert clients[-1].recv(100).startswith(b"HTTP/1.1 503")
    finally:
        for client in clients:
            client.close()


def test_an_api_key_is_required(tmp_path: Path) -> None:
    write_scaling_model(tmp_path)
    with run_folder(tmp_path, authenticator=FixedKeys(["secret"], LOCAL_TENANT)) as server:
        url = "/v2/models/scale"
        assert server.client.get(url).status_code == 401
        assert server.client.get(url, headers={"x-api-key": "other"}).status_code == 401
        assert server.client.get(url, headers={"x-api-key": "secret"}).status_code == 200
        assert server.client.get(url, headers={"authorization": "Bearer secret"}).status_code == 200
        assert server.client.get("/v2/health/ready").status_code == 200


def test_requests_above_the_limit_are_refused_with_retry_after(tmp_path: Path) -> None:
    write_scaling_model(tmp_path)
    with run_folder(tmp_path, limits=ServerLimits(max_concurrent=0)) as server:
        response = server.infer(1, 2)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(("milliseconds", "status"), [("0", 504), ("60000", 200), ("soon", 200), ("9" * 5_000, 200)])
def test_a_request_is_not_run_after_the_deadline_of_its_proxy(
    server: RunningServer, milliseconds: str, status: int
) -> None:
    slow = b" " * MAX_INLINE_BYTES + BODY  # it waits for a thread
    response = server.client.post(
        "/v2/models/scale/infer", content=slow, headers={"x-envoy-expected-rq-timeout-ms": milliseconds}
    )
    assert response.status_code == status
    if status == 504:
        assert "deadline" in response.json()["error"]


def test_logs_have_facts_and_no_values(server: RunningServer) -> None:
    server.infer(123.25, 77)
    lines = [json.loads(line) for line in server.logs.getvalue().splitlines()]
    assert lines[-1].items() >= {"protocol": "http", "status": "200", "model": "scale", "version": 1, "rows": 1}.items()
    assert b"123.25" not in server.logs.getvalue()


def test_metrics_count_requests_and_rows(server: RunningServer) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    before = _sample(server, "modeldrop_rows_total")
    server.infer(1, 2, 3, 4, 5, 6)
    assert _sample(server, "modeldrop_rows_total") == before + 3
    families = text_string_to_metric_families(server.client.get("/metrics").text)
    assert "modeldrop_request_duration_seconds" in {family.name for family in families}


def _sample(server: RunningServer, name: str) -> float:
    lines = server.client.get("/metrics").text.splitlines()
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name}{{")), 0.0)


def test_a_replaced_file_is_served_without_a_failed_request(tmp_path: Path) -> None:
    write_scaling_model(tmp_path)
    with run_folder(tmp_path, refresh_seconds=0.02) as server:
        statuses, factors = set(), []
        for version in range(2, 5):
            write_scaling_model(tmp_path, version=version, factor=version + 1)
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                response = server.infer(1, 0)
                statuses.add(response.status_code)
                factors.append(response.json()["outputs"][0]["data"][0])
                if factors[-1] == version + 1:
                    break
        assert statuses == {200}
        assert factors == sorted(factors)  # never back to an older version
        assert factors[-1] == 5


def test_a_model_whose_file_disappears_is_not_found(tmp_path: Path) -> None:
    path = write_scaling_model(tmp_path)
    with run_folder(tmp_path) as server:
        path.unlink()
        server.models.refresh()
        assert server.infer(1, 2).status_code == 404
        assert server.client.get("/v2/health/live").status_code == 200


def test_idle_connections_do_not_delay_the_shutdown(tmp_path: Path) -> None:
    write_scaling_model(tmp_path)
    with run_folder(tmp_path) as server:
        with _connect(server) as client:
            server.stop()
            assert client.recv(1) == b""
        with pytest.raises(ConnectionError):
            _connect(server)


def test_a_request_during_the_shutdown_gets_a_response_with_connection_close(tmp_path: Path) -> None:
    write_scaling_model(tmp_path)
    with run_folder(tmp_path) as server, _connect(server) as client:
        client.sendall(_request())
        assert b"connection: close" not in client.recv(65_536)
        ending = threading.Thread(target=server.stop)
        ending.start()
        while _accepts(server):
            time.sleep(0.005)
        client.sendall(_request())
        response = _read_all(client)
        ending.join()
    assert response.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in response


def _accepts(server: RunningServer) -> bool:
    try:
        _connect(server).close()
    except ConnectionError:
        return False
    return True


def test_models_are_listed_unloaded_and_loaded(tmp_path: Path) -> None:
    write_scaling_model(tmp_path)
    with run_folder(tmp_path) as server:
        base = "/v2/repository"
        ready = [{"name": "scale", "version": "1", "state": "READY"}]
        assert server.client.post(f"{base}/index").json() == ready
        assert server.client.post(f"{base}/models/scale/unload").status_code == 200
        assert server.infer(1, 2).status_code == 404
        assert server.client.post(f"{base}/index", json={"ready": True}).json() == []
        assert server.client.post(f"{base}/models/scale/load", json={}).status_code == 200
        assert server.infer(1, 2).status_code == 200
        assert server.client.post(f"{base}/models/other/load").status_code == 404
        assert server.client.post(f"{base}/other").status_code == 404
        assert server.client.get(f"{base}/index").status_code == 405
        assert server.client.post(f"{base}/index", content=b"[]").status_code == 400


def test_requests_with_a_remembered_head_get_correct_responses(server: RunningServer) -> None:
    bodies = [BODY.replace(b"[1,2]}", b"[%d,%d]}" % (number, number + 1)) for number in range(8)]
    with _connect(server) as client:
        for number, body in enumerate(bodies):
            client.sendall(_request(body))
            response = client.recv(65_536)
            assert json.loads(response.partition(b"\r\n\r\n")[2])["outputs"][0]["data"] == [2 * number, 2 * number + 2]
        client.sendall(_request(b'{"inputs":3}'))
        assert client.recv(65_536).startswith(b"HTTP/1.1 400")
        client.sendall(_request() + _request())  # a known head, and then another request
        received = b""
        while received.count(b"HTTP/1.1 200") < 2:
            received += client.recv(65_536)
        client.sendall(_request()[:-1])  # a known head, and not yet all of its body
        client.sendall(BODY[-1:])
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        client.sendall(_request(BODY, "connection: close"))
        assert b"connection: close" in _read_all(client)


def test_a_declined_upgrade_closes_the_connection_each_time(server: RunningServer) -> None:
    for _ in range(2):
        with _connect(server) as client:
            client.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
            assert _read_all(client).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 003\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nlong: " + b"a" * 2_048 + b"\r\n\r\n",
    ],
    ids=["chunks", "padded length", "more bytes", "two requests", "long"],
)
def test_heads_of_unusual_requests_are_not_remembered(sent: bytes) -> None:
    heads = HeadCache()
    method, _, _ = sent.partition(b" ")
    lines = sent.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    headers = dict(line.split(": ", 1) for line in lines)
    heads.remember(sent, HttpRequest(method.decode(), "/", b"abc" if method == b"POST" else b"", headers))
    assert heads.find(sent[: sent.find(b"\r\n\r\n") + 4]) is None


def test_remembered_heads_are_bounded() -> None:
    heads = HeadCache()
    for number in range(10_000):
        head = b"GET /%d HTTP/1.1\r\n\r\n" % number
        heads.remember(head, HttpRequest("GET", f"/{number}"))
        assert heads.find(head) is not None
    forgotten = [number for number in range(10_000) if heads.find(b"GET /%d HTTP/1.1\r\n\r\n" % number) is None]
    assert len(forgotten) >= 10_000 - 4_096
