"""Make the served file (contracts.signature), which reads raw columns and returns labels or values, from a body.

A body is an ONNX graph over encoded columns (graphs.encoding). Its inputs are those of ``num``, ``cat``, ``text`` and
``image`` that it reads. Its only output is float32: probabilities [batch, classes] in the order of the classes; values
[batch] or [batch, 1]; with quantiles [batch, 1 + quantiles], the value first; with several targets, their values or
the probabilities of the labels [batch, targets].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from pipeline.contracts.records.dataset import ColumnProfile, Dataset
from pipeline.contracts.signature import Column, Signature
from pipeline.graphs.compose import join, normalize
from pipeline.graphs.dates import date_feature_names, date_graph
from pipeline.graphs.decision import add_decision
from pipeline.graphs.encoding import CAT, IMAGE, NUM, TEXT, Encoding, centers
from pipeline.graphs.several_targets import after_several_targets
from pipeline.graphs.writer import NamedGraph

__all__ = ["normalize", "wrap"]

_value = helper.make_tensor_value_info
_TYPES = {
    "numeric": TensorProto.FLOAT,
    "boolean": TensorProto.FLOAT,
    "categorical": TensorProto.STRING,
    "text": TensorProto.STRING,
    "datetime": TensorProto.DOUBLE,
    "image": TensorProto.UINT8,
}


def wrap(body: onnx.ModelProto, dataset: Dataset, signature: Signature) -> onnx.ModelProto:
    """Return the served file that wraps ``body``; it matches categories exactly, case and spaces included."""
    encoding = Encoding.of(dataset)
    prefix = _free_prefix([*(column.name for column in signature.columns), *signature.outputs])
    reads = [value.name for value in body.graph.input]
    model = join(_input_nodes(encoding, signature, prefix, reads), body, prefix=f"{prefix}body/")
    model = join(model, _after(signature, prefix), prefix="")
    onnx.checker.check_model(model)
    return model


def _free_prefix(used: Iterable[str]) -> str:
    """Return a prefix that no used name begins with, so that inner names of the graph differ from column names."""
    names = list(used)
    prefix = "_/"
    while any(name.startswith(prefix) for name in names):
        prefix = f"_{prefix}"
    return prefix


def _type(column: Column) -> int:
    kind: int = TensorProto.DOUBLE if column.is_wide else _TYPES[column.kind]
    return kind


def _input_nodes(encoding: Encoding, signature: Signature, prefix: str, reads: Sequence[str]) -> onnx.ModelProto:
    """Return the graph that computes the inputs that the body ``reads``, in their order."""
    graph = NamedGraph(prefix=prefix)
    ids = [_add_ids(graph, column, index) for index, column in enumerate(encoding.categorical) if CAT in reads]
    outputs = []
    for read in reads:
        if read == IMAGE:
            assert encoding.image is not None, "a body that reads images was trained on some"
            image = graph.add("Identity", encoding.image.name, name=IMAGE)
            outputs.append(_value(image, TensorProto.UINT8, ["batch", *encoding.image.shape]))
        elif read == CAT:
            outputs.append(_add_matrix(graph, ids, CAT, TensorProto.INT64))
        elif read == TEXT:
            outputs.append(_add_matrix(graph, [column.name for column in encoding.text], TEXT, TensorProto.STRING))
        else:
            outputs.append(_add_numbers(graph, encoding))
    inputs = [_value(column.name, _type(column), ["batch", *column.shape]) for column in signature.columns]
    return graph.model("before", inputs, outputs)


def _add_numbers(graph: NamedGraph, encoding: Encoding) -> onnx.ValueInfoProto:
    """Add the matrix of the numeric columns, followed by the features of dates."""
    if not encoding.dates:
        return _add_numeric(graph, encoding.numeric, NUM)
    matrices = [_add_numeric(graph, encoding.numeric, f"{NUM}_plain").name] if encoding.numeric else []
    matrices.append(f"{graph.prefix}{NUM}_dates")
    nodes, constants = date_graph(encoding.dates, matrices[-1])
    graph.nodes.extend(nodes)
    graph.constants.extend(constants)
    width = len(encoding.numeric) + sum(len(date_feature_names(column)) for column in encoding.dates)
    return _value(graph.add("Concat", *matrices, name=NUM, axis=1), TensorProto.FLOAT, ["batch", width])


def _add_numeric(graph: NamedGraph, columns: Sequence[ColumnProfile], name: str) -> onnx.ValueInfoProto:
    """Add the matrix of numeric columns; wide ones are doubles, centered before the cast to float."""
    wide = [column for column in columns if column.is_wide]
    if not wide:
        return _add_matrix(graph, [column.name for column in columns], name, TensorProto.FLOAT)
    plain = [column for column in columns if not column.is_wide]
    rows = [_add_rows(graph, [column.name for column in plain], f"{name}_narrow")] if plain else []
    wide_rows = _add_rows(graph, [column.name for column in wide], f"{name}_wide")
    center = graph.constant(f"{name}_centers", centers(wide)[:, None])
    centered = graph.add("Sub", wide_rows, center, name=f"{name}_centered")
    rows.append(graph.add("Cast", centered, name=f"{name}_floats", to=TensorProto.FLOAT))
    row = {column.name: index for index, column in enumerate((*plain, *wide))}
    order = graph.constant(f"{name}_order", np.array([row[column.name] for column in columns], np.int64))
    unordered = graph.add("Concat", *rows, name=f"{name}_unordered", axis=0)
    ordered = graph.add("Gather", unordered, order, name=f"{name}_rows", axis=0)
    matrix = graph.add("Transpose", ordered, name=name, perm=[1, 0])
    return _value(matrix, TensorProto.FLOAT, ["batch", len(columns)])


def _add_ids(graph: NamedGraph, column: ColumnProfile, index: int) -> str:
    vocabulary = list(column.vocabulary)
    return graph.add(
        "LabelEncoder",
        column.name,
        name=f"id_{index}",
        domain="ai.onnx.ml",
        keys_strings=["", *vocabulary],
        values_int64s=list(range(len(vocabulary) + 1)),
        default_int64=len(vocabulary) + 1,
    )


def _add_matrix(graph: NamedGraph, columns: Sequence[str], name: str, kind: int) -> onnx.ValueInfoProto:
    """Stack columns [batch] to a matrix [batch, columns], by three nodes for any number of columns."""
    matrix = graph.add("Transpose", _add_rows(graph, columns, name), name=name, perm=[1, 0])
    return _value(matrix, kind, ["batch", len(columns)])


def _add_rows(graph: NamedGraph, columns: Sequence[str], name: str) -> str:
    """Stack columns [batch] of one type to rows [columns, batch]."""
    shape = graph.constant(f"{name}_shape", np.array([len(columns), -1], np.int64))
    flat = graph.add("Concat", *columns, name=f"{name}_flat", axis=0)
    return graph.add("Reshape", flat, shape, name=f"{name}_rows")


def _after(signature: Signature, prefix: str) -> onnx.ModelProto:
    body_output, count = f"{prefix}answer", len(signature.quantiles)
    if signature.targets:
        return after_several_targets(signature, prefix, body_output)
    graph = NamedGraph(prefix=prefix)
    if signature.task == "regression":
        value, *quantiles = signature.outputs
        values, shape, outputs = body_output, None, [_value(value, TensorProto.FLOAT, ["batch"])]
        if quantiles:  # [batch, 1 + quantiles] are split
            sizes = graph.constant("sizes", np.array([1, count], np.int64))
            values, shape = f"{prefix}first", ["batch", 1 + count]
            graph.nodes.append(helper.make_node("Split", [body_output, sizes], [values, *quantiles], axis=1))
            outputs.append(_value(quantiles[0], TensorProto.FLOAT, ["batch", count]))
        graph.add_output("Reshape", values, graph.constant("flat", np.array([-1], np.int64)), output=value)
        return graph.model("after", [_value(body_output, TensorProto.FLOAT, shape)], outputs)
    label, probabilities = signature.outputs
    classes = graph.constant("classes", np.array(signature.classes, dtype=object))
    shape = ["batch", len(signature.classes)]
    add_decision(graph, signature, body_output, probabilities, f"{prefix}best")
    graph.add_output("Gather", classes, f"{prefix}best", output=label)
    outputs = [_value(label, TensorProto.STRING, ["batch"]), _value(probabilities, TensorProto.FLOAT, shape)]
    return graph.model("after", [_value(body_output, TensorProto.FLOAT, shape)], outputs)
