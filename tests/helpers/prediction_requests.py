"""Send requests to the prediction API of one model."""

from __future__ import annotations

import json
from typing import Any

from pipeline.contracts.signature import Column, Signature
from pipeline.serving.api.messages import Caller, HttpRequest, HttpResponse
from pipeline.serving.api.prediction_api import PredictionApi
from tests.fakes.models import OneModel
from tests.helpers.served_models import CLASSIFIER, loaded

__all__ = ["NUMBERS", "TEXT", "call", "post"]

NUMBERS = Signature(
    task="regression", target="y", columns=tuple(Column(name=f"x{number}", kind="numeric") for number in range(8))
)
TEXT = Signature(
    task="classification", target="y", columns=(Column(name="job", kind="categorical"),), classes=("no", "yes")
)


def call(
    path: str,
    body: bytes = b"",
    signature: Signature = CLASSIFIER,
    *,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
) -> HttpResponse:
    """Send a request as tenant demo; raise what the API raises."""
    request = HttpRequest(method, path, body, headers or {}, query or {})
    return PredictionApi(OneModel(loaded(signature))).respond(request, Caller("demo"))


def post(path: str, document: Any, signature: Signature = CLASSIFIER, **options: Any) -> Any:
    """Send JSON, and return the parsed JSON of the response."""
    return json.loads(call(path, json.dumps(document).encode(), signature, **options).body)
