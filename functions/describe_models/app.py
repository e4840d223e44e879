"""GET /v2/... and /registry/...: health, metadata and the registry's lists."""

from __future__ import annotations

from typing import Any, NoReturn

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline import __version__
from pipeline.bootstrap import model_catalogue
from pipeline.contracts.errors import NotFoundError
from pipeline.lambda_handlers import http_function
from pipeline.serving.http import Response, tenant_of

Document = dict[str, Any]

catalog = model_catalogue()
app = APIGatewayRestResolver()


def caller_tenant() -> str:
    return tenant_of(app.current_event.raw_event, "read")


@app.get("/v2")
def describe_server() -> Document:
    return {"name": "modeldrop", "version": __version__, "extensions": []}


@app.get("/v2/health/live")
def report_live() -> Document:
    return {"live": True}


@app.get("/v2/health/ready")
def report_ready() -> Document:
    return {"ready": True}


@app.get("/v2/models/<model>")
def describe_model(model: str) -> Document:
    return catalog.metadata(caller_tenant(), model)


@app.get("/v2/models/<model>/versions/<version>")
def describe_version(model: str, version: str) -> Document:
    return catalog.metadata(caller_tenant(), model, version)


@app.get("/v2/models/<model>/ready")
def report_model_ready(model: str) -> Document:
    return catalog.ready(caller_tenant(), model)


@app.get("/v2/models/<model>/versions/<version>/ready")
def report_version_ready(model: str, version: str) -> Document:
    return catalog.ready(caller_tenant(), model, version)


@app.get("/registry/models")
def list_models() -> Document:
    return catalog.models(caller_tenant())


@app.get("/registry/models/<model>")
def list_versions(model: str) -> Document:
    return catalog.model(caller_tenant(), model)


@app.get("/registry/models/<model>/versions/<version>")
def show_version(model: str, version: str) -> Document:
    return catalog.version(caller_tenant(), model, version)


@app.get("/registry/rejected")
def list_rejected() -> Document:
    return catalog.rejected(caller_tenant())


@app.not_found
def reject_unknown_route(_: Exception) -> NoReturn:
    raise NotFoundError("there is no such route")


@http_function
def handler(event: dict[str, Any], context: LambdaContext) -> tuple[Response, dict[str, Any]]:
    return app.resolve(event, context), {"route": event["resource"]}
