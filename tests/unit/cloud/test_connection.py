"""Connections: responses, reuse of connections, and verification of certificates."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline.cloud.signed.connection import BrokenResponseError, ServiceConnection
from pipeline.cloud.signed.service import SignedService
from pipeline.cloud.signed.signature import Credentials
from pipeline.cloud.signed.tls import amazon_context, open_tls, system_context
from pipeline.contracts.errors import TransientError
from tests.helpers.certificates import Authority, write_certificates

CLOSE = b""  # instead of a piece: the server closes the connection
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
S3 = "s3.us-east-1.amazonaws.com"
OPTIONS: dict[str, Any] = {"service": "s3", "region": "us-east-1", "credentials": Credentials("AKID", "secret")}


class Server:
    """Answers each request with the next pieces of bytes, and closes the connection where there are none."""

    def __init__(
        self, answers: Sequence[Sequence[bytes]], context: ssl.SSLContext | None, before_answer: Callable[[], Any]
    ) -> None:
        self._answers = iter(answers)
        self._context = context
        self._before_answer = before_answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.requests: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        with suppress(OSError), accepted:
            stream = self._context.wrap_socket(accepted, server_side=True) if self._context else accepted
            with stream:
                while request := stream.recv(65_536):
                    self.requests.append(request)
                    self._before_answer()
                    pieces = next(self._answers, None)
                    if pieces is None:
                        return
                    for piece in pieces:
                        if piece == CLOSE:
                            return
                        stream.sendall(piece)


@contextmanager
def serve(
    *answers: Sequence[bytes],
    context: ssl.SSLContext | None = None,
    before_answer: Callable[[], Any] = lambda: None,
) -> Iterator[Server]:
    server = Server(answers, context, before_answer)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def connect(server: Server, *, scheme: str = "http", timeout: float = 5) -> Iterator[ServiceConnection]:
    with closing(ServiceConnection(urlsplit(f"{scheme}://127.0.0.1:{server.port}"), timeout=timeout)) as connection:
        yield connection


@contextmanager
def call(server: Server, waits: list[float], *, scheme: str = "http") -> Iterator[Callable[[], bytes]]:
    """Yield a function that calls a service at the server, and append the waits between attempts to ``waits``."""
    with closing(SignedService(f"{scheme}://127.0.0.1:{server.port}", sleep=waits.append, **OPTIONS)) as service:
        yield lambda: service.call("GET", "/", resource="the bucket b").body


@pytest.mark.parametrize(
    "pieces",
    [
        [OK],
        [OK[:1], OK[1:25], OK[25:]],
        [b"HTTP/1.1 100 Continue\r\n\r\n", OK],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n", b"1\r\nk\r\n0\r\n\r\n"],
    ],
)
def test_a_response_is_read_from_pieces_of_any_size(pieces: list[bytes]) -> None:
    with serve(pieces, pieces) as server, connect(server) as connection:
        for _ in range(2):
            assert connection.request("GET", "/a", {"x-b": "c"}, b"") == (200, b"ok")
            assert connection.is_open
        assert server.connections == 1
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"GET /a HTTP/1.1", f"host: 127.0.0.1:{server.port}".encode(), b"accept-encoding: identity", b"x-b: c",
    ]  # fmt: skip
    assert body == b""


def test_a_body_is_sent_with_its_length() -> None:
    with serve([OK]) as server, connect(server) as connection:
        connection.request("POST", "/", {}, b"body")
    assert server.requests[0].endswith(b"content-length: 4\r\n\r\nbody")


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        OK + OK,  # a second response that nobody asked for
        OK + b"what is this",
    ],
)
def test_a_connection_is_closed_after_a_final_or_unexpected_response(response: bytes) -> None:
    with serve([response]) as server, connect(server) as connection:
        assert connection.request("GET", "/", {}, b"").body == b"ok"
        assert not connection.is_open


def test_a_redirect_is_returned_and_not_followed() -> None:
    with (
        serve([b"HTTP/1.1 307 T\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n"]) as server,
        connect(server) as connection,
    ):
        assert connection.request("GET", "/", {}, b"").status == 307


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"HTTP/1.1 200 OK\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok"],
        [b"HTTP/1.1 200 OK\r\n\r\nends with the connection"],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 9\r\n\r\nok"],
        [b"SSH-2.0-OpenSSH_9.6\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000],
    ],
)
def test_an_invalid_response_is_an_error_and_closes_the_connection(pieces: list[bytes]) -> None:
    with serve([*pieces, CLOSE]) as server, connect(server) as connection:
        with pytest.raises(BrokenResponseError):
            connection.request("GET", "/", {}, b"")
        assert not connection.is_open


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/a b", {}), ("/a\r\nx: y", {}), ("/é", {}), ("/", {"x": "a\r\nhost: b"}), ("/", {"x": "a\nb"}),
        ("/", {"x\r\ny": "a"}), ("/", {"x": "a\0"}), ("/", {"x": "é"}),
    ],
)  # fmt: skip
def test_a_request_with_unsafe_characters_is_refused(path: str, headers: dict[str, str]) -> None:
    with serve([OK]) as server, connect(server) as connection:
        with pytest.raises(ValueError, match="printable ASCII"):
            connection.request("GET", path, headers, b"")
        assert server.requests == []


def test_a_server_that_does_not_respond_times_out() -> None:
    with serve([]) as server, connect(server, timeout=0.05) as connection, pytest.raises(TimeoutError):
        connection.request("GET", "/", {}, b"")


def test_a_connection_is_reused_and_replaced_without_a_wait_when_the_server_closed_it() -> None:
    waits: list[float] = []
    with serve([OK], [OK, CLOSE], [OK]) as server, call(server, waits) as get:
        assert (get(), get()) == (b"ok", b"ok")
        assert server.connections == 1
        time.sleep(0.05)  # the server closes the connection meanwhile
        assert get() == b"ok"
        assert server.connections == 2
    assert waits == []


def test_a_connection_idle_for_a_minute_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen or restored function does not notice that the server closed the connection."""
    with serve([OK], [OK]) as server, call(server, []) as get:
        get()
        later = time.time() + 61
        monkeypatch.setattr("time.time", lambda: later)
        get()
    assert server.connections == 2


