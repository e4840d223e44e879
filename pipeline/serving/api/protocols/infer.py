"""``/infer``: tensors of the Open Inference Protocol, and rows as JSON, CSV, Parquet, an image or a text."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.contracts.errors import InvalidRequestError, UnsupportedMediaTypeError
from pipeline.contracts.signature import ColumnKind
from pipeline.serving.api.json_bodies import parse_json
from pipeline.serving.api.media_types import MediaType, read_media_type
from pipeline.serving.api.messages import JSON, HttpRequest, HttpResponse
from pipeline.serving.api.protocols.open_inference import (
    HEADER_LENGTH,
    infer_binary,
    infer_json,
    infer_tensors,
    remember_body,
)
from pipeline.serving.api.protocols.query import ignores_extra
from pipeline.serving.cells.errors import json_type
from pipeline.serving.formats.binary_tensors import split_header
from pipeline.serving.formats.columns import decode_columns
from pipeline.serving.formats.csv_text import decode_csv, write_csv
from pipeline.serving.formats.parquet import decode_parquet
from pipeline.serving.formats.rows import decode_rows
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.request_decoder import Feeds

__all__ = ["decode_file", "infer", "infer_document"]

_FORMS = frozenset({"rows", "columns", "inputs"})
_EMPTY = 'the body is empty: JSON with "rows", "columns" or "inputs" is expected'


def infer(model: LoadedModel, request: HttpRequest) -> HttpResponse:
    """Predict on the rows or tensors of a request.

    Raises:
        InvalidRequestError: The request does not match the model's signature; the message says what is wrong, and
            where.
        TooManyRowsError: There are more rows than a response can have.
        UnsupportedMediaTypeError: The content type of the body is not supported.
    """
    ignore_extra = ignores_extra(request)
    if not request.body:
        raise InvalidRequestError(_EMPTY)
    may_use_binary = request.accepts("application/octet-stream")
    length = request.headers.get(HEADER_LENGTH)
    if length is not None:
        header, data = split_header(request.body, length)
        return infer_binary(model, header, data, ignore_extra=ignore_extra, may_use_binary=may_use_binary)
    media_type = read_media_type(request.headers)
    if media_type.form != "json":
        feeds = decode_file(model, request.body, media_type, ignore_extra=ignore_extra)
        return _predict(model, feeds, as_csv=request.prefers_csv)
    response = infer_json(model, request.body, may_use_binary=may_use_binary)
    if response is not None:
        return response
    document = parse_json(request.body)
    response = infer_document(
        model, document, ignore_extra=ignore_extra, may_use_binary=may_use_binary, as_csv=request.prefers_csv
    )
    if "inputs" in document:
        remember_body(model, request.body, document)
    return response


def infer_document(
    model: LoadedModel,
    document: Any,
    *,
    ignore_extra: bool = False,
    may_use_binary: bool = True,
    as_csv: bool = False,
) -> HttpResponse:
    """Predict on the rows or tensors of a JSON document.

    Args:
        model: The model.
        document: Parsed JSON: ``{"rows"}``, ``{"columns"}``, or ``{"inputs"}`` of the Open Inference Protocol.
        ignore_extra: Ignore columns that the model does not read.
        may_use_binary: Whether the response to tensors may have binary data, if the document asks for it.
        as_csv: Write predictions on rows as CSV.

    Raises:
        InvalidRequestError: The document does not match the signature.
        TooManyRowsError: There are more rows than a response can have.
    """
    if type(document) is not dict:
        raise InvalidRequestError(f'an object with "rows" or "inputs" is expected, not {json_type(document)}')
    form = _find_form(document)
    if form == "inputs":
        return infer_tensors(model, document, ignore_extra=ignore_extra, may_use_binary=may_use_binary)
    if form == "rows":
        feeds = decode_rows(document["rows"], model.decoder, ignore_extra=ignore_extra)
    else:
        feeds = decode_columns(document["columns"], model.decoder, field="columns", ignore_extra=ignore_extra)
    return _predict(model, feeds, as_csv=as_csv)


def decode_file(model: LoadedModel, body: bytes, media_type: MediaType, *, ignore_extra: bool = False) -> Feeds:
    """Decode a body that is not JSON into the feeds of a session.

    Args:
        model: The model.
        body: CSV, Parquet, one image, or one text.
        media_type: Format of the body.
        ignore_extra: Ignore columns that the model does not read.

    Raises:
        InvalidRequestError: The body does not match the model's signature.
        TooManyRowsError: There are more rows than a response can have.
        UnsupportedMediaTypeError: The body is an image or a text, but the model reads other columns; or it is Parquet,
            but polars is not installed.
    """
    if media_type.form == "csv":
        return decode_csv(
            body,
            model.decoder,
            has_header=media_type.has_header,
            delimiter=media_type.delimiter,
            ignore_extra=ignore_extra,
        )
    if media_type.form == "parquet":
        return decode_parquet(body, model.decoder, ignore_extra=ignore_extra)
    if media_type.form == "image":
        cell: Any = {"b64": base64.b64encode(body).decode()}
        return decode_rows([{_only_column(model, "image"): cell}], model.decoder, field="the image")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"the body is not UTF-8 (byte {error.start}), which is expected of text") from None
    return decode_rows([{_only_column(model, "text", "categorical"): text}], model.decoder, field="the text")


def _find_form(document: Mapping[str, Any]) -> str:
    forms = document.keys() & _FORMS
    if len(forms) != 1:
        problem = f"{' and '.join(sorted(forms))} are there" if forms else "none is there"
        raise InvalidRequestError(f'one of "rows", "columns" and "inputs" is expected, {problem}')
    return forms.pop()


def _predict(model: LoadedModel, feeds: Feeds, *, as_csv: bool) -> HttpResponse:
    if as_csv:
        predictions = model.predict(feeds)
        text = write_csv(predictions, model.signature)
        return HttpResponse(200, text, {"content-type": "text/csv"}, model.facts(len(predictions)))
    array, rows = model.predict_json(feeds)
    body = b'{"model":%b,"version":%d,"predictions":%b}' % (orjson.dumps(model.model), model.version, array)
    return HttpResponse(200, body, JSON, model.facts(rows))


def _only_column(model: LoadedModel, *kinds: ColumnKind) -> str:
    (column, *other_columns) = model.signature.columns
    if other_columns or column.kind not in kinds:
        raise UnsupportedMediaTypeError(
            f"content-type: a model that reads one {kinds[0]} is expected, this one has {len(other_columns) + 1} "
            f"columns, the first of kind {column.kind}"
        )
    return column.name
