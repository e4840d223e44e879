"""POST /registry/uploads...: sign uploads for callers who have an API key but no AWS credentials."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.bootstrap import upload_granter
from pipeline.lambda_handlers import http_function, reject_unknown_route
from pipeline.serving.http import Response, find_caller
from pipeline.use_cases.management.audited_calls import parse_body
from pipeline.use_cases.management.grant_upload import MultipartEnd, MultipartRequest, UploadRequest

Document = dict[str, Any]

granter_of = upload_granter()
app = APIGatewayRestResolver()


@app.post("/registry/uploads")
def grant_form() -> tuple[Document, int]:
    """Sign the form of one file."""
    caller = find_caller(app.current_event.raw_event)
    request = parse_body(UploadRequest, app.current_event.decoded_body or "")
    return granter_of(caller.tenant).form(caller, request), 201


@app.post("/registry/uploads/multipart")
def grant_parts() -> tuple[Document, int]:
    """Begin or resume a multipart upload."""
    caller = find_caller(app.current_event.raw_event)
    request = parse_body(MultipartRequest, app.current_event.decoded_body or "")
    return granter_of(caller.tenant).parts(caller, request), 201 if request.upload_id is None else 200


@app.post("/registry/uploads/multipart/complete")
def complete() -> Document:
    """Complete a multipart upload."""
    caller = find_caller(app.current_event.raw_event)
    request = parse_body(MultipartEnd, app.current_event.decoded_body or "")
    return granter_of(caller.tenant).complete(caller, request)


@app.post("/registry/uploads/multipart/abort")
def abort() -> Document:
    """Abort a multipart upload, which deletes its parts."""
    caller = find_caller(app.current_event.raw_event)
    request = parse_body(MultipartEnd, app.current_event.decoded_body or "")
    return granter_of(caller.tenant).abort(caller, request)


app.not_found(reject_unknown_route)


@http_function
def handler(event: dict[str, Any], context: LambdaContext) -> tuple[Response, dict[str, Any]]:
    """Route a request for an upload."""
    return app.resolve(event, context), {"route": event["resource"]}
