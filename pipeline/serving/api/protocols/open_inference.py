"""Open Inference Protocol v2: requests and responses with tensors, as JSON or as binary data.

References:
    https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.api.json_bodies import parse_json
from pipeline.serving.api.messages import JSON, HttpResponse
from pipeline.serving.cells.errors import json_type
from pipeline.serving.formats.binary_tensors import datatype_of, write_binary_tensor
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.request_decoder import Feeds
from pipeline.serving.responses import to_json

__all__ = ["HEADER_LENGTH", "infer_binary", "infer_json", "infer_tensors", "remember_body"]

HEADER_LENGTH = "inference-header-content-length"
_MAX_KNOWN, _MAX_KNOWN_BYTES = 16, 16 << 10  # number of headers that a model remembers, and size of each
_MAX_KNOWN_BODIES = 4  # JSON bodies that a model remembers
_Outputs = Mapping[str, bool]  # requested outputs -> whether as binary data


class _Call(NamedTuple):
    header: Mapping[str, str]
    outputs: _Outputs


def infer_tensors(
    model: LoadedModel,
    document: Mapping[str, Any],
    binary_data: bytes | None = None,
    *,
    ignore_extra: bool = False,
    may_use_binary: bool = True,
) -> HttpResponse:
    """Predict on the tensors of a request.

    Args:
        model: The model.
        document: JSON of the request: ``inputs``, and optionally ``id``, ``outputs`` and ``parameters``.
        binary_data: Data of the tensors whose parameter ``binary_data_size`` announces it.
        ignore_extra: Ignore tensors of columns that the model does not read.
        may_use_binary: Whether the response may have binary data, if the document asks for it.

    Raises:
        InvalidRequestError: The request does not match the protocol or the signature.
        TooManyRowsError: There are more rows than a response can have.
    """
    if len(document) == 1:  # only inputs: all such requests have the same options
        call = model.plain_call = model.plain_call or _read_call(model, document)
    else:
        call = _read_call(model, document)
    feeds = model.decode_tensors(document["inputs"], binary_data, ignore_extra=ignore_extra)
    return _respond(model, feeds, call, may_use_binary)


def infer_json(model: LoadedModel, body: bytes, *, may_use_binary: bool = True) -> HttpResponse | None:
    """Predict on one row of tensors if only its elements differ from a known body; return None for any other body.

    Args:
        model: The model.
        body: JSON of the request.
        may_use_binary: Whether the response may have binary data, if the body asks for it.

    Raises:
        InvalidRequestError: A cell is not valid in its column.
    """
    for call, read in model.known_bodies:
        feeds = read(body)
        if feeds is not None:
            return _respond(model, feeds, call, may_use_binary)
    return None


def remember_body(model: LoadedModel, body: bytes, document: Mapping[str, Any]) -> None:
    """Remember a valid body with one row of tensors, so that bodies with other elements are read faster.

    Args:
        model: The model.
        body: JSON of the request.
        document: Parsed body.
    """
    if len(model.known_bodies) >= _MAX_KNOWN_BODIES or len(body) > _MAX_KNOWN_BYTES or "id" in document:
        return
    reader = model.decode_tensors.make_body_reader(body, document["inputs"])
    if reader is not None:
        model.known_bodies.append((_read_call(model, document), reader))


def infer_binary(
    model: LoadedModel, header: bytes, data: bytes, *, ignore_extra: bool = False, may_use_binary: bool = True
) -> HttpResponse:
    """Predict on binary tensors.

    Headers of a client mostly differ only in the sizes of texts. Such headers are parsed and checked only once.

    Args:
        model: The model.
        header: JSON of the request.
        data: Data of the tensors whose parameter ``binary_data_size`` announces it.
        ignore_extra: Ignore tensors of columns that the model does not read.
        may_use_binary: Whether the response may have binary data, if the header asks for it.

    Raises:
        InvalidRequestError: The request does not match the protocol or the signature.
        TooManyRowsError: There are more rows than a response can have.
    """
    for call, read in model.known_requests:
        feeds = read(header, data)
        if feeds is not None:
            return _respond(model, feeds, call, may_use_binary)
    document = parse_json(header)
    if type(document) is not dict or "inputs" not in document:
        raise InvalidRequestError('an object with "inputs" is expected of a request with binary data')
    response = infer_tensors(model, document, data, ignore_extra=ignore_extra, may_use_binary=may_use_binary)
    is_repeated = "id" not in document  # ids differ between requests, so such a header is not worth remembering
    if is_repeated and len(header) <= _MAX_KNOWN_BYTES and len(model.known_requests) < _MAX_KNOWN:
        reader = model.decode_tensors.make_request_reader(header, document["inputs"])
        if reader is not None:
            model.known_requests.append((_read_call(model, document), reader))
    return response


def _read_call(model: LoadedModel, document: Mapping[str, Any]) -> _Call:
    """Return the response's fields that do not depend on the predictions, and the requested outputs."""
    identity = document.get("id")
    if identity is not None and type(identity) is not str:
        raise InvalidRequestError(f"id: text is expected, not {json_type(identity)}")
    header = {"model_name": model.model, "model_version": str(model.version)}
    if identity is not None:
        header["id"] = identity
    return _Call(header, _select_outputs(document, model.outputs))


