"""Find what the outputs of an uploaded graph mean: a label and probabilities, or values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.brought.graph import node_name
from pipeline.brought.inputs import PREFIX, read_metadata_list
from pipeline.contracts.errors import InvalidModelError
from pipeline.contracts.signature import Task
from pipeline.validation.limits import MAX_CLASSES

__all__ = ["GraphOutputs", "check_outputs", "read_outputs", "remove_maps"]

_LABELS = (TensorProto.STRING, TensorProto.INT64, TensorProto.INT32)
_NUMBERS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
_CLASS_LISTS = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
_SUM_TOLERANCE = 1e-3
_MAX_SEARCHED = 8  # nodes to search for the list of classes, from a label back
_MAX_VALUES = 50  # the maximum of targets in training


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphOutputs:
    """The outputs of a graph that are served, and what they mean.

    Attributes:
        form: ``labels``: labels and probabilities; ``probabilities``: no labels; ``logits``: their softmax is served;
            ``positive``: the probability of the second of two classes; ``logit``: its logit; or ``values``.
        names: Names of the outputs that are read: the label and the probabilities, or a single output.
        classes: Labels in the order of the probabilities.
        width: Number of numbers per row.
    """

    form: Literal["labels", "probabilities", "logits", "positive", "logit", "values"]
    names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    width: int = 1

    @property
    def task(self) -> Task:
        """The task."""
        return "regression" if self.form == "values" else "classification"

    def predictions(self, outputs: Mapping[str, npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return labels [rows] and probabilities [rows, classes], or no labels and values, from raw outputs."""
        rows = outputs[self.names[-1]].astype(np.float64)
        rows = rows.reshape(len(rows), -1)
        if self.form == "values":
            return np.empty(0, object), rows[:, 0] if self.width == 1 else rows
        if self.form == "logits":
            powers = np.exp(rows - rows.max(axis=1, keepdims=True))
            rows = powers / powers.sum(axis=1, keepdims=True)
        elif self.form in ("positive", "logit"):
            positive = 1 / (1 + np.exp(-rows)) if self.form == "logit" else rows
            rows = np.concatenate([1 - positive, positive], axis=1)
        if self.form == "labels":
            return outputs[self.names[0]].reshape(-1).astype(str).astype(object), rows
        return np.array(self.classes, object)[rows.argmax(axis=1)], rows

    def nodes(self, names: Sequence[str], read: Sequence[str]) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
        """Return the nodes that make a served file's outputs, and their constants.

        Args:
            names: Names of the served outputs.
            read: Names, within the graph, of the outputs ``self.names``, in the same order.
        """
        shape = [-1] if self.form == "values" and self.width == 1 else [-1, self.width]
        constants = [_constant("shape", np.array(shape, np.int64))]
        nodes = [
            _node("Cast", [read[-1]], "floats", to=TensorProto.FLOAT),
            _node("Reshape", [f"{PREFIX}floats", f"{PREFIX}shape"], "rows"),
        ]
        if self.form == "values":
            return [*nodes, helper.make_node("Identity", [f"{PREFIX}rows"], [names[0]])], constants
        rows = f"{PREFIX}rows"
        if self.form in _ACTIVATIONS:
            operator, attributes = _ACTIVATIONS[self.form]
            nodes.append(_node(operator, [rows], "activated", **attributes))
            rows = f"{PREFIX}activated"
        if self.width == 1:
            constants.append(_constant("one", np.array(1, np.float32)))
            nodes.append(_node("Sub", [f"{PREFIX}one", rows], "negative"))
            nodes.append(_node("Concat", [f"{PREFIX}negative", rows], "both", axis=1))
            rows = f"{PREFIX}both"
        if self.form == "labels":
            constants.append(_constant("flat", np.array([-1], np.int64)))
            nodes.append(_node("Reshape", [read[0], f"{PREFIX}flat"], "label"))
            nodes.append(helper.make_node("Cast", [f"{PREFIX}label"], [names[0]], to=TensorProto.STRING))
        else:
            constants.append(_constant("classes", np.array(self.classes, object)))
            nodes.append(_node("ArgMax", [rows], "best", axis=1, keepdims=0))
            nodes.append(helper.make_node("Gather", [f"{PREFIX}classes", f"{PREFIX}best"], [names[0]]))
        return [*nodes, helper.make_node("Identity", [rows], [names[1]])], constants


