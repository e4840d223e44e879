"""GRPCInferenceService of the Open Inference Protocol, with its model repository extension.

References:
    https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError, NotFoundError
from pipeline.server.grpc.calls import Reply
from pipeline.server.grpc.messages import message_class
from pipeline.server.repository import ModelRepository
from pipeline.server.repository_api import list_repository
from pipeline.serving.api.assignment import request_position
from pipeline.serving.api.messages import Caller
from pipeline.serving.api.model_source import ModelReference
from pipeline.serving.api.routes import split_alias
from pipeline.serving.formats.binary_tensors import attach_binary_data, datatype_of, write_binary_tensor
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.metadata import server_metadata

__all__ = ["SERVICE", "OpenInferenceService", "model_reference"]

SERVICE = "inference.GRPCInferenceService"
_CONTENTS = {
    "BOOL": "bool_contents", "BYTES": "bytes_contents", "FP32": "fp32_contents", "FP64": "fp64_contents",
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
}  # fmt: skip
_EXTENSIONS = ("model_repository",)


def model_reference(caller: Caller, permission: str, name: str, version: str) -> ModelReference:
    """Return the reference to a version of a model, by alias or by number.

    Args:
        caller: The caller.
        permission: Permission that the call needs.
        name: ``model`` or ``model@alias``.
        version: Number of the version; empty for the version of the alias.

    Raises:
        ForbiddenError: The caller lacks the permission.
        NotFoundError: The caller may not see the model, the version is not a number, or both version and alias are set.
    """
    model, alias = split_alias(name)
    caller.require(permission, model)
    if not version:
        return ModelReference(caller.tenant, model, alias=alias)
    if not (version.isascii() and version.isdigit() and len(version) <= 6) or "@" in name:
        raise NotFoundError("there is no such version: its number, or an alias without a number, is expected")
    return ModelReference(caller.tenant, model, int(version))


class OpenInferenceService:
    """Implements the RPCs of GRPCInferenceService. Each method takes the request message and the caller.

    Args:
        models: The models.
        is_draining: Returns whether the server is shutting down.
    """

    def __init__(self, models: ModelRepository, is_draining: Callable[[], bool]) -> None:
        self._models = models
        self._is_draining = is_draining

    def server_live(self, request: Any, caller: Caller) -> Reply:
        """Report that the server is live."""
        return Reply(_message("ServerLiveResponse", live=True))

    def server_ready(self, request: Any, caller: Caller) -> Reply:
        """Report whether the server accepts requests."""
        return Reply(_message("ServerReadyResponse", ready=not self._is_draining()))

    def server_metadata(self, request: Any, caller: Caller) -> Reply:
        """Describe the server."""
        document = server_metadata()
        extensions = [*document["extensions"], *_EXTENSIONS]
        return Reply(
            _message(
                "ServerMetadataResponse", name=document["name"], version=document["version"], extensions=extensions
            )
        )

    def model_ready(self, request: Any, caller: Caller) -> Reply:
        """Report whether a model can be called; an unknown model is reported as not ready."""
        try:
            self._models.find(model_reference(caller, "read", request.name, request.version))
        except NotFoundError:
            return Reply(_message("ModelReadyResponse", ready=False))
        return Reply(_message("ModelReadyResponse", ready=True))

    def model_metadata(self, request: Any, caller: Caller) -> Reply:
        """Describe a model. Raises the same errors as ModelSource.find."""
        model = self._models.find(model_reference(caller, "read", request.name, request.version))
        document = model.metadata(self._models.versions(caller.tenant, model.model))
        fields = {name: document[name] for name in ("name", "versions", "platform", "inputs", "outputs")}
        return Reply(_message("ModelMetadataResponse", **fields))

    def model_infer(self, request: Any, caller: Caller) -> Reply:
        """Predict.

        Raises:
            NotFoundError: There is no such model or version.
            InvalidRequestError: The tensors do not match the model.
        """
        reference = model_reference(caller, "predict", request.model_name, request.model_version)
        position = request_position(
            caller.tenant, caller.principal, lambda _: request.id or None, request.SerializeToString
        )
        return self._models.find(reference._replace(position=position)).respond(lambda model: _infer(request, model))

    def repository_index(self, request: Any, caller: Caller) -> Reply:
        """List the models; if the request sets ``ready``, only models that can be called."""
        index = list_repository(self._models, caller, only_ready=request.ready)
        return Reply(_message("RepositoryIndexResponse", models=index))

    def repository_model_load(self, request: Any, caller: Caller) -> Reply:
        """Load a model. Raises the same errors as ModelRepository.load."""
        caller.require("publish", request.model_name)
        self._models.load(caller.tenant, request.model_name)
        return Reply(_message("RepositoryModelLoadResponse"))

    def repository_model_unload(self, request: Any, caller: Caller) -> Reply:
        """Unload a model. Raises the same errors as ModelRepository.unload."""
        caller.require("publish", request.model_name)
        self._models.unload(caller.tenant, request.model_name)
        return Reply(_message("RepositoryModelUnloadResponse"))


def _infer(request: Any, model: LoadedModel) -> Reply:
    extra = request.parameters["extra"].string_param if "extra" in request.parameters else "refuse"
    feeds = model.decode_tensors(_read_inputs(request), ignore_extra=extra == "ignore")
    outputs = model.run(feeds)
    return Reply(_infer_response(request, model, outputs), model.facts(len(outputs[0])))


def _message(name: str, /, **fields: Any) -> Any:
    return message_class(f"inference.{name}")(**fields)


def _read_inputs(request: Any) -> list[dict[str, Any]]:
    """Return the input tensors in the form of a JSON request.

    Raises:
        InvalidRequestError: The number of raw contents differs from the number of tensors, or a datatype is unknown.
    """
    tensors = [
        {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)} for tensor in request.inputs
    ]
    if not request.raw_input_contents:
        for document, tensor in zip(tensors, request.inputs, strict=True):
            document["data"] = _read_contents(tensor)
        return tensors
    if len(request.raw_input_contents) != len(tensors):
        raise InvalidRequestError(
            f"raw_input_contents: one per input is expected, {len(tensors)}, not {len(request.raw_input_contents)}"
        )
    for document, raw in zip(tensors, request.raw_input_contents, strict=True):
        document["parameters"] = {"binary_data_size": len(raw)}
    attach_binary_data(tensors, b"".join(request.raw_input_contents))
    return tensors


def _read_contents(tensor: Any) -> list[Any] | NDArray[Any]:
    field = _CONTENTS.get(tensor.datatype)
    if field is None:
        raise InvalidRequestError(f"datatype: one of {', '.join(_CONTENTS)} is expected, or raw contents")
    values = list(getattr(tensor.contents, field))
    if tensor.datatype == "BYTES":
        try:
            return [value.decode() for value in values]
        except UnicodeDecodeError:
            raise InvalidRequestError("bytes_contents: UTF-8 is expected") from None
    if tensor.datatype in ("FP32", "FP64"):
        if len(values) > 1:
            return np.array(values, np.float32 if tensor.datatype == "FP32" else np.float64)
        return [None if value != value else value for value in values]  # noqa: PLR0124 - NaN is a missing value
    return values


def _infer_response(request: Any, model: LoadedModel, outputs: Sequence[NDArray[Any]]) -> Any:
    arrays = dict(zip(model.outputs, outputs, strict=True))
    names = [output.name for output in request.outputs] or list(model.outputs)
    unknown = next((number for number, name in enumerate(names) if name not in arrays), None)
    if unknown is not None:
        raise InvalidRequestError(f"outputs[{unknown}]: one of {', '.join(arrays)} is expected")
    response = _message("ModelInferResponse", model_name=model.model, model_version=str(model.version), id=request.id)
    for name in names:
        array = arrays[name]
        datatype = datatype_of(array)
        tensor = response.outputs.add(name=name, datatype=datatype, shape=array.shape)
        if request.raw_input_contents or datatype not in _CONTENTS:
            response.raw_output_contents.append(write_binary_tensor(array))
        elif datatype == "BYTES":
            tensor.contents.bytes_contents.extend(text.encode() for text in array.ravel().tolist())
        else:
            getattr(tensor.contents, _CONTENTS[datatype]).extend(array.ravel().tolist())
    return response
