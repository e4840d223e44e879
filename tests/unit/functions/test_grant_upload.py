"""grant_upload: the signatures and refusals of every route."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.contracts.object_keys import run_name
from pipeline.contracts.upload_metadata import make_metadata
from pipeline.registry.audit import AuditLog
from pipeline.use_cases.management.grant_upload import MAX_PARTS, MAX_URLS, MIN_PART_BYTES, GrantUpload
from tests.fakes.table import FakeTable
from tests.fakes.upload_grants import FakeUploadGrants
from tests.helpers.api_requests import Api, authorized
from tests.helpers.template import api_routes

PUBLISHER = {"principal": "ci", "permissions": "predict,publish,read"}
FORM, PARTS = "/registry/uploads", "/registry/uploads/multipart"
COMPLETE, ABORT = f"{PARTS}/complete", f"{PARTS}/abort"
FILE = {"model": "adult", "file": "adult.csv"}
KEY = "demo/adult/adult.csv"
BIG = 2 * MIN_PART_BYTES + 5


class World:
    """The function over signatures in memory."""

    def __init__(self, api: Api) -> None:
        self.api, self.grants, self.audit = api, FakeUploadGrants(), AuditLog(FakeTable())
        granter = GrantUpload(grants=self.grants, audit=self.audit, now=lambda: datetime(2026, 11, 30, 12, tzinfo=UTC))
        api.give(granter_of=lambda tenant: granter)

    def call(self, path: str, body: object, authorizer: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        text = body if isinstance(body, str) else json.dumps(body)
        return self.api.ask(authorized("grant_upload", {**PUBLISHER, **(authorizer or {})}, path=path, body=text))

    def begin(self) -> str:
        return str(self.call(PARTS, {**FILE, "bytes": BIG})[1]["upload_id"])


@pytest.fixture
def world(capsys: pytest.CaptureFixture[str]) -> World:
    return World(Api("grant_upload", capsys))


def test_a_form_is_signed_for_the_folder_of_the_caller(world: World) -> None:
    sha256 = "a" * 64
    status, body = world.call(FORM, {**FILE, "bytes": 5, "sha256": sha256, "target": "größe"})
    assert (status, body["key"], body["bucket"], body["expires_at"]) == (
        201, KEY, "uploads", "2026-11-30T12:15:00+00:00",
    )  # fmt: skip
    assert body["fields"] == {"key": KEY, "sha256": sha256}
    announced = {"announced-bytes": "5", "announced-sha256": sha256}
    assert world.grants.metadata[KEY] == {**make_metadata("größe"), **announced}


def test_the_parts_of_a_large_file_are_signed_and_completed(world: World) -> None:
    status, body = world.call(PARTS, {**FILE, "bytes": BIG})
    assert status == 201
    assert [(part["number"], part["bytes"]) for part in body["parts"]] == [
        (1, MIN_PART_BYTES), (2, MIN_PART_BYTES), (3, 5),
    ]  # fmt: skip
    for part in body["parts"]:
        world.grants.put_part(KEY, body["upload_id"], part["number"], part["bytes"])
    status, completed = world.call(COMPLETE, {**FILE, "bytes": BIG, "upload_id": body["upload_id"]})
    assert (status, completed["version_id"], world.grants.completed) == (200, "v1", {KEY: BIG})
    assert completed["run"] == run_name("demo", "adult", "uploads", KEY, "v1")


def test_an_upload_resumes_with_the_missing_parts(world: World) -> None:
    upload_id = world.begin()
    world.grants.put_part(KEY, upload_id, 2, MIN_PART_BYTES)
    status, body = world.call(PARTS, {**FILE, "bytes": BIG, "upload_id": upload_id})
    assert (status, [part["number"] for part in body["parts"]], body["done"]) == (200, [1, 3], [2])
    status, body = world.call(COMPLETE, {**FILE, "bytes": BIG, "upload_id": upload_id})
    assert (status, world.grants.completed) == (409, {})
    assert "1, 3" in body["error"]


def test_a_companion_starts_no_run(world: World) -> None:
    file = {"model": "adult", "file": "test.csv"}
    upload_id = world.call(PARTS, {**file, "bytes": 5})[1]["upload_id"]
    world.grants.put_part("demo/adult/test.csv", upload_id, 1, 5)
    assert world.call(COMPLETE, {**file, "bytes": 5, "upload_id": upload_id})[1]["run"] is None


def test_the_largest_file_has_a_bounded_number_of_parts_and_urls(world: World) -> None:
    body = world.call(PARTS, {**FILE, "bytes": 40 << 30})[1]
    assert -(-(40 << 30) // body["part_bytes"]) <= MAX_PARTS
    assert len(body["parts"]) == MAX_URLS


def test_an_aborted_upload_is_not_found_and_aborting_is_idempotent(world: World) -> None:
    end = {**FILE, "upload_id": world.begin()}
    assert world.call(ABORT, end)[0] == world.call(ABORT, end)[0] == 200
    assert world.call(COMPLETE, end)[0] == 404
    assert world.call(PARTS, {**end, "bytes": BIG})[0] == 404


@pytest.mark.parametrize(
    ("body", "authorizer", "status"),
    [
        ({**FILE, "bytes": 5}, {"permissions": "predict,read"}, 403),
        ({**FILE, "bytes": 5}, {"models": "houses"}, 404),
        ({**FILE, "bytes": 5}, {"tenant": ""}, 401),
        ({**FILE, "bytes": 0}, {}, 400),
        ({**FILE, "bytes": (5 << 30) + 1}, {}, 400),
        ({**FILE, "bytes": "5"}, {}, 400),
        (FILE, {}, 400),
        ({**FILE, "bytes": 5, "sha256": "A" * 64}, {}, 400),
        ({**FILE, "bytes": 5, "target": ""}, {}, 400),
        ({**FILE, "bytes": 5, "size": 5}, {}, 400),
        ({"model": "../acme", "file": "a.csv", "bytes": 5}, {}, 400),
        ({"model": "live", "file": "a.csv", "bytes": 5}, {}, 400),
        *(({"model": "adult", "file": name, "bytes": 5}, {}, 400)
          for name in ("", " ", "..", "../a.csv", "a/b.csv", "a\\b.csv", "/a.csv", "a\n.csv", "a" * 256, "é" * 128)),
        ("[", {}, 400),
        ("", {}, 400),
    ],
)  # fmt: skip
def test_a_refused_request_has_an_error_status_and_signs_nothing(
    world: World, body: object, authorizer: dict[str, Any], status: int
) -> None:
    for path in (FORM, PARTS):
        if status != 400 or path == FORM or not (isinstance(body, dict) and body.get("bytes") == (5 << 30) + 1):
            got, document = world.call(path, body, authorizer)
            assert (got, set(document)) == (status, {"error"})
    assert world.grants.metadata == {}


def test_grants_and_denied_calls_are_in_the_audit_log(world: World) -> None:
    world.call(FORM, {**FILE, "bytes": 5})
    world.call(FORM, {**FILE, "bytes": 5}, {"permissions": "read"})
    entries = [(entry.action, entry.resource, entry.outcome) for entry in world.audit.list(tenant="demo")]
    assert sorted(entries) == [("upload", "adult/adult.csv", "allowed"), ("upload", "adult/adult.csv", "denied")]


CHANGES: dict[str, dict[str, Any]] = {  # by path: a body that is granted
    FORM: {**FILE, "bytes": 5},
    PARTS: {**FILE, "bytes": BIG},
    COMPLETE: {**FILE, "bytes": BIG},
    ABORT: FILE,
}


def test_the_audit_tests_cover_every_route() -> None:
    assert api_routes("GrantUploadFunction") == {f"POST {path}" for path in CHANGES}


@pytest.mark.parametrize("path", CHANGES)
def test_each_grant_and_each_denied_one_is_in_the_audit_log(world: World, path: str) -> None:
    body = CHANGES[path]
    if path in (COMPLETE, ABORT):
        body = {**body, "upload_id": world.begin()}
        for number, size in ((1, MIN_PART_BYTES), (2, MIN_PART_BYTES), (3, 5)):
            world.grants.put_part(KEY, body["upload_id"], number, size)
    assert world.call(path, body, {"permissions": "predict,read", "principal": "jwt:eve"})[0] == 403
    assert world.call(path, body)[0] in (200, 201)
    allowed, denied, *_ = world.audit.list(tenant="demo")
    assert (allowed.principal, allowed.outcome, allowed.action) == ("ci", "allowed", denied.action)
    assert (denied.principal, denied.outcome) == ("jwt:eve", "denied")
