"""GET /v2/... and /registry/...: health, metadata, and the lists of the registry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler import Response as PageResponse
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.bootstrap import denied_calls, model_catalog
from pipeline.contracts.object_keys import check_model
from pipeline.contracts.paging.token import PageQuery
from pipeline.lambda_handlers import http_function, reference_page, reject_unknown_route
from pipeline.serving.api.routes import split_alias
from pipeline.serving.http import Response, authorize_caller, find_caller
from pipeline.serving.metadata import server_metadata
from pipeline.use_cases.management.api_document import api_document

Document = dict[str, Any]

catalog = model_catalog()
denied = denied_calls()
app = APIGatewayRestResolver()


def caller_tenant(model: str | None = None, *, owner: str = "") -> str:
    """Return the tenant whose data the request reads: the caller's own, or ``owner``, which shares the model.

    Args:
        model: Model that the request reads; None if it reads no particular model.
        owner: Tenant that shares the model; empty for the caller's own.

    Raises:
        ForbiddenError: The caller lacks the permission ``read``.
        NotFoundError: The caller may not see the model.
    """
    event = app.current_event.raw_event
    with denied.logged(event):
        return authorize_caller(event, "read", model and split_alias(model)[0], owner=owner)


def page_query() -> PageQuery:
    """Return which page of a list the caller asks for."""
    event = app.current_event
    return PageQuery(event.get_query_string_value("limit"), event.get_query_string_value("next"))


@app.get("/v2")
def describe_server() -> Document:
    """Return the server metadata of the Open Inference Protocol."""
    return server_metadata()


@app.get("/v2/health/live")
def report_live() -> Document:
    """Report that the server is live."""
    return {"live": True}


@app.get("/v2/health/ready")
def report_ready() -> Document:
    """Report that the server is ready."""
    return {"ready": True}


@app.get("/v2/models/<model>")
def describe_model(model: str, owner: str = "") -> Document:
    """Return the metadata of the live version."""
    return catalog.metadata(caller_tenant(model, owner=owner), model)


@app.get("/v2/models/<model>/versions/<version>")
def describe_version(model: str, version: str, owner: str = "") -> Document:
    """Return the metadata of a version."""
    return catalog.metadata(caller_tenant(model, owner=owner), model, version)


@app.get("/v2/models/<model>/ready")
def report_model_ready(model: str, owner: str = "") -> Document:
    """Return whether the live version is ready."""
    return catalog.ready(caller_tenant(model, owner=owner), model)


@app.get("/v2/models/<model>/versions/<version>/ready")
def report_version_ready(model: str, version: str, owner: str = "") -> Document:
    """Return whether a version is ready."""
    return catalog.ready(caller_tenant(model, owner=owner), model, version)


@app.get("/registry/models")
def list_models() -> Document:
    """Return the tenant's models."""
    event = app.current_event
    return catalog.models(
        caller_tenant(),
        only=find_caller(event.raw_event).models,
        task=event.get_query_string_value("task"),
        tags=(event.multi_value_query_string_parameters or {}).get("tag", []),
        page=replace(page_query(), after=event.get_query_string_value("after")),
    )


@app.get("/registry/models/<model>")
def list_versions(model: str) -> Document:
    """Return the versions of a model."""
    return catalog.model(caller_tenant(model), model, page=page_query())


@app.get("/registry/models/<model>/versions/<version>")
def show_version(model: str, version: str) -> Document:
    """Return the record and the card of a version."""
    return catalog.version(caller_tenant(model), model, version)


@app.get("/registry/models/<model>/history")
def list_moves(model: str) -> Document:
    """Return the history of a model's aliases."""
    alias = app.current_event.get_query_string_value("alias")
    return catalog.history(caller_tenant(model), model, alias=alias, page=page_query())


@app.get("/registry/rejected")
def list_rejected() -> Document:
    """Return the tenant's uploads that started no run."""
    return catalog.rejected(caller_tenant(), page=page_query())


@app.get("/registry/runs")
def list_runs() -> Document:
    """Return the tenant's runs, newest first."""
    tenant, only = caller_tenant(), find_caller(app.current_event.raw_event).models
    if (model := app.current_event.get_query_string_value("model")) is not None:
        tenant, only = caller_tenant(model), frozenset({check_model(model)})
    return catalog.runs(tenant, only, page=page_query())


@app.get("/registry/runs/<run>")
def show_run(run: str) -> Document:
    """Return a run."""
    return catalog.run(caller_tenant(), run, only=find_caller(app.current_event.raw_event).models)


@app.get("/openapi.json")
def describe_api() -> Document:
    """Return the OpenAPI document for any model; this route needs no caller."""
    return api_document()


@app.get("/v2/models/<model>/openapi.json")
def describe_model_api(model: str, owner: str = "") -> Document:
    """Return the OpenAPI document that describes the rows of this model."""
    return catalog.openapi(caller_tenant(model, owner=owner), model, owner=owner)


@app.get("/docs")
def show_reference() -> PageResponse[str]:
    """Return the reference page."""
    return PageResponse(200, "text/html; charset=utf-8", reference_page())


# Routes to models that other tenants share. The first matching route wins, so /v2/models/<model>/ready comes first.
for describe, suffix in (
    (describe_model, ""),
    (describe_version, "/versions/<version>"),
    (report_model_ready, "/ready"),
    (report_version_ready, "/versions/<version>/ready"),
    (describe_model_api, "/openapi.json"),
):
    app.get(f"/v2/models/<owner>/<model>{suffix}")(describe)

app.not_found(reject_unknown_route)


@http_function
def handler(event: dict[str, Any], context: LambdaContext) -> tuple[Response, dict[str, Any]]:
    """Route a GET request."""
    return app.resolve(event, context), {"route": event["resource"]}
