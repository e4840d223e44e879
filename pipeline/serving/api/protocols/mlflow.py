"""MLflow's scoring protocol, which MLflow's model server and SageMaker's containers use.

References:
    https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#json-input
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.api.json_bodies import parse_json
from pipeline.serving.api.media_types import read_media_type
from pipeline.serving.api.messages import JSON, HttpRequest, HttpResponse
from pipeline.serving.api.protocols.infer import decode_file
from pipeline.serving.api.protocols.query import ignores_extra
from pipeline.serving.api.protocols.tensor_json import decode_inputs, decode_instances
from pipeline.serving.cells.errors import json_type
from pipeline.serving.formats.columns import decode_columns
from pipeline.serving.formats.csv_text import write_csv
from pipeline.serving.formats.rows import decode_rows
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.request_decoder import Feeds, RequestDecoder
from pipeline.serving.responses import to_json

__all__ = ["score"]


def score(model: LoadedModel, request: HttpRequest) -> HttpResponse:
    """Predict on a data frame, in one of MLflow's formats.

    Returns:
        ``{"predictions": [...]}`` with labels or values, as ``predict`` of a scikit-learn model returns them; or CSV
        with probabilities too, if the client asks for it.

    Raises:
        InvalidRequestError: The request does not match the protocol or the model's signature.
        TooManyRowsError: There are more rows than a response can have.
        UnsupportedMediaTypeError: The body is neither JSON nor a table.
    """
    if not request.body:
        raise InvalidRequestError(f"the body is empty: {_EXPECTED}")
    ignore_extra = ignores_extra(request)
    media_type = read_media_type(request.headers)
    if media_type.form == "json":
        feeds = _decode_document(parse_json(request.body), model.decoder, ignore_extra)
    else:
        feeds = decode_file(model, request.body, media_type, ignore_extra=ignore_extra)
    predictions = model.predict(feeds)
    facts = model.facts(len(predictions))
    if request.prefers_csv:
        return HttpResponse(200, write_csv(predictions, model.signature), {"content-type": "text/csv"}, facts)
    field = "label" if model.signature.classes else "value"
    return HttpResponse(200, to_json({"predictions": [row[field] for row in predictions]}), JSON, facts)


def _decode_document(document: Any, decoder: RequestDecoder, ignore_extra: bool) -> Feeds:
    if type(document) is not dict:
        raise InvalidRequestError(f"{_EXPECTED}, not {json_type(document)}")
    forms = [form for form in _FORMS if form in document]
    if len(forms) != 1:
        raise InvalidRequestError(f"{_EXPECTED}, {' and '.join(forms) or 'none'} is there")
    field = forms[0]
    return _FORMS[field](document[field], decoder, field=field, ignore_extra=ignore_extra)


def _decode_split(frame: Any, decoder: RequestDecoder, *, field: str, ignore_extra: bool) -> Feeds:
    if not isinstance(frame, Mapping) or type(frame.get("data")) is not list:
        raise InvalidRequestError(f'{field}: an object with "columns" and "data" is expected')
    names, rows = frame.get("columns", list(decoder.names.all)), frame["data"]
    if type(names) is not list or not all(type(name) is str for name in names):
        raise InvalidRequestError(f"{field}, columns: an array of names is expected")
    if len(set(names)) < len(names):
        raise InvalidRequestError(f"{field}, columns: a name is repeated, one is expected")
    for number, row in enumerate(rows):
        if type(row) is not list or len(row) != len(names):
            raise InvalidRequestError(f"{field}, data[{number}]: an array of {len(names)} cells is expected")
    decoder.check_count(len(rows), field)
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return decode_columns(columns, decoder, field=field, ignore_extra=ignore_extra)


_FORMS: Mapping[str, Callable[..., Feeds]] = {
    "dataframe_split": _decode_split,
    "dataframe_records": decode_rows,
    "inputs": decode_inputs,
    "instances": decode_instances,
}
_EXPECTED = f"an object with one of {', '.join(_FORMS)} is expected"
