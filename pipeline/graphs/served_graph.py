"""The served file (contracts.signature): raw columns into a body, labels or values out of it.

A body is an ONNX graph over encoded columns (graphs.encoding): of the inputs ``num``, ``cat``, ``text`` and ``image``
those that it reads; one output: probabilities float32 [batch, classes] in the order of the classes, or values float32
[batch] or [batch, 1]; with quantiles [batch, 1 + quantiles], the value first; of several targets values, or
probabilities of the labels, float32 [batch, targets].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.contracts.records.dataset import ColumnProfile, Dataset
from pipeline.contracts.signature import Column, Signature
from pipeline.graphs.compose import join, make_model, normalize
from pipeline.graphs.dates import date_feature_names, date_graph
from pipeline.graphs.decision import decision_nodes
from pipeline.graphs.encoding import CAT, IMAGE, NUM, TEXT, Encoding, centers
from pipeline.graphs.several_targets import after_several_targets

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
    """Return the served file around ``body``, which stays as it is. Categories are matched exactly as they are
    written.
    """
    encoding = Encoding.of(dataset)
    prefix = _free_prefix([*(column.name for column in signature.columns), *signature.outputs])
    reads = [value.name for value in body.graph.input]
    model = join(_input_nodes(encoding, signature, prefix, reads), body, prefix=f"{prefix}body/")
    model = join(model, _after(signature, prefix), prefix="")
    onnx.checker.check_model(model)
    return model


def _free_prefix(taken: Iterable[str]) -> str:
    """Return a prefix that no column's name begins with, so that names of the graph are no column's."""
    names = list(taken)
    prefix = "_/"
    while any(name.startswith(prefix) for name in names):
        prefix = f"_{prefix}"
    return prefix


def _type(column: Column) -> int:
    kind: int = TensorProto.DOUBLE if column.is_wide else _TYPES[column.kind]
    return kind


def _input_nodes(encoding: Encoding, signature: Signature, prefix: str, reads: Sequence[str]) -> onnx.ModelProto:
    """Return the inputs that the body ``reads``, in their order."""
    ids = [f"{prefix}id_{index}" for index, _ in enumerate(encoding.categorical)]
    subgraphs: list[_Subgraph] = []
    nodes: list[onnx.NodeProto] = []
    for read in reads:
        if read == IMAGE:
            assert encoding.image is not None, "a body that reads images was trained on some"
            subgraphs.append(_image(encoding.image, f"{prefix}{IMAGE}"))
        elif read == CAT:
            nodes += [_id_node(column, name) for column, name in zip(encoding.categorical, ids, strict=True)]
            subgraphs.append(_stack(ids, f"{prefix}{CAT}", TensorProto.INT64))
        elif read == TEXT:
            subgraphs.append(_stack([column.name for column in encoding.text], f"{prefix}{TEXT}", TensorProto.STRING))
        else:
            subgraphs.append(_numbers(encoding, f"{prefix}{NUM}"))
    inputs = [_value(column.name, _type(column), ["batch", *column.shape]) for column in signature.columns]
    nodes += [node for subgraph in subgraphs for node in subgraph.nodes]
    constants = [constant for subgraph in subgraphs for constant in subgraph.constants]
    return make_model(f"{prefix}before", nodes, inputs, [subgraph.output for subgraph in subgraphs], constants)


def _numbers(encoding: Encoding, output: str) -> _Subgraph:
    """Return the subgraph of the numeric columns, followed by the features of dates."""
    if not encoding.dates:
        return _numeric(encoding.numeric, output)
    names = [f"{output}_dates"]
    nodes, constants = date_graph(encoding.dates, names[0])
    if encoding.numeric:
        plain = _numeric(encoding.numeric, f"{output}_plain")
        nodes, constants, names = [*plain.nodes, *nodes], [*plain.constants, *constants], [plain.output.name, *names]
    width = len(encoding.numeric) + sum(len(date_feature_names(column)) for column in encoding.dates)
    nodes = [*nodes, helper.make_node("Concat", names, [output], axis=1)]
    return _Subgraph(nodes=nodes, output=_value(output, TensorProto.FLOAT, ["batch", width]), constants=constants)


def _numeric(columns: Sequence[ColumnProfile], output: str) -> _Subgraph:
    """Return the subgraph of numeric columns; wide ones are doubles, centered before the cast to float."""
    wide = [column for column in columns if column.is_wide]
    if not wide:
        return _stack([column.name for column in columns], output, TensorProto.FLOAT)
    plain = [column for column in columns if not column.is_wide]
    nodes, constants = _rows([column.name for column in wide], f"{output}_wide")
    nodes += [
        helper.make_node("Sub", [f"{output}_wide_rows", f"{output}_centers"], [f"{output}_centered"]),
        helper.make_node("Cast", [f"{output}_centered"], [f"{output}_floats"], to=TensorProto.FLOAT),
    ]
    constants.append(numpy_helper.from_array(centers(wide)[:, None], f"{output}_centers"))
    rows = [f"{output}_floats"]
    if plain:
        more_nodes, more_constants = _rows([column.name for column in plain], f"{output}_narrow")
        nodes, constants, rows = [*more_nodes, *nodes], [*more_constants, *constants], [f"{output}_narrow_rows", *rows]
    row = {column.name: index for index, column in enumerate((*plain, *wide))}
    order = np.array([row[column.name] for column in columns], np.int64)
    nodes += [
        helper.make_node("Concat", rows, [f"{output}_unordered"], axis=0),
        helper.make_node("Gather", [f"{output}_unordered", f"{output}_order"], [f"{output}_rows"], axis=0),
        helper.make_node("Transpose", [f"{output}_rows"], [output], perm=[1, 0]),
    ]
    constants.append(numpy_helper.from_array(order, f"{output}_order"))
    return _Subgraph(
        nodes=nodes, output=_value(output, TensorProto.FLOAT, ["batch", len(columns)]), constants=constants
    )


def _image(column: ColumnProfile, output: str) -> _Subgraph:
    node = helper.make_node("Identity", [column.name], [output])
    return _Subgraph(nodes=[node], output=_value(output, TensorProto.UINT8, ["batch", *column.shape]))


def _id_node(column: ColumnProfile, output: str) -> onnx.NodeProto:
    vocabulary = list(column.vocabulary)
    return helper.make_node(
        "LabelEncoder",
        [column.name],
        [output],
        domain="ai.onnx.ml",
        keys_strings=["", *vocabulary],
        values_int64s=list(range(len(vocabulary) + 1)),
        default_int64=len(vocabulary) + 1,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Subgraph:
    """The nodes that compute one of the body's inputs."""

    nodes: Sequence[onnx.NodeProto]
    output: onnx.ValueInfoProto
    constants: Sequence[onnx.TensorProto] = ()


