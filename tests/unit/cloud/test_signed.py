"""Signed requests: signatures equal those of botocore, and responses become values or error classes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from pipeline.cloud.signed.service import SignedService
from pipeline.cloud.signed.signature import Credentials, sign
from pipeline.cloud.signed.stores import SignedBucket, SignedTable
from pipeline.contracts.errors import ConfigurationError, ModeldropError, ObjectNotFoundError, TransientError

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "token")
OPTIONS: dict[str, Any] = {"region": "us-east-1", "credentials": CREDENTIALS}


@pytest.mark.parametrize("token", [None, "token"])
@pytest.mark.parametrize(
    ("service", "method", "path", "body"),
    [("dynamodb", "POST", "/", b'{"TableName": "t"}'), ("s3", "GET", "/bucket/tenants/a%20b/%C3%A9", b"")],
)
def test_the_signature_equals_that_of_botocore(
    service: str, method: str, path: str, body: bytes, token: str | None
) -> None:
    credentials = CREDENTIALS._replace(session_token=token)
    url = f"https://{service}.us-east-1.amazonaws.com"
    headers = {"x-amz-target": "DynamoDB_20120810.GetItem"} if service == "dynamodb" else {}
    signed = sign(
        method=method, host=url.removeprefix("https://"), path=path, headers=headers, body=body, service=service,
        region="us-east-1", credentials=credentials, now=datetime.now(UTC),
    )  # fmt: skip
    request = AWSRequest(method, url + path, dict(headers), body)
    request.headers["x-amz-content-sha256"] = signed["x-amz-content-sha256"]
    request.context["timestamp"] = signed["x-amz-date"]
    auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(BotocoreCredentials(*credentials), service, "us-east-1")
    request.headers["X-Amz-Date"] = signed["x-amz-date"]
    if token:
        request.headers["X-Amz-Security-Token"] = token
    canonical = auth.canonical_request(request)
    expected = auth.signature(auth.string_to_sign(request, canonical), request)
    assert signed["authorization"].endswith(f"Signature={expected}")


@contextmanager
def service(*responses: tuple[int, bytes]) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Serve these responses, the last one repeatedly; yield the URL and the received requests."""
    requests: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body = responses[min(len(requests), len(responses) - 1)]
            requests.append((self.path, self.rfile.read(int(self.headers.get("Content-Length") or 0))))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_item_is_read_by_its_key() -> None:
    body = json.dumps({"Item": {"version": {"N": "3"}, "pk": {"S": "a"}}}).encode()
    with service((200, body), (200, b"{}")) as (url, requests):
        table = SignedTable("t", endpoint_url=url, **OPTIONS)
        assert table.get("a", "b") == {"version": 3, "pk": "a"}
        assert table.get("a", "c") is None
    assert json.loads(requests[0][1])["Key"] == {"pk": {"S": "a"}, "sk": {"S": "b"}}


def test_all_pages_of_a_query_are_read() -> None:
    pages = [{"Items": [{"n": {"N": "1"}}], "LastEvaluatedKey": {"pk": {"S": "a"}}}, {"Items": [{"n": {"N": "2"}}]}]
    with service(*((200, json.dumps(page).encode()) for page in pages)) as (url, requests):
        assert SignedTable("t", endpoint_url=url, **OPTIONS).query("a", "V#") == [{"n": 1}, {"n": 2}]
    assert json.loads(requests[1][1])["ExclusiveStartKey"] == {"pk": {"S": "a"}}


def test_a_limited_query_reads_no_more_pages_than_it_needs() -> None:
    page = {"Items": [{"n": {"N": "3"}}, {"n": {"N": "2"}}], "LastEvaluatedKey": {"pk": {"S": "a"}}}
    with service((200, json.dumps(page).encode())) as (url, requests):
        table = SignedTable("t", endpoint_url=url, **OPTIONS)
        assert table.query("a", "V#", newest_first=True, limit=2) == [{"n": 3}, {"n": 2}]
    request = json.loads(requests[0][1])
    assert (request["ScanIndexForward"], request["Limit"]) == (False, 2)


def test_an_object_is_read_by_its_encoded_key() -> None:
    with service((200, b"bytes")) as (url, requests):
        assert SignedBucket("b", endpoint_url=url, **OPTIONS).get("tenants/a b/é") == b"bytes"
    assert requests[0][0] == "/b/tenants/a%20b/%C3%A9"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, b"<Error><Code>NoSuchKey</Code></Error>", ObjectNotFoundError),
        (404, b"<Error><Code>NoSuchBucket</Code></Error>", ConfigurationError),
        (403, b"<Error><Code>AccessDenied</Code></Error>", ConfigurationError),
        (403, b"", ConfigurationError),
        (400, b"<Error><Code>BadDigest</Code></Error>", ConfigurationError),
    ],
)
def test_a_refusal_of_the_bucket_is_translated_to_an_error_class(
    status: int, body: bytes, error: type[ModeldropError]
) -> None:
    with service((status, body)) as (url, _), pytest.raises(error):
        SignedBucket("b", endpoint_url=url, **OPTIONS).get("key")


@pytest.mark.parametrize(
    ("kind", "error"),
    [("ResourceNotFoundException", ConfigurationError), ("ExpiredTokenException", ConfigurationError)],
)
def test_a_refusal_of_the_table_is_translated_to_an_error_class(kind: str, error: type[ModeldropError]) -> None:
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{kind}"}).encode()
    with service((400, body)) as (url, _), pytest.raises(error):
        SignedTable("t", endpoint_url=url, **OPTIONS).get("a", "b")


def test_a_busy_service_is_retried_and_then_a_transient_error() -> None:
    waits: list[float] = []
    options = {**OPTIONS, "service": "s3", "sleep": waits.append}
    with service((503, b""), (400, b'{"__type": "x#ThrottlingException"}'), (200, b"bytes")) as (url, _):
        assert SignedService(url, **options).call("GET", "/", resource="the bucket b").body == b"bytes"
    assert waits == [0.1, 0.2]
    with service((500, b"")) as (url, requests), pytest.raises(TransientError, match="the bucket b"):
        SignedService(url, **options).call("GET", "/", resource="the bucket b")
    assert len(requests) == 4


def test_an_unreachable_service_is_a_transient_error() -> None:
    service = SignedService("http://127.0.0.1:9", service="s3", sleep=lambda _: None, **OPTIONS)
    with pytest.raises(TransientError, match="the bucket b"):
        service.call("GET", "/", resource="the bucket b")