_ACTIVATIONS: Mapping[str, tuple[str, dict[str, int]]] = {"logits": ("Softmax", {"axis": 1}), "logit": ("Sigmoid", {})}


def remove_maps(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Return the graph with a ZipMap's input matrix as the output in place of its map, and the classes of the map.

    scikit-learn's converter and CatBoost write a ZipMap at the end of classifiers.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    outputs = {output.name for output in copy.graph.output}
    zips = [node for node in copy.graph.node if node.op_type == "ZipMap" and node.output[0] in outputs]
    classes: tuple[str, ...] = ()
    for node in zips:
        classes = _listed_classes(node) or classes
        for output in copy.graph.output:
            if output.name == node.output[0]:
                output.CopyFrom(helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, [None, len(classes)]))
        copy.graph.node.remove(node)
    return copy, classes


def read_outputs(
    model: onnx.ModelProto,
    outputs: Mapping[str, npt.NDArray[Any]],
    *,
    task: Task | None,
    classes: Sequence[str],
    file: str,
) -> GraphOutputs:
    """Find what the outputs of a graph mean, by their types and by their values for some rows.

    Args:
        model: The graph, without maps.
        outputs: The outputs for some rows, by name.
        task: Task in train.yaml; None: it names none.
        classes: Labels from a map; may be empty.
        file: Name of the file, for messages.

    Raises:
        InvalidModelError: Outputs have shapes or labels that cannot be served; the message names one.
    """
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.output}
    numbers = [name for name, element in types.items() if element in _NUMBERS]
    labels = [name for name, element in types.items() if element in _LABELS]
    rows = _as_rows(outputs[numbers[0]], numbers[0], file)
    width = rows.shape[1]
    if labels:
        label_classes = tuple(classes) or _find_classes(model, labels[0], width)
        _check_labels(outputs[labels[0]], label_classes, labels[0], width, file)
        return GraphOutputs(form="labels", names=(labels[0], numbers[0]), classes=label_classes, width=width)
    named = _named_classes(model, 2 if width == 1 else width)
    form = _form(model, numbers[0], rows, task)
    limit = _MAX_VALUES if form == "values" else MAX_CLASSES
    if width > limit:
        raise InvalidModelError(
            f"{file}: the output '{numbers[0]}' has {width:,} numbers for a row: at most {limit:,} are expected"
        )
    return GraphOutputs(form=form, names=(numbers[0],), classes=() if form == "values" else named, width=width)


def check_outputs(model: onnx.ModelProto, file: str) -> None:
    """Check, before the graph is run, that its outputs have types that can be served.

    Raises:
        InvalidModelError: An output is a sequence, a map, or only a text; or there are too many outputs. The message
            names the output.
    """
    elements = [_element(value, model, file) for value in model.graph.output]
    names = [value.name for value in model.graph.output]
    numbers = [name for name, element in zip(names, elements, strict=True) if element in _NUMBERS]
    if not numbers:
        raise InvalidModelError(
            f"{file}: the output '{names[0]}' is only a label or text, and its probabilities are expected too"
        )
    if len(numbers) > 1 or len(names) > 2:
        raise InvalidModelError(
            f"{file} has the outputs {', '.join(names)}: one output of numbers, or a label and its probabilities, are "
            "expected"
        )


def _element(value: onnx.ValueInfoProto, model: onnx.ModelProto, file: str) -> int:
    kind = value.type.WhichOneof("value")
    element: int = value.type.tensor_type.elem_type
    if kind == "tensor_type" and element in (*_NUMBERS, *_LABELS):
        return element
    maker = next((node for node in model.graph.node if value.name in node.output), None)
    named = (kind or "value without a type").removesuffix("_type")
    if kind == "tensor_type":
        named = f"tensor of {TensorProto.DataType.Name(element)}"
    by = f", made by {node_name(maker)}," if maker is not None else ""
    raise InvalidModelError(
        f"{file}: the output '{value.name}'{by} is a {named}, which cannot be served: tensors of floats, or a label "
        "and its probabilities, are expected"
    )