def _stack(names: Sequence[str], output: str, kind: int) -> _Subgraph:
    """Stack columns [batch] to a matrix [batch, columns], with three nodes whatever their number."""
    nodes, constants = _rows(names, output)
    nodes.append(helper.make_node("Transpose", [f"{output}_rows"], [output], perm=[1, 0]))
    return _Subgraph(nodes=nodes, output=_value(output, kind, ["batch", len(names)]), constants=constants)


def _rows(names: Sequence[str], output: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Columns [batch] of one type -> ``output``_rows [columns, batch]."""
    shape = numpy_helper.from_array(np.array([len(names), -1], np.int64), f"{output}_shape")
    nodes = [
        helper.make_node("Concat", list(names), [f"{output}_flat"], axis=0),
        helper.make_node("Reshape", [f"{output}_flat", shape.name], [f"{output}_rows"]),
    ]
    return nodes, [shape]


def _after(signature: Signature, prefix: str) -> onnx.ModelProto:
    body_output = f"{prefix}answer"
    if signature.targets:
        return after_several_targets(signature, prefix, body_output)
    if signature.quantiles:
        return _value_and_quantiles(signature, prefix, body_output)
    if signature.task == "regression":
        (value,) = signature.outputs
        flat = numpy_helper.from_array(np.array([-1], np.int64), f"{prefix}flat")
        nodes = [helper.make_node("Reshape", [body_output, flat.name], [value])]
        inputs, outputs = [_value(body_output, TensorProto.FLOAT, None)], [_value(value, TensorProto.FLOAT, ["batch"])]
        return make_model(f"{prefix}after", nodes, inputs, outputs, [flat])
    label, probabilities = signature.outputs
    classes = numpy_helper.from_array(np.array(signature.classes, dtype=object), f"{prefix}classes")
    shape = ["batch", len(signature.classes)]
    nodes, constants = decision_nodes(signature, body_output, probabilities, f"{prefix}best", prefix)
    nodes.append(helper.make_node("Gather", [classes.name, f"{prefix}best"], [label]))
    outputs = [_value(label, TensorProto.STRING, ["batch"]), _value(probabilities, TensorProto.FLOAT, shape)]
    return make_model(
        f"{prefix}after", nodes, [_value(body_output, TensorProto.FLOAT, shape)], outputs, [classes, *constants]
    )


def _value_and_quantiles(signature: Signature, prefix: str, body_output: str) -> onnx.ModelProto:
    """Split [batch, 1 + quantiles] into value and quantiles."""
    value, quantiles = signature.outputs
    count = len(signature.quantiles)
    sizes = numpy_helper.from_array(np.array([1, count], np.int64), f"{prefix}sizes")
    flat = numpy_helper.from_array(np.array([-1], np.int64), f"{prefix}flat")
    nodes = [
        helper.make_node("Split", [body_output, sizes.name], [f"{prefix}first", quantiles], axis=1),
        helper.make_node("Reshape", [f"{prefix}first", flat.name], [value]),
    ]
    outputs = [_value(value, TensorProto.FLOAT, ["batch"]), _value(quantiles, TensorProto.FLOAT, ["batch", count])]
    body_value = _value(body_output, TensorProto.FLOAT, ["batch", 1 + count])
    return make_model(f"{prefix}after", nodes, [body_value], outputs, [sizes, flat])