def _select_outputs(document: Mapping[str, Any], names: Sequence[str]) -> _Outputs:
    """Return the requested outputs; all by default.

    Raises:
        InvalidRequestError: ``outputs`` is not an array of ``{"name"}``, or a name is not an output.
    """
    as_binary = _flag(document, "binary_data_output", "", default=False) if "parameters" in document else False
    requested = document.get("outputs")
    if not requested and requested in (None, []):
        return dict.fromkeys(names, as_binary)
    if type(requested) is not list or not all(type(output) is dict for output in requested):
        raise InvalidRequestError('outputs: an array of objects such as {"name": ...} is expected')
    selected = {}
    for number, output in enumerate(requested):
        name = output.get("name")
        if type(name) is not str or name not in names:
            raise InvalidRequestError(
                f"outputs[{number}]: its name is not one of {', '.join(names)}, which are expected"
            )
        selected[name] = _flag(output, "binary_data", f"outputs[{number}], ", default=as_binary)
    return selected


def _flag(tensor: Mapping[str, Any], name: str, where: str, *, default: bool) -> bool:
    parameters = tensor.get("parameters")
    if not isinstance(parameters, dict | None):
        raise InvalidRequestError(f"{where}parameters: an object is expected, not {json_type(parameters)}")
    flag = (parameters or {}).get(name, default)
    if type(flag) is not bool:
        raise InvalidRequestError(f"{where}parameters, {name}: true or false is expected, not {json_type(flag)}")
    return flag


def _respond(model: LoadedModel, feeds: Feeds, call: _Call, may_use_binary: bool) -> HttpResponse:
    outputs = model.run(feeds)
    arrays = dict(zip(model.outputs, outputs, strict=True))
    facts = model.facts(len(outputs[0]))
    pieces = []
    tensors: list[dict[str, Any]] = []
    for name, is_requested_as_binary in call.outputs.items():
        array = arrays[name]
        as_binary = is_requested_as_binary and may_use_binary
        datatype, shape = datatype_of(array), array.shape
        if as_binary:
            pieces.append(write_binary_tensor(array))
            size = {"binary_data_size": len(pieces[-1])}
            tensors.append({"name": name, "datatype": datatype, "shape": shape, "parameters": size})
        else:
            elements = array.ravel().tolist() if datatype == "BYTES" else array.ravel()
            tensors.append({"name": name, "datatype": datatype, "shape": shape, "data": elements})
    body = to_json({**call.header, "outputs": tensors})
    if not pieces:
        return HttpResponse(200, body, JSON, facts)
    headers = {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(body))}
    return HttpResponse(200, b"".join((body, *pieces)), headers, facts)
