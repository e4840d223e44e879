"""The OpenAPI document of the registry routes is complete and matches the responses of the functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs

import pytest
import schemathesis
from hypothesis import given
from jsonschema_rs import Draft202012Validator, meta
from openapi_spec_validator import OpenAPIV31SpecValidator

from pipeline.intake.run_log import RunLog
from pipeline.registry.aliases import AliasRef
from pipeline.registry.audit import AuditLog
from pipeline.registry.model_registry import ModelRegistry
from pipeline.registry.tenants import SharedModels, TenantAdministration
from pipeline.serving.api.openapi_schemas import SCHEMAS
from pipeline.use_cases.management.api_document import REGISTRY_ROUTES, api_document
from pipeline.use_cases.management.cancel_run import CancelRun
from pipeline.use_cases.management.denied_calls import DeniedCalls
from pipeline.use_cases.management.grant_upload import GrantUpload
from pipeline.use_cases.management.manage_registry import ManageRegistry
from pipeline.use_cases.management.model_catalog import ModelCatalog
from tests.fakes.executions import FakeExecutions
from tests.fakes.gateway_keys import FakeGatewayKeys
from tests.fakes.objects import FakeObjectStore
from tests.fakes.table import FakeTable
from tests.fakes.upload_grants import FakeUploadGrants
from tests.helpers.api_requests import Api, authorized
from tests.helpers.openapi_requests import CHECKS, few_requests
from tests.helpers.served_models import publish
from tests.helpers.template import template

DOCUMENT = api_document()
OWNER = {"principal": "ci", "permissions": "manage,predict,publish,read"}
RUN = "demo_adult_00000000000a"
EXISTING = {"model": "adult", "version": "2", "alias": "live", "run": RUN, "tenant": "acme"}
ROUTES = {  # of each function: its routes, by method and path, as the template has them
    (event["Properties"]["Method"], event["Properties"]["Path"]): name
    for name, resource in template()["Resources"].items()
    for event in resource.get("Properties", {}).get("Events", {}).values()
    if event["Type"] == "Api" and event["Properties"]["Path"].startswith("/registry")
    if event["Properties"]["Method"] != "options"
}
FUNCTIONS = {
    "DescribeModelsFunction": "describe_models",
    "ManageRegistryFunction": "manage_registry",
    "GrantUploadFunction": "grant_upload",
}


class Functions:
    """The API's functions behind one WSGI application, over a registry with a model, runs and rejected uploads."""

    def __init__(self) -> None:
        table, artifacts = FakeTable(), FakeObjectStore()
        for number in (1, 2):
            publish(table, artifacts, run=f"demo_adult_{number:012d}")
        registry, runs, audit = ModelRegistry(table, artifacts), RunLog(table), AuditLog(table)
        registry.aliases.move(AliasRef("demo", "adult"), 1, by="anna")
        runs.create(RUN, tenant="demo", model="adult", file="a.csv", started_at=datetime.now(UTC))
        runs.reject("uploads", "demo/a/b/c/d.csv", "too deep", at=datetime.now(UTC))
        tenants = TenantAdministration(table, FakeGatewayKeys())
        for tenant in ("demo", "acme"):
            tenants.create(tenant)
        sharing = SharedModels(table)
        sharing.share("demo", "adult", "acme", "reader")
        cancel = CancelRun(runs=runs, executions=FakeExecutions())
        manager = ManageRegistry(registry=registry, cancel=cancel, sharing=sharing, audit=audit)
        granter = GrantUpload(grants=FakeUploadGrants(), audit=audit)
        self._apis = {name: Api(name, None) for name in FUNCTIONS.values()}  # type: ignore[arg-type] - logs are not read
        self._composed: dict[str, dict[str, Any]] = {
            "describe_models": {
                "catalog": ModelCatalog(registry, artifacts, runs), "denied": DeniedCalls(lambda: audit),
            },
            "manage_registry": {"manager_of": lambda tenant: manager},
            "grant_upload": {"granter_of": lambda tenant: granter},
        }  # fmt: skip

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, path = (
            environ["REQUEST_METHOD"].upper(),
            environ["PATH_INFO"].encode("latin-1").decode(errors="replace"),
        )
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        response = self.call(method, path, body, query)
        status = HTTPStatus(response["statusCode"])
        headers = response.get("headers") or {}
        headers |= {key: values[-1] for key, values in (response.get("multiValueHeaders") or {}).items()}
        start_response(f"{status.value} {status.phrase}", list(headers.items()))
        return [response["body"].encode()]

    def call(
        self, method: str, path: str, body: str = "", query: Mapping[str, list[str]] = MappingProxyType({})
    ) -> dict[str, Any]:
        """Return the response of the function that has the route."""
        name = _function_of(method, path)
        request = authorized(
            name, OWNER, httpMethod=method, path=path, body=body,
            queryStringParameters={key: values[-1] for key, values in query.items()},
            multiValueQueryStringParameters=dict(query),
        )  # fmt: skip
        self._apis[name].give(**self._composed[name])  # other tests compose the same modules otherwise
        return self._apis[name].call(request)


def _function_of(method: str, path: str) -> str:
    if path == "/openapi.json" or (method == "GET" and not path.endswith("/grants")):
        return "describe_models"
    return "grant_upload" if path.startswith("/registry/uploads") else "manage_registry"


APPLICATION = Functions()
OPERATIONS = [
    operation.ok()
    for operation in schemathesis.openapi.from_wsgi("/openapi.json", APPLICATION).get_all_operations()
    if operation.ok().path.startswith("/registry")
]


def test_the_document_is_valid_by_the_specification() -> None:
    OpenAPIV31SpecValidator(json.loads(json.dumps(DOCUMENT))).validate()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_responses_to_generated_requests_match_the_document(operation: Any) -> None:
    @given(case=operation.as_strategy())
    @few_requests(6)
    def check(case: Any) -> None:
        for values in ({}, {"model": "adult", "version": "2", "alias": "live", "run": RUN, "tenant": "acme"}):
            case.path_parameters = {
                **case.path_parameters,
                **{k: v for k, v in values.items() if k in case.path_parameters},
            }
            case.call_and_validate(checks=CHECKS)

    check()


LISTS = ["models", "models/{model}", "models/{model}/history", "models/{model}/grants",
         "models/{model}/versions/{version}", "runs", "runs/{run}", "rejected"]  # fmt: skip


@pytest.mark.parametrize("template", LISTS)
def test_responses_for_existing_objects_match_the_document(template: str) -> None:
    response = Functions().call("GET", f"/registry/{template.format(**EXISTING)}")
    documented = DOCUMENT["paths"][f"/registry/{template}"]["get"]["responses"]["200"]["content"]["application/json"]
    assert response["statusCode"] == HTTPStatus.OK
    schema = {**documented["schema"], "components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(json.loads(response["body"]))


def test_the_document_has_every_registry_route_and_valid_schemas() -> None:
    assert set(REGISTRY_ROUTES) == {key for key in ROUTES if ROUTES[key] in FUNCTIONS}
    assert set(ROUTES.values()) == set(FUNCTIONS)
    added = DOCUMENT["components"]["schemas"].keys() - SCHEMAS.keys()
    for name in added:
        meta.validate(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **DOCUMENT["components"]["schemas"][name]}
        )
    assert {name: DOCUMENT["components"]["schemas"][name] for name in SCHEMAS} == SCHEMAS  # none is replaced
    identifiers = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(set(identifiers)) == len(identifiers)
