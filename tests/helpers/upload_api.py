"""The upload API with its real use case, and a bucket in memory, as a handler of an httpx transport."""

from __future__ import annotations

from collections.abc import Callable
from email.parser import BytesParser
from typing import Any

import httpx

from modeldrop import Client
from pipeline.registry.audit import AuditLog
from pipeline.serving.api.errors import respond_to_error
from pipeline.serving.api.messages import Caller
from pipeline.use_cases.management.audited_calls import parse_body
from pipeline.use_cases.management.grant_upload import GrantUpload, MultipartEnd, MultipartRequest, UploadRequest
from tests.fakes.table import FakeTable
from tests.fakes.upload_grants import FakeUploadGrants

__all__ = ["KEY", "URL", "UploadApi"]

URL, KEY = "https://api.example/v1", "md_key"
PUBLISHER = Caller("demo", frozenset({"publish", "read"}), principal="ci")


class UploadApi:
    """API and bucket; ``fail`` are status codes of the bucket's next responses, ``get`` responds to GET requests."""

    def __init__(self, caller: Caller = PUBLISHER) -> None:
        self.grants, self.caller = FakeUploadGrants(), caller
        self.granter = GrantUpload(grants=self.grants, audit=AuditLog(FakeTable()))
        self.objects: dict[str, bytes] = {}
        self.stored: list[int] = []
        self.fail: list[int] = []
        self.get: Callable[[str], httpx.Response] = lambda path: httpx.Response(404, json={"error": "no such run"})

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.host != "api.example":
            assert "x-api-key" not in request.headers
            return self._store(request)
        assert request.headers["x-api-key"] == KEY
        routes: dict[str, Callable[[str], dict[str, Any]]] = {
            "/v1/registry/uploads": lambda body: self.granter.form(self.caller, parse_body(UploadRequest, body)),
            "/v1/registry/uploads/multipart": lambda body: self.granter.parts(
                self.caller, parse_body(MultipartRequest, body)
            ),
            "/v1/registry/uploads/multipart/complete": lambda body: self.granter.complete(
                self.caller, parse_body(MultipartEnd, body)
            ),
        }
        if request.method == "GET":
            return self.get(request.url.path)
        try:
            return httpx.Response(201, json=routes[request.url.path](request.content.decode()))
        except Exception as error:  # noqa: BLE001 - the API's handlers catch all errors, too
            response = respond_to_error(error, "test")
            return httpx.Response(response.status, content=response.body)

    def _store(self, request: httpx.Request) -> httpx.Response:
        if self.fail and (status := self.fail.pop(0)) != 200:
            return httpx.Response(status)
        if request.method == "POST":
            fields = _form(request)
            self.objects[fields["key"].decode()] = fields["file"]
            return httpx.Response(204, headers={"x-amz-version-id": "v1"})
        query, key = dict(request.url.params), request.url.path.removeprefix("/")
        assert len(request.content) == int(query["bytes"])
        self.grants.put_part(key, query["upload"], int(query["part"]), len(request.content))
        self.stored.append(int(query["part"]))
        return httpx.Response(200)

    def client(self) -> Client:
        return Client(URL, KEY, transport=httpx.MockTransport(self.answer))


def _form(request: httpx.Request) -> dict[str, bytes]:
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + request.content)
    return {
        str(entry.get_param("name", header="content-disposition")): bytes(entry.get_payload(decode=True))
        for entry in message.get_payload()
    }  # fmt: skip
