"""PUT, POST and DELETE /registry/...: move aliases, roll back, delete versions, share models, cancel runs."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.bootstrap import registry_manager
from pipeline.contracts.errors import NotFoundError
from pipeline.contracts.paging.token import PageQuery
from pipeline.lambda_handlers import http_function, reject_unknown_route
from pipeline.serving.http import Response, find_caller
from pipeline.use_cases.management.audited_calls import parse_body
from pipeline.use_cases.management.manage_registry import AliasChange, Grant, Rollback

Document = dict[str, Any]

manager_of = registry_manager()
app = APIGatewayRestResolver()


@app.put("/registry/models/<model>/aliases/<alias>")
def move_alias(model: str, alias: str) -> Document:
    """Point an alias to a version."""
    caller = find_caller(app.current_event.raw_event)
    change = parse_body(AliasChange, app.current_event.decoded_body or "")
    return manager_of(caller.tenant).move_alias(caller, model, alias, change)


@app.post("/registry/models/<model>/rollback")
def roll_back(model: str) -> Document:
    """Point an alias to the version that it pointed to before."""
    caller = find_caller(app.current_event.raw_event)
    rollback = parse_body(Rollback, app.current_event.decoded_body or "")
    return manager_of(caller.tenant).roll_back(caller, model, rollback)


@app.delete("/registry/models/<model>/versions/<version>")
def delete_version(model: str, version: str) -> Document:
    """Delete a version after a grace period.

    Raises:
        NotFoundError: The version is not a number, or does not exist.
    """
    caller = find_caller(app.current_event.raw_event)
    if not (version.isascii() and version.isdigit() and len(version) <= 6):
        raise NotFoundError(f"model '{model}' has no such version: a number is expected")
    return manager_of(caller.tenant).delete_version(caller, model, int(version))


@app.get("/registry/models/<model>/grants")
def list_grants(model: str) -> Document:
    """Return the tenants that a model is shared with."""
    event = app.current_event
    caller = find_caller(event.raw_event)
    page = PageQuery(event.get_query_string_value("limit"), event.get_query_string_value("next"))
    return manager_of(caller.tenant).grants(caller, model, page=page)


@app.put("/registry/models/<model>/grants/<tenant>")
def share_model(model: str, tenant: str) -> Document:
    """Let another tenant use a model."""
    caller = find_caller(app.current_event.raw_event)
    grant = parse_body(Grant, app.current_event.decoded_body or "")
    return manager_of(caller.tenant).share(caller, model, tenant, grant.role)


@app.delete("/registry/models/<model>/grants/<tenant>")
def revoke_share(model: str, tenant: str) -> Document:
    """Revoke another tenant's access to a model."""
    caller = find_caller(app.current_event.raw_event)
    return manager_of(caller.tenant).share(caller, model, tenant, None)


@app.post("/registry/runs/<run>/cancel")
def cancel_run(run: str) -> Document:
    """Cancel a run and its jobs."""
    caller = find_caller(app.current_event.raw_event)
    return manager_of(caller.tenant).cancel_run(caller, run)


app.not_found(reject_unknown_route)


@http_function
def handler(event: dict[str, Any], context: LambdaContext) -> tuple[Response, dict[str, Any]]:
    """Route a request that changes the registry."""
    return app.resolve(event, context), {"route": event["resource"]}
