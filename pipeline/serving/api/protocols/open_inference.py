"""Open Inference Protocol v2: requests with tensors in, tensors out, as JSON or as binary data.

References:
    https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.api.messages import JSON, HttpResponse
from pipeline.serving.cells.errors import json_type
from pipeline.serving.formats.binary_tensors import datatype_of, write_binary_tensor
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.responses import to_json

__all__ = ["HEADER_LENGTH", "infer_tensors"]

HEADER_LENGTH = "inference-header-content-length"
_Outputs = Mapping[str, bool]  # requested outputs -> whether as binary data


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
    identity = document.get("id")
    if not isinstance(identity, str | None):
        raise InvalidRequestError(f"id: text is expected, not {json_type(identity)}")
    requested = _select_outputs(document, model.outputs)
    if not may_use_binary:
        requested = dict.fromkeys(requested, False)
    inputs = document["inputs"]
    outputs = model.run(model.decode_tensors(inputs, binary_data, ignore_extra=ignore_extra))
    header: dict[str, Any] = {"model_name": model.model, "model_version": str(model.version)}
    if identity is not None:
        header["id"] = identity
    arrays = dict(zip(model.outputs, outputs, strict=True))
    return _respond(header, arrays, requested, model.facts(len(outputs[0])))


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


def _respond(
    header: dict[str, Any], arrays: Mapping[str, NDArray[Any]], requested: _Outputs, facts: Mapping[str, Any]
) -> HttpResponse:
    pieces = []
    tensors = header["outputs"] = []
    for name, as_binary in requested.items():
        array = arrays[name]
        tensor: dict[str, Any] = {"name": name, "datatype": datatype_of(array), "shape": list(array.shape)}
        if as_binary:
            pieces.append(write_binary_tensor(array))
            tensor["parameters"] = {"binary_data_size": len(pieces[-1])}
        else:
            tensor["data"] = array.ravel().tolist() if array.dtype == object else array.ravel()
        tensors.append(tensor)
    body = to_json(header)
    if not pieces:
        return HttpResponse(200, body, JSON, facts)
    headers = {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(body))}
    return HttpResponse(200, b"".join((body, *pieces)), headers, facts)