def test_a_request_is_retried_when_its_connection_breaks() -> None:
    waits: list[float] = []
    with serve([OK[:30], CLOSE], [CLOSE], [OK]) as server, call(server, waits) as get:
        assert get() == b"ok"
    assert waits == [0.1, 0.2]


def test_concurrent_requests_have_separate_connections() -> None:
    together = threading.Barrier(4, timeout=5)
    bodies: list[bytes] = []
    with serve(*[[OK]] * 4, before_answer=together.wait) as server, call(server, []) as get:
        threads = [threading.Thread(target=lambda: bodies.append(get())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (bodies, server.connections) == ([b"ok"] * 4, 4)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return write_certificates(tmp_path_factory.mktemp("tls"), S3)


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.certificate, authority.key)
    return context


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> Iterator[Path]:
    """The system trusts the tests' authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    system_context.cache_clear()
    yield authority.ca
    system_context.cache_clear()


@pytest.mark.usefixtures("trusted")
def test_https_accepts_a_certificate_of_a_trusted_authority(context: ssl.SSLContext) -> None:
    with serve([OK], [OK[:20], OK[20:]], context=context) as server, call(server, [], scheme="https") as get:
        assert (get(), get()) == (b"ok", b"ok")
        assert server.connections == 1
    assert system_context().minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.usefixtures("trusted")
def test_https_with_the_certificate_of_another_host_is_refused(context: ssl.SSLContext) -> None:
    with serve([OK], context=context) as server, pytest.raises(ssl.SSLCertVerificationError, match="localhost"):
        ServiceConnection(urlsplit(f"https://localhost:{server.port}"), timeout=5)
    assert server.requests == []


def test_https_with_a_certificate_of_an_unknown_authority_is_refused(context: ssl.SSLContext) -> None:
    system_context.cache_clear()
    with (
        serve([OK], context=context) as server,
        call(server, [], scheme="https") as get,
        pytest.raises(TransientError, match="SSLCertVerificationError"),
    ):
        get()
    assert server.requests == []


@pytest.mark.usefixtures("trusted")
def test_https_to_a_server_without_tls_is_an_error() -> None:
    with serve([OK]) as server, pytest.raises(OSError):  # noqa: PT011, SIM117 - which one depends on OpenSSL
        with connect(server, scheme="https"):
            pass


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_an_aws_host_may_be_verified_by_the_system_authorities(
    context: ssl.SSLContext,
) -> None:
    with serve([OK], context=context) as server, open_tls(("127.0.0.1", server.port), S3.encode(), timeout=5) as tls:
        assert tls.getpeercert()
    assert server.connections == 2


def test_a_certificate_of_an_aws_host_by_an_untrusted_authority_is_refused(context: ssl.SSLContext) -> None:
    system_context.cache_clear()
    with serve([OK], context=context) as server, pytest.raises(ssl.SSLCertVerificationError):
        open_tls(("127.0.0.1", server.port), S3.encode(), timeout=5)


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_another_aws_host_is_refused(context: ssl.SSLContext) -> None:
    with serve([OK], context=context) as server, pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        open_tls(("127.0.0.1", server.port), b"dynamodb.us-east-1.amazonaws.com", timeout=5)


def test_the_amazon_context_trusts_the_five_recommended_authorities() -> None:
    names = [
        dict(pair for (pair,) in authority["subject"])["commonName"] for authority in amazon_context().get_ca_certs()
    ]
    assert names == [
        *(f"Amazon Root CA {number}" for number in (1, 2, 3, 4)),
        "Starfield Services Root Certificate Authority - G2",
    ]
    assert amazon_context().check_hostname
    assert amazon_context().verify_mode == ssl.CERT_REQUIRED