def _as_rows(output: npt.NDArray[Any], name: str, file: str) -> npt.NDArray[np.float64]:
    if output.ndim == 0 or output.size % max(1, len(output)) or output.squeeze().ndim > 2:
        raise InvalidModelError(
            f"{file}: the output '{name}' has the shape {list(output.shape)}, and [batch] or [batch, numbers] is "
            "expected"
        )
    return output.reshape(len(output), -1).astype(np.float64)


def _form(
    model: onnx.ModelProto, name: str, rows: npt.NDArray[np.float64], task: Task | None
) -> Literal["probabilities", "logits", "positive", "logit", "values"]:
    if task == "regression":
        return "values"
    maker = next((node.op_type for node in model.graph.node if name in node.output), "")
    within = bool((rows >= -_SUM_TOLERANCE).all() and (rows <= 1 + _SUM_TOLERANCE).all())
    if rows.shape[1] == 1:
        if maker == "Sigmoid" or (task == "classification" and within):
            return "positive"
        return "logit" if task == "classification" else "values"
    if within and bool((np.abs(rows.sum(axis=1) - 1) <= _SUM_TOLERANCE).all()):
        return "probabilities"
    return "logits" if task == "classification" else "values"


def _find_classes(model: onnx.ModelProto, label: str, width: int) -> tuple[str, ...]:
    """Return the classes from which a label is taken: the list in a classifier, a LabelEncoder, or a constant."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = {output: node for node in model.graph.node for output in node.output}
    pending = [label]
    for name in islice(pending, _MAX_SEARCHED):  # the loop appends the inputs of each node
        node = makers.get(name)
        if node is None:
            continue
        if len(listed := _listed_classes(node)) == width:
            return listed
        for source in node.input:
            if source in constants and list(constants[source].dims) == [width]:
                return _texts(numpy_helper.to_array(constants[source]).tolist())
        pending += node.input
    return _named_classes(model, width)


def _listed_classes(node: onnx.NodeProto) -> tuple[str, ...]:
    lists = {attribute.name: attribute.strings or attribute.ints for attribute in node.attribute}
    names = ("values_strings", *_CLASS_LISTS) if node.op_type == "LabelEncoder" else _CLASS_LISTS
    return next((_texts(lists[name]) for name in names if lists.get(name)), ())


def _named_classes(model: onnx.ModelProto, width: int) -> tuple[str, ...]:
    """Return the classes in the graph's metadata (``classes``, a JSON list), else the texts 0, 1, ..."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    listed = tuple(map(str, read_metadata_list(metadata, "classes")))
    if len(listed) == len(set(listed)) == width:
        return listed
    return tuple(map(str, range(width)))


def _texts(items: Iterable[Any]) -> tuple[str, ...]:
    return tuple(item.decode() if isinstance(item, bytes) else str(item) for item in items)


def _check_labels(labels: npt.NDArray[Any], classes: Sequence[str], name: str, width: int, file: str) -> None:
    predicted = set(labels.reshape(-1).astype(str).tolist())
    if len(classes) != width or not 2 <= width <= MAX_CLASSES:
        raise InvalidModelError(
            f"{file}: the output '{name}' has {len(classes)} labels, and {width} probabilities: equal numbers are "
            f"expected, 2 to {MAX_CLASSES:,}"
        )
    if unknown := sorted(predicted - set(classes)):
        raise InvalidModelError(
            f"{file}: the output '{name}' gave the label '{unknown[0][:60]}', which is none of the graph's classes "
            f"({', '.join(classes[:5])})"
        )


def _node(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [f"{PREFIX}{output}"], name=f"{PREFIX}{output}", **attributes)


def _constant(name: str, value: npt.NDArray[Any]) -> onnx.TensorProto:
    return numpy_helper.from_array(value, f"{PREFIX}{name}")
