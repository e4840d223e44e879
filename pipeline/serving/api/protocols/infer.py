"""``/infer``: the Open Inference Protocol's tensors, and rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.api.json_bodies import parse_json
from pipeline.serving.api.messages import JSON, HttpRequest, HttpResponse
from pipeline.serving.api.protocols.open_inference import HEADER_LENGTH, infer_tensors
from pipeline.serving.binary_tensors import split_header
from pipeline.serving.cells.errors import json_type
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.responses import to_json
from pipeline.serving.row_format import decode_rows

__all__ = ["ignores_extra", "infer", "infer_document"]


def infer(model: LoadedModel, request: HttpRequest) -> HttpResponse:
    """Predict on the rows or tensors of a request.

    Raises:
        InvalidRequestError: The request does not match the model's signature; the message says what is wrong, and
            where.
        TooManyRowsError: There are more rows than a response can have.
    """
    ignore_extra = ignores_extra(request)
    if not request.body:
        raise InvalidRequestError('the body is empty: JSON with "rows" or "inputs" is expected')
    if (length := request.headers.get(HEADER_LENGTH)) is not None:
        header, binary_data = split_header(request.body, length)
    else:
        header, binary_data = request.body, None
    document = parse_json(header)
    may_use_binary = request.accepts("application/octet-stream")
    return infer_document(model, document, binary_data, ignore_extra=ignore_extra, may_use_binary=may_use_binary)


def infer_document(
    model: LoadedModel,
    document: Any,
    binary_data: memoryview | None = None,
    *,
    ignore_extra: bool = False,
    may_use_binary: bool = True,
) -> HttpResponse:
    """Predict on the rows or tensors of a JSON document.

    Args:
        model: The model.
        document: Parsed JSON: ``{"rows"}``, or ``{"inputs"}`` of the Open Inference Protocol.
        binary_data: Binary data of the tensors.
        ignore_extra: Ignore columns that the model does not read.
        may_use_binary: Whether the response may have binary data, if the document asks for it.

    Raises:
        InvalidRequestError: The document does not match the signature.
        TooManyRowsError: There are more rows than a response can have.
    """
    if type(document) is not dict:
        raise InvalidRequestError(f'an object with "rows" or "inputs" is expected, not {json_type(document)}')
    if ("rows" in document) == ("inputs" in document):
        problem = "both are there" if "rows" in document else "neither is there"
        raise InvalidRequestError(f'either "rows" or "inputs" is expected, {problem}')
    if "inputs" in document:
        return infer_tensors(model, document, binary_data, ignore_extra=ignore_extra, may_use_binary=may_use_binary)
    if binary_data is not None:
        raise InvalidRequestError('"inputs" is expected of a request with binary data, not "rows"')
    return _infer_rows(model, document, ignore_extra)


def ignores_extra(request: HttpRequest) -> bool:
    """Return whether unknown columns are ignored: the query parameter ``extra``.

    Raises:
        InvalidRequestError: It is neither ``ignore`` nor ``refuse``.
    """
    policy = request.query.get("extra", "refuse")
    if policy not in ("ignore", "refuse"):
        raise InvalidRequestError("extra: 'ignore' or 'refuse' is expected")
    return policy == "ignore"


def _infer_rows(model: LoadedModel, document: Mapping[str, Any], ignore_extra: bool) -> HttpResponse:
    predictions = model.predict(decode_rows(document["rows"], model.columns, ignore_extra=ignore_extra))
    body = {"model": model.model, "version": model.version, "predictions": predictions}
    facts = {"tenant": model.tenant, "model": model.model, "version": model.version, "rows": len(predictions)}
    return HttpResponse(200, to_json(body), JSON, facts)
