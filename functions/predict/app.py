"""POST /v2/models/{model}/infer and /v2/models/{model}/versions/{version}/infer: return predictions."""

from __future__ import annotations

from typing import Any

from pipeline.bootstrap import predictor
from pipeline.lambda_handlers import http_function
from pipeline.serving.http import Response, make_response, parse_infer_request

predict = predictor()


@http_function
def handler(event: dict[str, Any], context: object) -> tuple[Response, dict[str, Any]]:
    """Predict on the rows of a request."""
    request = parse_infer_request(event)
    inference = predict(request)
    log_fields = {
        "tenant": request.tenant,
        "model": inference.model,
        "version": inference.version,
        "rows": inference.rows,
    }
    return make_response(200, inference.body), log_fields
