"""describe_models: every route, and every error as ``{"error"}``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.contracts.errors import TransientError
from pipeline.intake.run_log import RunLog
from pipeline.registry.audit import AuditLog
from pipeline.registry.model_registry import ModelRegistry
from pipeline.use_cases.management.denied_calls import DeniedCalls
from pipeline.use_cases.management.model_catalog import ModelCatalog
from tests.fakes.objects import FakeObjectStore
from tests.fakes.table import FakeTable
from tests.helpers.api_requests import Api, authorized
from tests.helpers.served_models import CLASSIFIER, publish


@pytest.fixture
def api(capsys: pytest.CaptureFixture[str]) -> Api:
    """The function over a registry whose tenant demo has version 1 of adult live."""
    table, artifacts = FakeTable(), FakeObjectStore()
    publish(table, artifacts)
    function = Api("describe_models", capsys)
    function.give(
        catalog=ModelCatalog(ModelRegistry(table, artifacts), artifacts, RunLog(table)),
        denied=DeniedCalls(lambda: AuditLog(table)),
    )
    return function


def get(path: str, authorizer: dict[str, Any] | None = None) -> dict[str, Any]:
    return authorized("describe_models", authorizer, path=path)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/v2", {"name": "modeldrop"}),
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/adult", {"name": "adult", "versions": ["1"], "platform": "onnx_onnxv1"}),
        ("/v2/models/adult/versions/1", {"name": "adult"}),
        ("/v2/models/adult/ready", {"name": "adult", "ready": True}),
        ("/v2/models/adult/versions/1/ready", {"ready": True}),
        (
            "/registry/models",
            {
                "models": [
                    {
                        "model": "adult",
                        "latest_version": 1,
                        "live_version": 1,
                        "aliases": {"live": 1},
                        "tags": {},
                        "task": CLASSIFIER.task,
                        "rollout": None,
                    }
                ]
            },
        ),
        ("/registry/models/adult", {"model": "adult", "live_version": 1}),
        ("/registry/models/adult/versions/1", {"version": 1, "status": "READY", "card": {"test_rows": 10}}),
    ],
)
def test_each_route_returns_its_document(api: Api, path: str, part: dict[str, Any]) -> None:
    status, body = api.ask(get(path))
    assert status == 200
    assert {name: body[name] for name in part} == part


SHARED = {"tenant": "acme", "permissions": "read", "shared": "demo/adult=predict+read"}


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/v2/models/demo/adult", {"name": "adult", "versions": ["1"], "platform": "onnx_onnxv1"}),
        ("/v2/models/demo/adult@live", {"name": "adult"}),
        ("/v2/models/demo/adult/ready", {"name": "adult", "ready": True}),
        ("/v2/models/demo/adult/versions/1", {"name": "adult"}),
        ("/v2/models/demo/adult/versions/1/ready", {"ready": True}),
        ("/v2/models/demo/adult/openapi.json", {"openapi": "3.1.1"}),
    ],
)
def test_a_shared_model_is_described_to_the_other_tenant(api: Api, path: str, part: dict[str, Any]) -> None:
    status, body = api.ask(get(path, SHARED))
    assert (status, {name: body.get(name) for name in part}) == (200, part)
    own = path.replace("/demo/", "/")
    assert api.ask(get(own, SHARED))[0] == 404  # it has none of that name itself
    assert api.ask(get(own))[1].keys() == body.keys()


@pytest.mark.parametrize(
    ("path", "authorizer", "status"),
    [
        ("/v2/models/demo/adult", {"shared": ""}, 404),
        ("/v2/models/demo/houses", {}, 404),
        ("/v2/models/other/adult", {}, 404),
        ("/v2/models/demo/adult/ready", {"models": "adult"}, 404),
        ("/v2/models/demo/adult/versions/1", {"permissions": "predict"}, 403),
        ("/v2/models/demo/adult/versions/x", {}, 404),
        ("/v2/models/demo/adult/versions/7/ready", {}, 404),
        ("/v2/models/demo/adult/openapi.json", {"shared": "demo/other=read"}, 404),
        ("/v2/models/demo/adult/nothing", {}, 404),
    ],
)
def test_a_model_that_is_not_shared_is_not_described(
    api: Api, path: str, authorizer: dict[str, str], status: int
) -> None:
    got, body = api.ask(get(path, {**SHARED, **authorizer}))
    assert (got, list(body)) == (status, ["error"])
    assert "demo" not in body["error"]


def test_the_document_of_a_shared_model_has_its_paths(api: Api) -> None:
    _, body = api.ask(get("/v2/models/demo/adult/openapi.json", SHARED))
    of_models = [path for path in body["paths"] if "{model}" in path]
    assert "/v2/models/demo/{model}/infer" in of_models
    assert all("/models/demo/{model}" in path for path in of_models)
    assert body["info"]["title"] == "modeldrop: demo/adult"


def test_a_preflight_request_needs_no_caller(api: Api) -> None:
    event = get("/v2/models/adult/infer") | {"httpMethod": "OPTIONS", "headers": {"origin": "https://page.example"}}
    event["requestContext"].pop("authorizer", None)
    assert api.call(event)["statusCode"] == 204
    assert api.call(event | {"body": "no base64", "isBase64Encoded": True})["statusCode"] == 204


def test_the_server_metadata_lists_protocol_extensions(api: Api) -> None:
    _, body = api.ask(get("/v2"))
    assert set(body) == {"name", "version", "extensions"}


@pytest.mark.parametrize(
    ("path", "authorizer", "status"),
    [
        ("/v2/models/titanic", {}, 404),
        ("/v2/models/adult/versions/x", {}, 404),
        ("/v2/nothing", {}, 404),
        ("/registry/models/adult", {"tenant": "other"}, 404),
        ("/registry/models/adult", {"models": "houses"}, 404),
        ("/registry/models/adult/history", {"models": "houses"}, 404),
        ("/registry/models/titanic/history", {}, 404),
        ("/v2/models/adult", {"models": "houses"}, 404),
        ("/v2/models/adult@live", {"models": "houses"}, 404),
        ("/registry/models", {"permissions": "predict"}, 403),
        ("/registry/models", {"tenant": ""}, 401),
    ],
)
def test_an_error_is_reported_with_its_status(api: Api, path: str, authorizer: dict[str, Any], status: int) -> None:
    got, body = api.ask(get(path, authorizer))
    assert (got, list(body)) == (status, ["error"])


def test_an_unexpected_exception_is_a_500_without_its_text(api: Api) -> None:
    api.give(catalog=None)
    status, body = api.ask(get("/registry/models"))
    assert status == 500
    assert body["error"].startswith("internal error (request ")


def test_a_request_writes_one_log_line_and_one_metrics_record(api: Api) -> None:
    said = api.said(get("/v2/models/adult"))
    (line,), (record,) = said.lines, said.records
    assert (line["route"], line["status"], record["Crashed"]) == ("/v2/models/{model}", 200, [0.0])


def test_the_history_of_a_model_is_listed(api: Api) -> None:
    status, body = api.ask(get("/registry/models/adult/history"))
    (move,) = body["moves"]
    assert (status, set(move)) == (200, {"at", "alias", "version", "previous", "by", "reason"})
    assert (move["alias"], move["version"], move["previous"]) == ("live", 1, None)


def test_models_are_listed_in_pages(api: Api) -> None:
    table, artifacts = FakeTable(), FakeObjectStore()
    for model in ("a", "b", "c"):
        publish(table, artifacts, model=model, run=f"demo_{model}_000000000001")
    api.give(catalog=ModelCatalog(ModelRegistry(table, artifacts), artifacts, RunLog(table)))

    def page(**query: str) -> tuple[int, Any]:
        return api.ask({**get("/registry/models"), "queryStringParameters": query})

    _, first = page(limit="2")
    _, second = page(limit="2", after=first["next"])
    assert [[model["model"] for model in listed["models"]] for listed in (first, second)] == [["a", "b"], ["c"]]
    assert "next" not in second
    assert [page(limit=limit)[0] for limit in ("0", "1001", "x")] == [400, 400, 400]


def test_a_key_for_some_models_lists_only_these(api: Api) -> None:
    assert api.ask(get("/registry/models", {"models": "houses"}))[1] == {"models": []}
    assert len(api.ask(get("/registry/models", {"models": "adult,houses"}))[1]["models"]) == 1


def test_a_tenant_sees_only_its_rejected_uploads(api: Api) -> None:
    table, artifacts = FakeTable(), FakeObjectStore()
    runs = RunLog(table)
    for key in ("demo/churn.csv", "acme/churn.csv", "churn.csv"):
        runs.reject("uploads", key, "expected TENANT/MODEL/FILE", at=datetime(2026, 1, 2, tzinfo=UTC))
    api.give(catalog=ModelCatalog(ModelRegistry(table, artifacts), artifacts, runs))
    status, body = api.ask(get("/registry/rejected"))
    assert status == 200
    (rejected,) = body["rejected"]
    assert (rejected["key"], rejected["reason"]) == ("demo/churn.csv", "expected TENANT/MODEL/FILE")
    assert set(rejected) == {"key", "reason", "at"}


def test_the_document_and_the_page_need_no_caller(api: Api) -> None:
    status, document = api.ask(
        authorized(
            "describe_models", resource="/openapi.json", path="/openapi.json", requestContext={"httpMethod": "GET"}
        )
    )
    assert (status, document["openapi"]) == (200, "3.1.1")
    page = api.call(authorized("describe_models", resource="/docs", path="/docs"))
    assert page["statusCode"] == 200
    assert "SwaggerUIBundle" in page["body"]
    assert "https://cdn" not in page["body"]
    assert len(page["body"]) < 5_000_000


def test_denied_reads_are_in_the_audit_log(api: Api) -> None:
    audit = AuditLog(FakeTable())
    api.give(denied=DeniedCalls(lambda: audit))
    assert api.ask(get("/registry/models/adult", {"models": "houses"}))[0] == 404
    assert api.ask(get("/registry/models", {"permissions": "predict"}))[0] == 403
    assert api.ask(get("/registry/models/titanic"))[0] == 404  # there is none: nothing is denied
    entries = [(entry.resource, entry.outcome, entry.reason) for entry in audit.list(tenant="demo")]
    assert entries == [
        ("/registry/models", "denied", "ForbiddenError"), ("/registry/models/adult", "denied", "HiddenModelError"),
    ]  # fmt: skip


class BusyTable(FakeTable):
    """A table that refuses writes."""

    def put(self, item: dict[str, Any]) -> None:
        raise TransientError("the table is busy")


def test_a_call_is_denied_even_if_it_cannot_be_logged(api: Api) -> None:
    api.give(denied=DeniedCalls(lambda: AuditLog(BusyTable())))
    assert api.ask(get("/registry/models", {"permissions": "predict"}))[0] == 403
