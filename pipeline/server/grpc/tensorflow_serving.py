"""TensorFlow Serving's PredictionService: Predict, Classify, Regress, MultiInference, GetModelMetadata.

References:
    https://github.com/tensorflow/serving/blob/master/tensorflow_serving/apis/prediction_service.proto
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.server.grpc.calls import Reply
from pipeline.server.grpc.messages import message_class
from pipeline.server.grpc.tensorflow_examples import read_examples, write_classes, write_signature, write_values
from pipeline.server.repository import ModelRepository
from pipeline.serving.api.assignment import request_position
from pipeline.serving.api.messages import Caller
from pipeline.serving.api.model_source import ModelReference
from pipeline.serving.api.protocols.tensorflow_serving import classes_of, describe_signature, require_value
from pipeline.serving.api.routes import split_alias
from pipeline.serving.formats.binary_tensors import datatype_of
from pipeline.serving.formats.rows import decode_rows
from pipeline.serving.loaded_model import LoadedModel

__all__ = ["SERVICE", "TensorFlowService"]

_SERVING = "tensorflow.serving"
SERVICE = f"{_SERVING}.PredictionService"
# DataType -> datatype of the Open Inference Protocol, dtype of tensor_content, field of single values
_TYPES = {
    1: ("FP32", "<f4", "float_val"),
    2: ("FP64", "<f8", "double_val"),
    3: ("INT32", "<i4", "int_val"),
    4: ("UINT8", "u1", "int_val"),
    5: ("INT16", "<i2", "int_val"),
    6: ("INT8", "i1", "int_val"),
    7: ("BYTES", "", "string_val"),
    9: ("INT64", "<i8", "int64_val"),
    10: ("BOOL", "?", "bool_val"),
    17: ("UINT16", "<u2", "int_val"),
    22: ("UINT32", "<u4", "uint32_val"),
    23: ("UINT64", "<u8", "uint64_val"),
}
_CODES = {datatype: code for code, (datatype, _, _) in _TYPES.items()}
_SIGNATURES = ("", "predict", "serving_default")
_MAX_TASKS = 16  # tasks of one MultiInference request


class TensorFlowService:
    """Implements the RPCs of PredictionService. Each method takes the request message and the caller.

    Args:
        models: The models.
    """

    def __init__(self, models: ModelRepository) -> None:
        self._models = models

    def predict(self, request: Any, caller: Caller) -> Reply:
        """Predict.

        Raises:
            NotFoundError: There is no such model, version or label.
            InvalidRequestError: The tensors do not match the model.
        """
        return self._respond(request, caller, _predict)

    def classify(self, request: Any, caller: Caller) -> Reply:
        """Return the probability of each class for each example.

        Raises:
            NotFoundError: There is no such model, version or label.
            InvalidRequestError: The model has no classes, or the examples do not match it.
        """
        return self._respond(request, caller, _classify)

    def regress(self, request: Any, caller: Caller) -> Reply:
        """Predict one value for each example.

        Raises:
            NotFoundError: There is no such model, version or label.
            InvalidRequestError: The model does not predict one value, or the examples do not match it.
        """
        return self._respond(request, caller, _regress)

    def multi_inference(self, request: Any, caller: Caller) -> Reply:
        """Run several tasks, each a classification or a regression by one model, on the same examples.

        Raises:
            NotFoundError: There is no such model, version or label.
            InvalidRequestError: There is no task, a task has another method, or the examples do not match its model.
        """
        if not 0 < len(request.tasks) <= _MAX_TASKS:
            raise InvalidRequestError(f"tasks: 1 to {_MAX_TASKS} are expected, there are {len(request.tasks)}")
        response = message_class(f"{_SERVING}.MultiInferenceResponse")()
        facts: Mapping[str, Any] = {}
        for number, task in enumerate(request.tasks):
            run = _TASKS.get(task.method_name)
            if run is None:
                raise InvalidRequestError(f"tasks[{number}], method_name: {' or '.join(_TASKS)} is expected")
            single = message_class(f"{_SERVING}.{run.request}")(model_spec=task.model_spec, input=request.input)
            message, facts = self._respond(single, caller, run.call)
            result = response.results.add(model_spec=message.model_spec)
            getattr(result, run.result).CopyFrom(message.result)
        return Reply(response, facts)

    def get_model_metadata(self, request: Any, caller: Caller) -> Reply:
        """Describe a model's inputs and outputs.

        Raises:
            NotFoundError: There is no such model, version or label.
            InvalidRequestError: The request asks for another field than ``signature_def``.
        """
        caller.require("read", split_alias(request.model_spec.name)[0])
        model = self._models.find(_reference(caller, request.model_spec))
        response = _new_response("GetModelMetadataResponse", request, model)
        definition = describe_signature(model)["metadata"]["signature_def"]["signature_def"]["serving_default"]
        write_signature(response, definition, request.metadata_field)
        return Reply(response)

    def _respond(self, request: Any, caller: Caller, run: Callable[[Any, LoadedModel], Reply]) -> Reply:
        caller.require("predict", split_alias(request.model_spec.name)[0])
        if request.model_spec.signature_name not in _SIGNATURES:
            raise InvalidRequestError("signature_name: 'serving_default' or 'predict' is expected")
        position = request_position(caller.tenant, caller.principal, lambda _: None, request.SerializeToString)
        reference = _reference(caller, request.model_spec)._replace(position=position)
        return self._models.find(reference).respond(lambda model: run(request, model))


def _predict(request: Any, model: LoadedModel) -> Reply:
    outputs = model.run(model.decode_tensors([_read_tensor(name, request.inputs[name]) for name in request.inputs]))
    return Reply(_response(request, model, outputs), model.facts(len(outputs[0])))


def _classify(request: Any, model: LoadedModel) -> Reply:
    classes = classes_of(model)
    _, probabilities = _run_examples(request, model)
    response = _new_response("ClassificationResponse", request, model)
    write_classes(response, classes, probabilities.tolist())
    return Reply(response, model.facts(len(probabilities)))


def _regress(request: Any, model: LoadedModel) -> Reply:
    require_value(model)
    values = _run_examples(request, model)[0]
    response = _new_response("RegressionResponse", request, model)
    write_values(response, values.ravel().tolist())
    return Reply(response, model.facts(len(values)))


class _Task(NamedTuple):
    """How a task of MultiInference runs: the request message, the field of the result, and the function to call."""

    request: str
    result: str
    call: Callable[[Any, LoadedModel], Reply]


_TASKS: Mapping[str, _Task] = {
    "tensorflow/serving/classify": _Task("ClassificationRequest", "classification_result", _classify),
    "tensorflow/serving/regress": _Task("RegressionRequest", "regression_result", _regress),
}


def _run_examples(request: Any, model: LoadedModel) -> list[NDArray[Any]]:
    return model.run(decode_rows(read_examples(request), model.decoder, field="examples"))


def _new_response(name: str, request: Any, model: LoadedModel) -> Any:
    response = message_class(f"{_SERVING}.{name}")()
    response.model_spec.name = model.model
    response.model_spec.version.value = model.version
    response.model_spec.signature_name = request.model_spec.signature_name or "serving_default"
    return response


def _reference(caller: Caller, spec: Any) -> ModelReference:
    model, alias = split_alias(spec.name)
    if spec.HasField("version"):
        return ModelReference(caller.tenant, model, spec.version.value)
    return ModelReference(caller.tenant, model, alias=spec.version_label or alias)


def _read_tensor(name: str, tensor: Any) -> dict[str, Any]:
    """Return an input tensor in the form of the Open Inference Protocol's JSON.

    Raises:
        InvalidRequestError: The tensor's type or rank is unknown, or its content is truncated.
    """
    if tensor.dtype not in _TYPES or tensor.tensor_shape.unknown_rank:
        raise InvalidRequestError("inputs: tensors of a known rank, of numbers, bool or string are expected")
    datatype, dtype, field = _TYPES[tensor.dtype]
    shape = [axis.size for axis in tensor.tensor_shape.dim]
    data: list[Any] | NDArray[Any]
    if datatype == "BYTES":
        data = _decode(tensor.string_val)
    elif tensor.tensor_content:
        if len(tensor.tensor_content) % np.dtype(dtype).itemsize:
            raise InvalidRequestError("inputs, tensor_content: it is truncated")
        data = np.frombuffer(tensor.tensor_content, dtype)
    else:
        data = np.array(getattr(tensor, field), dtype)
    size = int(np.prod(shape, dtype=np.int64))
    if len(data) == 1 and 1 < size <= 1 << 20:  # a TensorProto may have one value for all elements
        data = data * size if isinstance(data, list) else np.repeat(data, size)
    if isinstance(data, np.ndarray) and data.size == 1:
        data = [None if value != value else value for value in data.tolist()]  # noqa: PLR0124 - NaN: missing
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def _decode(values: Sequence[bytes]) -> list[str]:
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError:
        raise InvalidRequestError("inputs, string_val: UTF-8 is expected") from None


def _response(request: Any, model: LoadedModel, outputs: Sequence[NDArray[Any]]) -> Any:
    arrays = dict(zip(model.outputs, outputs, strict=True))
    names = list(request.output_filter) or list(model.outputs)
    if not arrays.keys() >= set(names):
        raise InvalidRequestError(f"output_filter: names of {', '.join(arrays)} are expected")
    response = _new_response("PredictResponse", request, model)
    for name in names:
        array = arrays[name]
        tensor = response.outputs[name]
        tensor.dtype = _CODES[datatype_of(array)]
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
        if array.dtype == object:
            tensor.string_val.extend(text.encode() for text in array.ravel().tolist())
        else:
            tensor.tensor_content = np.ascontiguousarray(array).tobytes()
    return response
